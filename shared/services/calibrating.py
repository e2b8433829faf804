"""What a submitter's stated confidence is to be taken for, when one of its entries comes.

The queue is ordered by it: who overstates is reviewed as the doubtful one that it is. Read once a
minute for each submitter and process, so that submitting costs no further read.
"""

from shared.domain import review_stats
from shared.domain.access import Caller
from shared.messages.submitting import SubmitEntry
from shared.services.deps import Deps

RECORD_AGE_S = 60.0
"""How old a submitter's record may be."""

RECORDS_KEPT = 10_000
"""Submitters that a process remembers, at most; then it starts anew."""


async def borne_out(deps: Deps, caller: Caller, command: SubmitEntry) -> float | None:
    """Returns what the stated confidence is taken for, 0..1; None where nothing is known yet."""
    name = f"{review_stats.SUBMITTERS}{command.submitter or caller.subject}"
    place, now = (caller.workspace, name), deps.clock.monotonic_s()
    seen = deps.records_seen.get(place)
    if seen is None or now - seen[0] >= RECORD_AGE_S:
        if len(deps.records_seen) >= RECORDS_KEPT:
            deps.records_seen.clear()
        seen = now, review_stats.by_band(await deps.store.counter(caller.workspace, name))
        deps.records_seen[place] = seen
    return review_stats.borne_out(seen[1], command.confidence_score)
