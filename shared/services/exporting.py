"""Exporting: evidence goes row by row to the feed of another system, which sums it up there.

Invariant: the mark moves on only after the feed has every row below it. A crash in between sends
rows a second time, at the same places, by which the receiver knows them. Places have no gaps, so
the receiver also knows up to where it has everything.
"""

import logging

from shared.domain.access import WORKSPACES
from shared.domain.operations import EXPORT_MARKS, ExportMark
from shared.domain.records import SYSTEM_WORKSPACE, Order
from shared.domain.times import seconds_between
from shared.ports import EvidenceFeed, EvidenceKind, EvidenceLog, Transaction
from shared.services.deps import Deps

MARK_ID = "evidence"
BATCH = 500
"""Rows that are handed over at once."""

AT_ONCE = 20_000
"""Rows of a log that one call hands over, at most; the next one goes on."""

LOOK_AGAIN_S = 1_800.0
"""Seconds within which what was handed over must have arrived."""

EXPORTED: tuple[EvidenceKind, ...] = ("ratings", "outcomes")
"""What is summed up elsewhere; prompts with a stated pattern are few, and read from the store."""

logger = logging.getLogger("whetstone.exporting")


async def export_everywhere(deps: Deps) -> int:
    """Hands over what every workspace has gained; returns how many rows that were.

    Returns 0 at once where evidence is summed up in the store.

    Raises:
        Unavailable: the store or the feed does not answer; what was not handed over comes next.
    """
    if deps.evidence_feed is None:
        return 0
    sent, cursor = 0, None
    while True:
        page = await deps.store.find(
            SYSTEM_WORKSPACE, WORKSPACES, order=Order("id"), limit=500, cursor=cursor
        )
        for workspace in page.items:
            sent += await _export(deps, deps.evidence_log, deps.evidence_feed, workspace.id)
        cursor = page.next_cursor
        if cursor is None:
            return sent


async def _export(deps: Deps, log: EvidenceLog, feed: EvidenceFeed, workspace: str) -> int:
    """Hands over what one workspace has gained, and looks now and then whether it arrives."""
    mark = await deps.store.get(workspace, EXPORT_MARKS, MARK_ID) or ExportMark(id=MARK_ID)
    sent = 0
    for kind in EXPORTED:
        sent += await _export_log(deps, log, feed, workspace, kind, getattr(mark, kind))
    if _is_due(deps, mark):
        await _look(deps, workspace)
    return sent


async def _export_log(
    deps: Deps,
    log: EvidenceLog,
    feed: EvidenceFeed,
    workspace: str,
    kind: EvidenceKind,
    after: int,
) -> int:
    """Hands over the rows of one log above `after`, batch by batch; returns how many."""
    sent = 0
    while sent < AT_ONCE:
        rows = await log.rows(workspace, kind, after, BATCH)
        if not rows:
            break
        await feed.publish(rows)
        after = await _moved(deps, workspace, kind, rows[-1].seq)
        sent += len(rows)
        if len(rows) < BATCH:
            break
    return sent


def _is_due(deps: Deps, mark: ExportMark) -> bool:
    if mark.checked_at is None:
        return False
    return seconds_between(mark.checked_at, deps.clock.now_text()) >= LOOK_AGAIN_S


async def _moved(deps: Deps, workspace: str, kind: EvidenceKind, upto: int) -> int:
    """Moves the mark to a place, unless another process has moved it further; returns it."""
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> int:
        known = await tx.get(EXPORT_MARKS, MARK_ID) or ExportMark(id=MARK_ID)
        place: int = max(getattr(known, kind), upto)
        changes = {kind: place, "checked_at": known.checked_at or now}
        tx.put(EXPORT_MARKS, known.model_copy(update=changes))
        return place

    return await deps.store.transact(workspace, work)


async def _look(deps: Deps, workspace: str) -> None:
    """Looks what has arrived; moves the mark back where something is overdue.

    Nothing happens where the mark moves meanwhile: it is looked again with the next export.
    """
    seen = await deps.store.get(workspace, EXPORT_MARKS, MARK_ID) or ExportMark(id=MARK_ID)
    ratings, outcomes = await deps.analytics.head(workspace)
    overdue = max(0, seen.due_ratings - ratings) + max(0, seen.due_outcomes - outcomes)
    arrived = {"ratings": min(ratings, seen.ratings), "outcomes": min(outcomes, seen.outcomes)}
    left = seen.model_copy(update=arrived if overdue else {})
    complete = ratings >= seen.ratings and outcomes >= seen.outcomes
    looked = {
        "due_ratings": left.ratings,
        "due_outcomes": left.outcomes,
        "checked_at": None if complete else deps.clock.now_text(),
    }

    async def work(tx: Transaction) -> bool:
        unmoved = await tx.get(EXPORT_MARKS, MARK_ID) == seen
        if unmoved:
            tx.put(EXPORT_MARKS, left.model_copy(update=looked))
        return unmoved

    if await deps.store.transact(workspace, work) and overdue:
        extra = {"workspace": workspace, "rows": overdue}
        logger.warning("evidence.not_arrived", extra=extra)
