"""Drifting: reads new ratings in the order of their log and notes which models have changed.

    ratings log → detectors → changes, and what stands of them → the next run's evidence; alerts

Called by the monitor's check and before each run; each call reads so many rows at most and goes on
where the last one ended. Invariant: the place up to which was read moves in the same transaction as
the detectors and the changes, so every row is taken in once, in order, by whoever comes first.
"""

from collections import defaultdict
from itertools import chain

from pydantic import JsonValue

from shared.domain.access import Caller
from shared.domain.feedback import RatingEvidence
from shared.domain.learning.changes import (
    DRIFT_CHANGES,
    DRIFT_GROUPS,
    DRIFT_HEADS,
    DRIFT_PROOFS,
    DriftChange,
    DriftGroup,
    DriftHead,
    GroupName,
    Withdrawal,
    as_evidence,
    new_group,
    place_id,
)
from shared.domain.learning.drift import Figures
from shared.domain.learning.drift_groups import Advanced, advance
from shared.domain.learning.drift_words import shown, told, told_change
from shared.domain.learning.epochs import Changed, Name
from shared.domain.records import Filter, Order
from shared.ports import EvidenceRow, Transaction
from shared.services.alerting import raise_alert, resolve_alert, rule_of
from shared.services.deps import Deps
from shared.services.unit import audited, event, settings_of

HEAD = "head"

PAGE = 250
"""Rows of one transaction, at most."""

WRITES = 450
"""Records that one transaction writes besides its head and its event, at most: a page that needs
more is taken in by halves."""

PAGES = 80
"""Pages that one look reads, at most; the next one goes on."""

PAGES_OF_A_RUN = 4
"""Pages that a run reads, at most: looks keep up, so little waits when a run begins, and what does
costs more by the row than learning from it."""

LEARN_AGAIN_AFTER = (16, 32, 64, 128, 256, 512)
"""Rows after the last change at which a run is asked for, so that the new is learned soon."""

SETTLED_AT_ONCE = 100
"""Alerts that one call raises or resolves, at most."""

CHANGES_AT_ONCE = 500


class _TooManyWrites(Exception):
    """A page does not fit into one transaction."""


async def look(deps: Deps, workspace: str) -> int:
    """Takes in what was rated since the last look; returns how many rows that were.

    Asks for a run where a model has changed, or changed a short while ago, and raises and resolves
    alerts. Nothing is read where the workspace is read-only or nothing is looked for.

    Raises:
        Unavailable: the store does not answer; what was not taken in comes next.
    """
    taken = await catch_up(deps, workspace, PAGES, ask=True)
    await _settle(deps, workspace)
    return taken


async def catch_up(
    deps: Deps, workspace: str, pages: int = PAGES_OF_A_RUN, *, ask: bool = False
) -> int:
    """Takes in what was rated since the last look, without alerts; returns how many rows.

    Args:
        deps: the ports.
        workspace: whose.
        pages: how many are read, at most.
        ask: whether a run is asked for where one is due.
    """
    if deps.options.learning.drift.false_alarm_rate <= 0:
        return 0
    if (await settings_of(deps, workspace)).read_only:
        return 0
    head, taken = await head_of(deps, workspace), 0
    for _ in range(pages):
        rows = await deps.evidence_log.rows(workspace, "ratings", head.read, PAGE)
        if not rows:
            break
        moved = await _take_in(deps, workspace, head, rows, ask=ask)
        if moved is None:
            break
        head, taken = moved, taken + sum(row.seq <= moved.read for row in rows)
        if len(rows) < PAGE and moved.read == rows[-1].seq:
            break
    return taken


async def head_of(deps: Deps, workspace: str) -> DriftHead:
    """Returns how far the ratings were read."""
    return await deps.store.get(workspace, DRIFT_HEADS, HEAD) or DriftHead(id=HEAD)


async def changes_after(
    deps: Deps, workspace: str, place: int, *, upto: int | None = None
) -> list[tuple[Name, Changed]]:
    """Returns what stands of changes in (place, upto] of the log, in order: a run's evidence."""
    found: list[tuple[Name, Changed]] = []
    cursor = None
    while True:
        page = await deps.store.find(
            workspace,
            DRIFT_PROOFS,
            Filter("place", ">=", place + 1),
            order=Order("place"),
            limit=CHANGES_AT_ONCE,
            cursor=cursor,
        )
        within = [one for one in page.items if upto is None or one.place <= upto]
        found += [((one.pattern, one.provider, one.model), as_evidence(one)) for one in within]
        cursor = page.next_cursor
        if cursor is None or len(within) < len(page.items):
            return found


