"""Review: people decide what becomes of entries. Nothing is published but by a decision made here.

Invariant: the decision is a create-only record under the revision's id, written with the entry, so
that of any number of reviewers who race one wins and the others are shown the winner's decision.
"""

from pydantic import JsonValue

from shared.domain import review_stats, reviewing
from shared.domain.access import Caller, IdempotencyKey
from shared.domain.entries import (
    DECISIONS,
    ENTRIES,
    REVISIONS,
    Entry,
    RejectCode,
    Revision,
    Verdict,
    revision_id,
)
from shared.domain.reviewing import Ruled, Ruling
from shared.errors import FieldProblem, NotAllowed, NotFound
from shared.messages.events import EventType
from shared.messages.reviewing import (
    Decided,
    Retract,
    RetractedEntry,
    Reviewed,
)
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.unit import audited, event, once, writable

_EVENTS: dict[Verdict, EventType] = {
    "approve": "entry.approved",
    "reject": "entry.rejected",
    "request_revision": "entry.revision_requested",
}


def reviewer_of(caller: Caller, named: str | None) -> str:
    """Returns who reviews: the one that is named, else the credential's subject.

    A machine acts for whom it names (a chat bot for the person who pressed the button); a person
    acts for itself.

    Raises:
        NotAllowed: a person names someone else. It is the credential, not the body, that is short
            of something, hence 403; the problem still points at the field.
    """
    if named is None or named == caller.subject:
        return caller.subject
    if caller.role is not None:
        detail = f"{caller.subject} cannot review as {named}; leave reviewer out"
        raise NotAllowed(detail, problems=[FieldProblem("/reviewer", detail)])
    return named


async def decide(
    deps: Deps,
    caller: Caller,
    entry_id: str,
    command: Reviewed,
    key: IdempotencyKey | None,
    *,
    verdict: Verdict,
    notes: str,
    code: RejectCode | None = None,
) -> Decided:
    """Decides a revision, or counts the first of two approvals.

    Raises:
        NotFound: no such entry in this workspace.
        NotAllowed: the reviewer is the submitter, or not the person who asks.
        Conflict: see `shared.domain.reviewing.decide`; `facts["decision"]` is the winner's.
        Unavailable: the workspace is read-only.
    """
    settings = await writable(deps, caller.workspace)
    ruling = Ruling(
        verdict=verdict,
        reviewer=reviewer_of(caller, command.reviewer),
        at=deps.clock.now_text(),
        notes=notes,
        revision=command.revision,
        content_hash=command.content_hash,
        claim_token=command.claim_token,
        code=code,
    )

    async def work(tx: Transaction) -> Decided:
        entry = await entry_of(tx, entry_id)
        about = ruling.revision or entry.revision
        known = await tx.get(DECISIONS, revision_id(entry_id, about))
        ruled = reviewing.decide(entry, ruling, known, settings.two_approvals_above_risk)
        replaced = None
        if ruled.supersedes is not None:
            replaced = await tx.get(REVISIONS, revision_id(entry_id, ruled.supersedes))
        write_ruled(tx, ruled, replaced)
        record_ruled(deps, tx, caller, ruling, ruled)
        return decided(ruling, ruled)

    return await once(deps, caller, key, Decided, work)


async def retract(
    deps: Deps, caller: Caller, entry_id: str, command: Retract, key: IdempotencyKey | None
) -> RetractedEntry:
    """Takes what is published of an entry out of the knowledge base.

    The submitter may do this too: to withdraw is no decision on the own revision's worth.

    Raises:
        NotFound: no such entry in this workspace.
        NotAllowed: the reviewer is not the person who asks.
        Conflict: nothing of the entry is published.
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    reviewer = reviewer_of(caller, command.reviewer)
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> RetractedEntry:
        entry = await entry_of(tx, entry_id)
        done = reviewing.retract(entry, now)
        record = await tx.get(REVISIONS, revision_id(entry_id, done.revision))
        tx.put(ENTRIES, done.entry)
        if record is not None:
            tx.put(REVISIONS, record.model_copy(update={"state": "retracted"}))
        if done.entry.state != entry.state:
            tx.add(review_stats.TOTALS, {entry.state: -1, done.entry.state: 1})
        facts: dict[str, JsonValue] = {"revision": done.revision, "reviewer": reviewer}
        tx.audit(audited(caller, now, "entry.retracted", entry_id, **facts, reason=command.reason))
        facts |= {"topic": entry.topic, "reason": command.reason}
        tx.emit(event(deps, caller, now, "entry.retracted", entry_id, **facts))
        return RetractedEntry(
            entry_id=entry_id,
            revision=done.revision,
            state=done.entry.state,
            reviewer=reviewer,
            reason=command.reason,
            retracted_at=now,
        )

    return await once(deps, caller, key, RetractedEntry, work)


async def entry_of(tx: Transaction, entry_id: str) -> Entry:
    """Returns the entry.

    Raises:
        NotFound: there is none in this workspace.
    """
    entry = await tx.get(ENTRIES, entry_id)
    if entry is None:
        raise NotFound(f"there is no entry {entry_id} in this workspace")
    return entry


def write_ruled(tx: Transaction, ruled: Ruled, replaced: Revision | None) -> None:
    """Writes what a ruling comes to; `replaced` is the published revision that it supersedes."""
    entry, decision = ruled.entry, ruled.decision
    tx.put(ENTRIES, entry)
    if decision is None:
        return
    tx.create(DECISIONS, decision)
    tx.put(REVISIONS, reviewing.archived(entry))
    if replaced is not None:
        tx.put(REVISIONS, replaced.model_copy(update={"state": "superseded"}))
    tx.add(review_stats.TOTALS, {"pending_approval": -1, entry.state: 1})
    counted = review_stats.increments(decision, entry)
    for counter, amounts in counted.items():
        tx.add(counter, amounts)


def record_ruled(deps: Deps, tx: Transaction, caller: Caller, ruling: Ruling, ruled: Ruled) -> None:
    """Audits what a ruling comes to, and tells of a decision."""
    entry, now = ruled.entry, ruling.at
    facts: dict[str, JsonValue] = {"revision": entry.revision, "reviewer": ruling.reviewer}
    why: dict[str, JsonValue] = {"content_hash": entry.content_hash, "notes": ruling.notes}
    if ruling.code is not None:
        why["code"] = ruling.code
    if ruled.decision is None:
        tx.audit(audited(caller, now, "entry.approval_counted", entry.id, **facts, **why))
        return
    type_ = _EVENTS[ruling.verdict]
    tx.audit(audited(caller, now, type_, entry.id, **facts, **why))
    facts |= {"topic": entry.topic, "submitter": entry.submitter, "notes": ruling.notes}
    tx.emit(event(deps, caller, now, type_, entry.id, **facts))


def decided(ruling: Ruling, ruled: Ruled) -> Decided:
    """Returns the answer that tells what a ruling comes to."""
    entry = ruled.entry
    return Decided(
        entry_id=entry.id,
        revision=entry.revision,
        state=entry.state,
        verdict=ruling.verdict,
        reviewer=ruling.reviewer,
        notes=ruling.notes,
        decided_at=None if ruled.decision is None else ruled.decision.decided_at,
        votes=len(entry.votes),
        votes_needed=ruled.votes_needed,
    )
