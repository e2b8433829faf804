"""Rollback of the knowledge: search shows again what an earlier version showed.

Nothing is deleted and no version is taken back: each entry that differs gets the published revision
that it had, with its audit record and its event, and publishing makes new versions of that.
Invariant: running it again does what is left, so that it may be broken off at any point.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import JsonValue

from shared.domain import review_stats, reviewing
from shared.domain.access import Caller, IdempotencyKey
from shared.domain.entries import (
    ENTRIES,
    REVISIONS,
    Entry,
    EntryState,
    Revision,
    RevisionState,
    revision_id,
)
from shared.domain.knowledge.publication import KNOWLEDGE_HEADS, PUBLICATIONS, SHOWN
from shared.domain.records import Filter, Order
from shared.domain.times import Timestamp
from shared.errors import InvalidInput
from shared.messages.reviewing import KnowledgeRolledBack, RevisionChange, RollBackKnowledge
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.publication_log import HEAD
from shared.services.unit import audited, event, once, remembered, writable

BATCH = 25
"""Entries that change in one transaction, each with up to six writes."""

TOLD = 500
"""Changes that an answer lists."""

_PAGE = 250

T = TypeVar("T")


async def roll_back_knowledge(
    deps: Deps, caller: Caller, command: RollBackKnowledge, key: IdempotencyKey | None
) -> KnowledgeRolledBack:
    """Gives every entry the published revision that it had at a version, or only tells which.

    Raises:
        InvalidInput: there is no such version yet.
        Unavailable: the workspace is read-only.
    """
    if (known := await remembered(deps, caller, key, KnowledgeRolledBack)) is not None:
        return known
    await writable(deps, caller.workspace)
    head = await deps.store.get(caller.workspace, KNOWLEDGE_HEADS, HEAD)
    current = 0 if head is None else head.version
    if command.version > current:
        raise InvalidInput.field("/version", f"is beyond the newest, {current}")
    wanted = await _shown_at(deps, caller.workspace, command.version, current)
    changes = await _changes(deps, caller.workspace, wanted)
    if not command.dry_run:
        for some in _batched(changes):
            await _change(deps, caller, command, some)
    answer = KnowledgeRolledBack(
        version=command.version,
        from_version=current,
        dry_run=command.dry_run,
        changes=changes[:TOLD],
        changes_total=len(changes),
        waiting=await _waiting(deps, caller.workspace, wanted),
    )

    async def work(tx: Transaction) -> KnowledgeRolledBack:
        facts: dict[str, JsonValue] = {"from_version": current, "changes": len(changes)}
        now = deps.clock.now_text()
        subject = f"version {command.version}"
        tx.audit(
            audited(caller, now, "knowledge.rolled_back", subject, reason=command.reason, **facts)
        )
        return answer

    if command.dry_run or not changes:
        return answer
    return await once(deps, caller, key, KnowledgeRolledBack, work)


async def _shown_at(deps: Deps, workspace: str, version: int, upto: int) -> dict[str, int | None]:
    """Returns, of every entry that ever was published, the revision that `version` shows."""
    wanted: dict[str, int | None] = {}
    last = 0
    while last < upto:
        page = await deps.store.find(
            workspace,
            PUBLICATIONS,
            Filter("version", ">=", last + 1),
            order=Order("version"),
            limit=_PAGE,
        )
        if not page.items:
            break
        for step in page.items:
            if step.version <= version:
                wanted[step.entry_id] = step.revision if step.operation == "add" else None
            else:
                wanted.setdefault(step.entry_id, None)
        last = page.items[-1].version
    return wanted


async def _changes(
    deps: Deps, workspace: str, wanted: Mapping[str, int | None]
) -> list[RevisionChange]:
    found: list[RevisionChange] = []
    for some in _batched(sorted(wanted)):
        entries = await deps.store.get_many(workspace, ENTRIES, some)
        found += [
            RevisionChange(
                entry_id=entry.id,
                old_revision=entry.published_revision,
                new_revision=wanted[entry.id],
            )
            for entry in entries
            if entry is not None and entry.published_revision != wanted[entry.id]
        ]
    return found


async def _waiting(deps: Deps, workspace: str, wanted: Mapping[str, int | None]) -> int:
    """Returns how many entries search does not show as it is wanted."""
    waiting = 0
    for some in _batched(sorted(wanted)):
        shown = await deps.store.get_many(workspace, SHOWN, some)
        waiting += sum(
            (None if one is None else one.revision) != wanted[entry_id]
            for entry_id, one in zip(some, shown, strict=True)
        )
    return waiting


async def _change(
    deps: Deps, caller: Caller, command: RollBackKnowledge, changes: Sequence[RevisionChange]
) -> None:
    now = deps.clock.now_text()
    reason = f"knowledge rolled back to version {command.version}: {command.reason}"
    ids = [one.entry_id for one in changes]
    olds = [revision_id(one.entry_id, one.old_revision or 0) for one in changes]
    news = [revision_id(one.entry_id, one.new_revision or 0) for one in changes]

    async def work(tx: Transaction) -> None:
        entries = await tx.get_many(ENTRIES, ids)
        replaced = await tx.get_many(REVISIONS, olds)
        restored = await tx.get_many(REVISIONS, news)
        for change, entry, old, new in zip(changes, entries, replaced, restored, strict=True):
            if entry is None or entry.published_revision != change.old_revision:
                continue  # somebody was faster; the next run looks again
            after = _put_back(entry, change.new_revision, now)
            tx.put(ENTRIES, after)
            _mark(tx, old, "retracted" if change.new_revision is None else "superseded")
            _mark(tx, new, "approved")
            if after.state != entry.state:
                tx.add(review_stats.TOTALS, {entry.state: -1, after.state: 1})
            _record(deps, tx, caller, entry, change, reason)

    await deps.store.transact(caller.workspace, work)


def _put_back(entry: Entry, revision: int | None, now: Timestamp) -> Entry:
    """Returns the entry with `revision` published; one that was retracted is approved again."""
    if revision is None:
        return reviewing.retract(entry, now).entry
    state: EntryState = "approved" if entry.state == "retracted" else entry.state
    changes = {"published_revision": revision, "state": state, "updated_at": now}
    return entry.model_copy(update=changes)


def _mark(tx: Transaction, revision: Revision | None, state: RevisionState) -> None:
    if revision is not None:
        tx.put(REVISIONS, revision.model_copy(update={"state": state}))


def _record(
    deps: Deps,
    tx: Transaction,
    caller: Caller,
    entry: Entry,
    change: RevisionChange,
    reason: str,
) -> None:
    now = deps.clock.now_text()
    if change.new_revision is None:
        facts: dict[str, JsonValue] = {
            "revision": change.old_revision,
            "reviewer": caller.subject,
            "reason": reason,
        }
        tx.audit(audited(caller, now, "entry.retracted", entry.id, **facts))
        told = {**facts, "topic": entry.topic}
        tx.emit(event(deps, caller, now, "entry.retracted", entry.id, **told))
        return
    facts = {"revision": change.new_revision, "reviewer": caller.subject, "notes": reason}
    tx.audit(audited(caller, now, "entry.put_back", entry.id, **facts))
    told = {**facts, "topic": entry.topic, "submitter": entry.submitter}
    tx.emit(event(deps, caller, now, "entry.approved", entry.id, **told))


def _batched(items: Sequence[T]) -> list[list[T]]:
    return [list(items[at : at + BATCH]) for at in range(0, len(items), BATCH)]