async def _take_in(
    deps: Deps, workspace: str, seen: DriftHead, rows: list[EvidenceRow], *, ask: bool
) -> DriftHead | None:
    """Moves the detectors on by rows, all or the first of them.

    None where another process has done so.
    """
    try:
        return await _page_in(deps, workspace, seen, rows, ask=ask)
    except _TooManyWrites:
        return await _take_in(deps, workspace, seen, rows[: len(rows) // 2], ask=ask)


async def _page_in(
    deps: Deps, workspace: str, seen: DriftHead, rows: list[EvidenceRow], *, ask: bool
) -> DriftHead | None:
    by_name = _by_name(rows)
    names, now = list(by_name), deps.clock.now_text()
    config = deps.options.learning.drift
    caller = Caller(workspace, "system:drift", system=True)

    async def work(tx: Transaction) -> DriftHead | None:
        head = await tx.get(DRIFT_HEADS, HEAD) or DriftHead(id=HEAD)
        known = await tx.get_many(DRIFT_GROUPS, [name.id for name in names])
        if head.read != seen.read:
            return None
        groups = [one or new_group(name, now) for name, one in zip(names, known, strict=True)]
        moved = [advance(one, by_name[one.name], config, now) for one in groups]
        taken_back = await _taken_back(tx, moved)
        if _writes(moved, taken_back) > WRITES and len(rows) > 1:
            raise _TooManyWrites
        changes = sorted(chain(*[one.changes for one in moved]), key=lambda one: one.place)
        for one in moved:
            tx.put(DRIFT_GROUPS, one.group)
            for stands in one.proofs:
                tx.create(DRIFT_PROOFS, stands)
        for change in changes:
            tx.create(DRIFT_CHANGES, change)
            tx.audit(audited(caller, now, "learning.drift_noted", change.id, **facts(change)))
        for change in taken_back:
            tx.put(DRIFT_CHANGES, change)
        fallen = _fallen([*changes, *taken_back])
        for change, why in fallen:
            left = {"withdrawn_at": why.place, "ratings_left": why.left}
            told_so = {**facts(change), **left}
            tx.audit(audited(caller, now, "learning.drift_withdrawn", change.id, **told_so))
        places = [one.place for one in changes] + [why.place for _, why in fallen]
        read, changed = rows[-1].seq, max([head.changed, *places])
        if ask and _run_is_due(head, read, changed):
            tx.emit(event(deps, caller, now, "learning.requested", workspace, reason="drift"))
        after = DriftHead(id=HEAD, read=read, changed=changed)
        tx.put(DRIFT_HEADS, after)
        return after

    return await deps.store.transact(workspace, work)


async def _taken_back(tx: Transaction, moved: list[Advanced]) -> list[DriftChange]:
    """Returns the changes of earlier pages that are taken back, with that in them."""
    fell = {place_id(place): why for one in moved for place, why in one.withdrawn.items()}
    known = await tx.get_many(DRIFT_CHANGES, sorted(fell)) if fell else []
    return [one.model_copy(update={"withdrawn": fell[one.id]}) for one in known if one]


def _writes(moved: list[Advanced], taken_back: list[DriftChange]) -> int:
    """Returns how many records a page writes; those of changes with their audit records."""
    noted = sum(len(one.changes) for one in moved)
    return len(moved) + sum(len(one.proofs) for one in moved) + 3 * noted + 2 * len(taken_back)


def _fallen(changes: list[DriftChange]) -> list[tuple[DriftChange, Withdrawal]]:
    """Returns those that were taken back, each with why, in the order of their places."""
    found = [(one, one.withdrawn) for one in changes if one.withdrawn is not None]
    return sorted(found, key=lambda pair: pair[0].place)


def _by_name(rows: list[EvidenceRow]) -> dict[GroupName, list[tuple[int, RatingEvidence]]]:
    found: dict[GroupName, list[tuple[int, RatingEvidence]]] = defaultdict(list)
    for one in rows:
        row = one.evidence
        if isinstance(row, RatingEvidence):
            found[GroupName(row.pattern, row.provider, row.model)].append((one.seq, row))
    return found


def _run_is_due(before: DriftHead, read: int, changed: int) -> bool:
    """Returns whether a page has a change in it, or passes one of the places where to learn again.

    They follow from the rows alone, so that pages of any size ask for about the same runs.
    """
    if changed > before.changed:
        return True
    return changed > 0 and any(before.read < changed + step <= read for step in LEARN_AGAIN_AFTER)


async def _settle(deps: Deps, workspace: str) -> None:
    """Raises and resolves what changes have left to do; a crash in between leaves it to do."""
    page = await deps.store.find(
        workspace,
        DRIFT_GROUPS,
        Filter("unsettled", "==", value=True),
        order=Order("pattern"),
        limit=SETTLED_AT_ONCE,
    )
    for group in page.items:
        await _alert(deps, workspace, group)

        async def work(tx: Transaction, group: DriftGroup = group) -> None:
            known = await tx.get(DRIFT_GROUPS, group.id)
            if known is not None and _place_of(known) == _place_of(group):
                tx.put(DRIFT_GROUPS, known.model_copy(update={"unsettled": False}))

        await deps.store.transact(workspace, work)


def _place_of(group: DriftGroup) -> tuple[int, int, Figures | None]:
    """Returns what an alert follows from."""
    return group.epoch, group.changed, group.fallen_from


async def _alert(deps: Deps, workspace: str, group: DriftGroup) -> None:
    """Raises the alert of a group that has fallen far enough; resolves that of one that has not."""
    key = f"drift:{group.id}"
    if group.fallen_from is None:
        await resolve_alert(
            deps, workspace, key=key, reason=told(group, deps.options.learning.drift)
        )
        return
    change = await deps.store.get(workspace, DRIFT_CHANGES, place_id(group.changed))
    if change is None or change.direction == "rise":
        return
    least = (await rule_of(deps, workspace, "drift")).threshold
    if group.fallen_from.value - change.after.value < least:
        return
    await raise_alert(
        deps,
        workspace,
        rule="drift",
        key=key,
        summary=(
            f"{change.provider}/{change.model} on {change.pattern} fell from "
            f"{shown(group.fallen_from)} to {shown(change.after)}."
        ),
        evidence={**facts(change), "words": told_change(change)},
    )


def facts(change: DriftChange) -> dict[str, JsonValue]:
    """Returns a change as audit records and alerts tell it."""
    return {
        "pattern": change.pattern,
        "provider": change.provider,
        "model": change.model,
        "direction": change.direction,
        "epoch": change.epoch,
        "place": change.place,
        "value_before": round(change.before.value, 6),
        "ratings_before": change.before.n,
        "value_after": round(change.after.value, 6),
        "ratings_after": change.after.n,
        "evidence": round(change.evidence, 1),
        "needed": round(change.needed, 1),
    }
