"""Undo: takes back a decision that its reviewer has just made, in the open.

A decision stands as soon as it is answered, so a crash loses none; undoing it is another change,
with its own audit record, and what was published meanwhile is taken out again.
"""

from pydantic import JsonValue

from shared.domain import reopening, review_stats
from shared.domain.access import Caller
from shared.domain.entries import DECISIONS, ENTRIES, REVISIONS, Decision, Entry, revision_id
from shared.messages.reviewing import Undone
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.reviewing import entry_of
from shared.services.unit import audited, event, writable


async def undo(deps: Deps, caller: Caller, entry_id: str, revision: int) -> Undone:
    """Takes the caller's decision on a revision back, or its approval where it is the first of two.

    Raises:
        NotFound: no such entry in this workspace.
        NotAllowed: somebody else decided.
        Conflict: it is too late, or there is nothing to undo; see `shared.domain.reopening`.
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> Undone:
        entry = await entry_of(tx, entry_id)
        decision = await tx.get(DECISIONS, revision_id(entry_id, revision))
        if decision is None:
            changed = reopening.withdraw(entry, caller.subject, now)
            tx.put(ENTRIES, changed)
            action = "entry.approval_withdrawn"
            tx.audit(audited(caller, now, action, entry_id, revision=entry.revision))
            return _answer(changed)
        return await _reopen(deps, tx, caller, entry, decision, now)

    return await deps.store.transact(caller.workspace, work)


async def _reopen(
    deps: Deps, tx: Transaction, caller: Caller, entry: Entry, decision: Decision, now: str
) -> Undone:
    approved = decision.verdict == "approve"
    restored = decision.replaced if approved else entry.published_revision
    reopened = reopening.reopen(entry, decision, restored, caller.subject, now)
    record = None
    if restored is not None and approved:
        record = await tx.get(REVISIONS, revision_id(entry.id, restored))
    tx.put(ENTRIES, reopened.entry)
    tx.put(DECISIONS, reopened.decision)
    tx.put(REVISIONS, reopened.undone)
    if record is not None:
        tx.put(REVISIONS, record.model_copy(update={"state": "approved"}))
    tx.add(review_stats.TOTALS, {entry.state: -1, "pending_approval": 1})
    for counter, amounts in review_stats.increments(decision, entry, times=-1).items():
        tx.add(counter, amounts)
    facts: dict[str, JsonValue] = {"revision": decision.revision, "verdict": decision.verdict}
    tx.audit(audited(caller, now, "entry.decision_undone", entry.id, **facts))
    if approved:
        facts |= {"reviewer": caller.subject, "topic": entry.topic}
        why = "the reviewer took the approval back"
        tx.emit(event(deps, caller, now, "entry.retracted", entry.id, **facts, reason=why))
    return _answer(reopened.entry)


def _answer(entry: Entry) -> Undone:
    return Undone(entry_id=entry.id, revision=entry.revision, state=entry.state)
