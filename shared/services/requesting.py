"""Who asks for runs by itself: the schedule, and evidence that has piled up.

Both only emit `learning.requested`; the run is the consumer's. Invariant: evidence up to one
watermark asks for one run.
"""

from shared.domain.access import Caller
from shared.domain.learning.runs import LearningHead
from shared.domain.operations import CONSUMED, Consumed
from shared.domain.times import plus
from shared.errors import AlreadyExists
from shared.messages.base import Answer
from shared.messages.events import Event
from shared.ports import Transaction
from shared.services.access import list_workspaces
from shared.services.deps import Deps
from shared.services.leasing import gates, tried
from shared.services.snapshots import head_of, info_of
from shared.services.unit import event, settings_of

LOOK_EVERY_S = 2.0
"""Seconds between two looks at a workspace's evidence by one process."""

_REMEMBERED_S = 90 * 86_400
_BY_SCHEDULE = "system:schedule"
_BY_EVIDENCE = "system:evidence"


class RunsRequested(Answer):
    """How many workspaces were asked to learn."""

    workspaces: int


async def request_everywhere(deps: Deps) -> RunsRequested:
    """Asks for a run in every workspace that may be written to.

    Also where the gates are shut: the run that is blocked there says why.
    """
    everywhere = await list_workspaces(deps)
    names = [name for name in everywhere if not (await settings_of(deps, name)).read_only]
    for name in names:
        await _request(deps, Caller(name, _BY_SCHEDULE, system=True), "schedule", None)
    return RunsRequested(workspaces=len(names))


def rows_told_by(event: Event) -> int:
    """Returns how many rows of evidence an event tells of, at least."""
    counts = [event.data.get(name) for name in ("settled", "missed")]
    return sum(count for count in counts if isinstance(count, int)) or 1


async def request_where_enough(deps: Deps, workspace: str, rows: int = 1) -> bool:
    """Asks for a run where enough evidence waits; tells whether it did.

    Called for every event of evidence, and so looks only where `LOOK_EVERY_S` have passed, or where
    what came in since the last look may have made it enough: the end of a burst is not missed.

    Args:
        deps: the ports.
        workspace: where the evidence came in.
        rows: how many rows of it the event brought, at least.
    """
    now_s = deps.clock.monotonic_s()
    looked_at, missing = deps.evidence_seen.get(workspace, (-LOOK_EVERY_S, 0))
    missing -= rows
    if missing > 0 and now_s - looked_at < LOOK_EVERY_S:
        deps.evidence_seen[workspace] = (looked_at, missing)
        return False
    settings = await settings_of(deps, workspace)
    enough = settings.runs_after_feedback
    deps.evidence_seen[workspace] = (now_s, enough)
    if settings.read_only or gates(settings, automatic=True):
        return False
    head = await head_of(deps, workspace)
    if tried(head, settings) is not None:
        return False
    seen, waiting = await _waiting(deps, workspace, head)
    if waiting < enough:
        deps.evidence_seen[workspace] = (now_s, enough - waiting)
        return False
    caller = Caller(workspace, _BY_EVIDENCE, system=True)
    return await _request(deps, caller, "evidence", f"evidence:{seen[0]}:{seen[1]}")


async def _waiting(deps: Deps, workspace: str, head: LearningHead) -> tuple[tuple[int, int], int]:
    """Returns the watermarks of the newest snapshot, and how many rows came in since."""
    tip = await info_of(deps, workspace, head.tip_id)
    seen = (tip.ratings_watermark, tip.outcomes_watermark) if tip else (0, 0)
    ratings, outcomes = await deps.analytics.head(workspace)
    return seen, ratings - seen[0] + outcomes - seen[1]


async def _request(deps: Deps, caller: Caller, reason: str, once_as: str | None) -> bool:
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> None:
        if once_as is not None:
            tx.create(CONSUMED, Consumed(id=once_as, expires_at=plus(now, _REMEMBERED_S)))
        tx.emit(event(deps, caller, now, "learning.requested", caller.workspace, reason=reason))

    try:
        await deps.store.transact(caller.workspace, work)
    except AlreadyExists:
        return False
    return True
