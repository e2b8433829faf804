"""Review: what a reviewer's verdict or retraction does to an entry. Pure.

Invariants: one decision a revision; the submitter of a revision never decides it; see also claims.
"""

from dataclasses import dataclass
from typing import assert_never

from pydantic import JsonValue

from shared.domain.claims import check_claim, check_reviewer, same_person
from shared.domain.entries import (
    Decision,
    Entry,
    EntryState,
    RejectCode,
    Revision,
    RevisionState,
    Verdict,
    Vote,
    revision_id,
)
from shared.domain.times import Timestamp, seconds_between
from shared.errors import Conflict

TWO = 2
"""Approvals that a risky entry needs where the workspace asks for a second person."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a reviewer says of an entry.

    Args:
        verdict: approve, reject or request_revision.
        reviewer: who decides.
        at: when.
        notes: why.
        revision: the revision that was read; None for the newest.
        content_hash: of what was read; None where the reviewer does not say.
        claim_token: of the reviewer's claim; None where there was none.
        code: sorts a rejection, None where the reviewer does not.
    """

    verdict: Verdict
    reviewer: str
    at: Timestamp
    notes: str = ""
    revision: int | None = None
    content_hash: str | None = None
    claim_token: int | None = None
    code: RejectCode | None = None


@dataclass(frozen=True, slots=True)
class Ruled:
    """What a ruling comes to.

    `decision` is None where it is the first of two approvals: then the entry still waits.
    `supersedes` is the published revision that the new one replaces, None where there is none.
    """

    entry: Entry
    decision: Decision | None
    votes_needed: int
    supersedes: int | None = None


@dataclass(frozen=True, slots=True)
class Retracted:
    """What a retraction comes to; `revision` is the one that was published until now."""

    entry: Entry
    revision: int


def decide(
    entry: Entry, ruling: Ruling, known: Decision | None, two_approvals_above_risk: float | None
) -> Ruled:
    """Returns what `ruling` makes of `entry`.

    Args:
        entry: at its newest revision.
        ruling: what the reviewer says.
        known: the decision on the revision that the ruling is about, None where there is none.
        two_approvals_above_risk: 0..1; entries of more risk need two people, None: none does.

    Raises:
        NotAllowed: the reviewer is the submitter.
        Conflict: the revision or the content is another one, it was decided already (`facts` has
            the winner's decision), someone else holds a live claim, or the reviewer's is over.
    """
    check_reviewer(entry, ruling.reviewer)
    _check_seen(entry, ruling, known)
    check_claim(entry, ruling.reviewer, ruling.at, ruling.claim_token)
    votes_needed = _votes_needed(entry, two_approvals_above_risk)
    votes = entry.votes
    if ruling.verdict == "approve":
        votes = _with_vote(entry, ruling, votes_needed)
        if len(votes) < votes_needed:
            changes = {"votes": votes, "claim": None, "updated_at": ruling.at}
            return Ruled(entry.model_copy(update=changes), None, votes_needed)
    return _decided(entry, ruling, votes, votes_needed)


def retract(entry: Entry, at: Timestamp) -> Retracted:
    """Returns the entry with nothing published.

    A newer revision that waits for a decision or for a rewrite goes on; else the entry is retracted
    for good.

    Raises:
        Conflict: nothing of the entry is published.
    """
    published = entry.published_revision
    if published is None:
        raise Conflict(
            f"entry {entry.id} is {entry.state}: nothing of it is published",
            facts={"state": entry.state},
        )
    goes_on = entry.state in ("pending_approval", "revision_requested")
    state: EntryState = entry.state if goes_on else "retracted"
    changes = {"state": state, "published_revision": None, "updated_at": at}
    return Retracted(entry.model_copy(update=changes), published)


def archived(entry: Entry) -> Revision:
    """Returns the entry's newest revision as history keeps it."""
    state: RevisionState = entry.state
    fields = entry.model_dump(include=Revision.model_fields.keys() - {"id", "entry_id", "state"})
    return Revision(
        id=revision_id(entry.id, entry.revision), entry_id=entry.id, state=state, **fields
    )


def _check_seen(entry: Entry, ruling: Ruling, known: Decision | None) -> None:
    current: dict[str, JsonValue] = {
        "revision": entry.revision,
        "content_hash": entry.content_hash,
        "state": entry.state,
    }
    if known is not None:
        raise Conflict(
            f"revision {known.revision} of entry {entry.id} was decided already:"
            f" {known.verdict} by {known.reviewer} at {known.decided_at}",
            facts={**current, "decision": known.model_dump(mode="json", exclude={"id"})},
        )
    if ruling.revision not in (None, entry.revision):
        raise Conflict(
            f"entry {entry.id} is at revision {entry.revision}, not {ruling.revision};"
            " read it again",
            facts=current,
        )
    if ruling.content_hash not in (None, entry.content_hash):
        raise Conflict(
            f"revision {entry.revision} of entry {entry.id} has the content hash"
            f" {entry.content_hash}, not the one that was seen; read it again",
            facts=current,
        )
    if entry.state != "pending_approval":
        raise Conflict(f"entry {entry.id} is {entry.state}: nothing to decide", facts=current)


def _votes_needed(entry: Entry, two_approvals_above_risk: float | None) -> int:
    return (
        TWO if two_approvals_above_risk is not None and entry.risk > two_approvals_above_risk else 1
    )


def _with_vote(entry: Entry, ruling: Ruling, votes_needed: int) -> list[Vote]:
    others = [vote for vote in entry.votes if not same_person(vote.id, ruling.reviewer)]
    if len(others) < len(entry.votes) and len(entry.votes) < votes_needed:
        raise Conflict(
            f"{ruling.reviewer} has approved revision {entry.revision} of entry {entry.id};"
            " another reviewer must approve it too",
            facts={"votes": len(entry.votes), "votes_needed": votes_needed},
        )
    return [*others, Vote(id=ruling.reviewer, notes=ruling.notes, at=ruling.at)]


def _decided(entry: Entry, ruling: Ruling, votes: list[Vote], votes_needed: int) -> Ruled:
    approved = ruling.verdict == "approve"
    published = entry.published_revision
    decided = entry.model_copy(
        update={
            "state": state_after(ruling.verdict),
            "claim": None,
            "votes": votes,
            "published_revision": entry.revision if approved else published,
            "decided_at": ruling.at,
            "updated_at": ruling.at,
        }
    )
    decision = Decision(
        id=revision_id(entry.id, entry.revision),
        entry_id=entry.id,
        revision=entry.revision,
        content_hash=entry.content_hash,
        verdict=ruling.verdict,
        reviewer=ruling.reviewer,
        notes=ruling.notes,
        reviewers=[vote.id for vote in votes] if approved else [ruling.reviewer],
        seconds_to_decision=max(0.0, seconds_between(entry.submitted_at, ruling.at)),
        decided_at=ruling.at,
        code=ruling.code,
        replaced=published if approved else None,
    )
    return Ruled(decided, decision, votes_needed, published if approved else None)


def state_after(verdict: Verdict) -> EntryState:
    """Returns the state of an entry that was decided with `verdict`."""
    match verdict:
        case "approve":
            return "approved"
        case "reject":
            return "rejected"
        case "request_revision":
            return "revision_requested"
        case _:
            assert_never(verdict)
