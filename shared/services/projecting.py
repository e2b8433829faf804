"""Rows for operators: what the current snapshot says, in tables that a query tool can read.

The API does not read them; it reads the snapshot. Invariant: `projected_id` names the snapshot that
the rows show whole, and is None while they change, so that a crash in the middle is repaired by the
next projection.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from shared.domain.learning.ranking import ModelFigures, PatternPolicy
from shared.domain.learning.runs import (
    LEARNING_HEADS,
    PATTERN_ROWS,
    PERFORMANCE,
    TRUST_ROWS,
    PatternRow,
    PerformanceRow,
    TrustRow,
)
from shared.domain.learning.snapshot import Snapshot
from shared.domain.records import Collection, Record
from shared.errors import CorruptData, NotFound
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.snapshots import HEAD, NONE_OPEN, head_of, open_snapshot

CHUNK = 400
"""Rows in one transaction."""

Place = tuple[Collection[Any], str]
"""Where a row is: its collection and its id."""

Change = tuple[Collection[Any], str, Record | None]
"""A row to put, or to delete where None."""


async def project(deps: Deps, workspace: str, at_hand: Mapping[str, Snapshot] = NONE_OPEN) -> int:
    """Brings the rows up to date with the current snapshot; returns how many changed.

    Snapshots that are `at_hand`, by id, are not read again.
    """
    head = await head_of(deps, workspace)
    if head.current_id is None or head.projected_id == head.current_id:
        return 0
    opened = await open_snapshot(deps, workspace, head.current_id, at_hand)
    current = opened.snapshot
    shown = await _shown(deps, workspace, head.projected_id, at_hand)
    now = deps.clock.now_text()
    wanted = dict(_rows(head.current_id, current, now))
    if shown is None:
        stale = [place async for place in _all_places(deps, workspace)]
        changed = list(wanted.items())
    else:
        stale = [place for place, _ in _rows("", shown, now)]
        said = {place: _content(row) for place, row in _rows("", shown, now)}
        changed = [
            (place, row) for place, row in wanted.items() if said.get(place) != _content(row)
        ]
    changes: list[Change] = [(*place, row) for place, row in changed]
    changes += [(*place, None) for place in stale if place not in wanted]
    changes += _history(head.current_id, current, shown, opened.info.created_at)
    for start in range(0, len(changes), CHUNK):
        if not await _write(deps, workspace, head.current_id, changes[start : start + CHUNK]):
            return start  # the pointer moved on, and its mover goes on from here
    await _note(deps, workspace, head.current_id)
    return len(changes)


async def _shown(
    deps: Deps, workspace: str, snapshot_id: str | None, at_hand: Mapping[str, Snapshot]
) -> Snapshot | None:
    if snapshot_id is None:
        return None
    try:
        return (await open_snapshot(deps, workspace, snapshot_id, at_hand)).snapshot
    except (NotFound, CorruptData):
        return None


def _rows(snapshot_id: str, snapshot: Snapshot, now: str) -> Iterator[tuple[Place, Record]]:
    for card in snapshot.trust:
        row_id = f"{card.agent_id}:{card.recommendation_type}"
        yield (
            (TRUST_ROWS, row_id),
            TrustRow(
                id=row_id,
                agent_id=card.agent_id,
                recommendation_type=card.recommendation_type,
                overall=card.overall,
                n=card.n,
                snapshot_id=snapshot_id,
                card=card.model_dump(mode="json"),
                updated_at=now,
            ),
        )
    for pattern in snapshot.patterns:
        yield (
            (PATTERN_ROWS, pattern.key),
            PatternRow(
                id=pattern.key,
                category=pattern.category,
                success_rate=pattern.success_rate,
                n=pattern.n,
                snapshot_id=snapshot_id,
                card=pattern.model_dump(mode="json"),
                updated_at=now,
            ),
        )


def _content(row: Record) -> dict[str, Any]:
    return row.model_dump(exclude={"snapshot_id", "updated_at"})


def _history(snapshot_id: str, current: Snapshot, shown: Snapshot | None, now: str) -> list[Change]:
    """Returns the performance rows of what this snapshot says differently from the one before."""
    rows = shown.policy.by_pattern if shown else {}
    found: list[Change] = []
    for row in current.policy.rows:
        before = _by_name(rows.get(row.pattern))
        for one in row.ranking:
            if before.get((one.provider, one.model)) != one:
                performance = _performance(snapshot_id, row.pattern, one, now)
                found.append((PERFORMANCE, performance.id, performance))
    return found


def _by_name(row: PatternPolicy | None) -> dict[tuple[str, str], ModelFigures]:
    return {(one.provider, one.model): one for one in row.ranking} if row else {}


def _performance(snapshot_id: str, pattern: str, one: ModelFigures, now: str) -> PerformanceRow:
    return PerformanceRow(
        id=f"{snapshot_id}:{pattern}:{one.id.provider}:{one.id.model}",
        snapshot_id=snapshot_id,
        pattern=pattern,
        provider=one.id.provider,
        model=one.id.model,
        n=one.n,
        mean_quality=one.mean_quality,
        correctness=one.correctness,
        mean_cost_usd=one.mean_cost_usd,
        tier=one.tier,
        recorded_at=now,
    )


async def _all_places(deps: Deps, workspace: str) -> AsyncIterator[Place]:
    """Yields where rows are, page by page; only needed when it is not known what they show."""
    collections: tuple[Collection[Any], ...] = (TRUST_ROWS, PATTERN_ROWS)
    for collection in collections:
        cursor = None
        while True:
            page = await deps.store.find(workspace, collection, limit=CHUNK, cursor=cursor)
            for row in page.items:
                if row.snapshot_id:  # else it is the neutral row of an agent without outcomes
                    yield collection, row.id
            cursor = page.next_cursor
            if cursor is None:
                break


async def _write(deps: Deps, workspace: str, snapshot_id: str, changes: Sequence[Change]) -> bool:
    """Writes rows while the snapshot that they are of is current; tells whether it was."""

    async def work(tx: Transaction) -> bool:
        head = await tx.get(LEARNING_HEADS, HEAD)
        if head is None or head.current_id != snapshot_id:
            return False
        for collection, row_id, row in changes:
            if row is None:
                tx.delete(collection, row_id)
            else:
                tx.put(collection, row)
        return True

    return await deps.store.transact(workspace, work)


async def _note(deps: Deps, workspace: str, snapshot_id: str) -> None:
    async def work(tx: Transaction) -> None:
        head = await tx.get(LEARNING_HEADS, HEAD)
        if head is not None and head.current_id == snapshot_id:
            tx.put(LEARNING_HEADS, head.model_copy(update={"projected_id": snapshot_id}))

    await deps.store.transact(workspace, work)
