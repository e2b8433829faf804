"""Commands and answers of the approve function."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from shared.domain.entries import EntryState, RejectCode, Verdict
from shared.domain.times import Timestamp
from shared.messages.base import (
    NOT_BLANK,
    Answer,
    Command,
    Identifier,
    Name,
    Note,
    Page,
    PageParams,
)
from shared.messages.problems import ItemProblem
from shared.messages.submitting import Content

MAX_BULK = 200
"""Decisions in one request, at most."""

Reason = Annotated[str, Field(max_length=4000), NOT_BLANK]
"""Why: at least one visible character."""

ContentHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

_REVIEWER = "Who decides; the credential's subject if left out. A person can only name itself."


class Reviewed(Command):
    """What every decision may say of what its reviewer saw and held."""

    reviewer: Identifier | None = Field(default=None, description=_REVIEWER)
    revision: int | None = Field(
        default=None, ge=1, description="The revision that was read; the newest if left out."
    )
    content_hash: ContentHash | None = Field(
        default=None, description="Of what was read; another one now is a conflict."
    )
    claim_token: int | None = Field(
        default=None, ge=1, description="Of the reviewer's claim; one that is over is a conflict."
    )


class Approve(Reviewed):
    """Approve a revision: it will be published."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reviewer": "ada", "notes": "Checked.", "revision": 1}]}
    )

    notes: Note = Field(default="", description="A remark.")


class Reject(Reviewed):
    """Reject a revision."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reviewer": "ada", "reason": "Out of date."}]}
    )

    reason: Reason = Field(description="Why.")
    code: RejectCode | None = Field(default=None, description="The kind of reason, for figures.")


class RequestRevision(Reviewed):
    """Ask the submitter for another revision."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reviewer": "ada", "notes": "Name the source."}]}
    )

    notes: Reason = Field(description="What to change.")


class Retract(Command):
    """Take a published entry out of search."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reviewer": "ada", "reason": "The rule has changed."}]}
    )

    reviewer: Identifier | None = Field(default=None, description=_REVIEWER)
    reason: Reason = Field(description="Why.")


class RollBackKnowledge(Command):
    """Bring search back to what an earlier version of the knowledge showed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"version": 0, "reason": "bad source", "dry_run": True}]}
    )

    version: int = Field(ge=0, description="Whose entries shall be shown; 0 shows none.")
    reason: Reason = Field(description="Why.")
    dry_run: bool = Field(default=False, description="Only tell what would change.")


class ClaimEntry(Command):
    """Take an entry for review, so that nobody else decides it meanwhile."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reviewer": "ada", "seconds": 600}]})

    reviewer: Identifier | None = Field(default=None, description=_REVIEWER)
    seconds: int = Field(default=600, ge=30, le=3600, description="How long it is held.")


class ReleaseEntry(Command):
    """Give a claim back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reviewer": "ada"}]})

    reviewer: Identifier | None = Field(default=None, description=_REVIEWER)
    claim_token: int | None = Field(default=None, ge=1, description="Of the claim.")


class BulkItem(Reviewed):
    """One decision of many."""

    entry_id: Identifier = Field(description="What is decided.")
    verdict: Verdict = Field(description="How.")
    notes: Note = Field(
        default="", description="A remark; needed to reject and to request a revision."
    )


class BulkDecide(Command):
    """Decide up to 200 entries; each succeeds or fails by itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reviewer": "ada",
                    "decisions": [
                        {"entry_id": "ent_0123456789abcdefghjk", "verdict": "approve"},
                        {
                            "entry_id": "ent_kjhgfedcba9876543210",
                            "verdict": "reject",
                            "notes": "Out of date.",
                        },
                    ],
                }
            ]
        }
    )

    reviewer: Identifier | None = Field(
        default=None, description="Who decides those items that name nobody."
    )
    decisions: list[JsonValue] = Field(
        min_length=1,
        max_length=MAX_BULK,
        description="Each with entry_id and verdict (approve, reject, request_revision), and as in"
        " the single requests reviewer, notes, revision, content_hash, claim_token.",
    )


class Decided(Answer):
    """What became of a verdict.

    Where two people must approve, the first approval leaves the state at pending_approval and
    `decided_at` empty, with `votes` 1 of `votes_needed` 2.
    """

    entry_id: str
    revision: int
    state: EntryState
    verdict: Verdict
    reviewer: str
    notes: str
    decided_at: Timestamp | None
    votes: int
    votes_needed: int


class EditApprove(Command):
    """Change a revision's words and approve them: a new revision, with both names."""

    topic: Name
    content: Content
    revision: int = Field(ge=1)
    content_hash: ContentHash
    claim_token: int | None = Field(default=None, ge=1)
    notes: Note = ""


class Undone(Answer):
    """An entry that waits again after its reviewer took the decision back."""

    entry_id: str
    revision: int
    state: EntryState


class RetractedEntry(Answer):
    """What became of a retraction; `revision` is the one that was published until now."""

    entry_id: str
    revision: int
    state: EntryState
    reviewer: str
    reason: str
    retracted_at: Timestamp


class RevisionChange(Answer):
    """An entry whose published revision changes; None where nothing of it is published."""

    entry_id: str
    old_revision: int | None
    new_revision: int | None


class KnowledgeRolledBack(Answer):
    """What a rollback of the knowledge changed, or would.

    `from_version` is the newest version before it. `changes` are the first 500 of `changes_total`.
    `waiting` are the entries that search does not show as wanted yet; ask again with `dry_run`
    until it is 0.
    """

    version: int
    from_version: int
    dry_run: bool
    changes: list[RevisionChange]
    changes_total: int
    waiting: int


class ClaimedEntry(Answer):
    """A lease. Send `claim_token` with the decision: it then counts only while the lease lives."""

    entry_id: str
    revision: int
    reviewer: str
    claim_token: int
    expires_at: Timestamp


class ReleasedEntry(Answer):
    """Whether there was a claim of the reviewer to give back."""

    entry_id: str
    released: bool


class BulkResultItem(Answer):
    """One item's result, in the order of the request."""

    index: int
    entry_id: str | None = None
    decision: Decided | None = None
    problem: ItemProblem | None = None


class BulkResult(Answer):
    """Results of many decisions."""

    items: list[BulkResultItem]
    succeeded: int
    failed: int


class QueueParams(PageParams):
    """Which entries to list, and in which order."""

    state: EntryState = Field(default="pending_approval", description="Entries in this state.")
    topic: Name | None = Field(default=None, description="Of this topic.")
    tag: Name | None = Field(default=None, description="With this tag.")
    submitter: Identifier | None = Field(default=None, description="From this submitter.")
    min_confidence: float | None = Field(
        default=None, ge=0, le=1, description="Whose submitter is at least this sure."
    )
    order: Literal["oldest", "newest", "confidence", "urgency"] = Field(
        default="oldest",
        description="By time of submission, the surest first, or by risk × age × confidence.",
    )


class ClaimShown(Answer):
    """Who reviews an entry now, and until when."""

    reviewer: str
    expires_at: Timestamp


class VoteShown(Answer):
    """One of two approvals."""

    reviewer: str
    notes: str
    at: Timestamp


class QueueItem(Answer):
    """An entry as a reviewer sees it; `claim` is null where nobody holds a live one."""

    entry_id: str
    revision: int
    state: EntryState
    topic: str
    content: str
    content_hash: str
    confidence_score: float
    risk: float
    tags: list[str]
    metadata: dict[str, JsonValue]
    submitter: str
    submitted_at: Timestamp
    near_duplicates: list[str]
    claim: ClaimShown | None
    votes: list[VoteShown]
    published_revision: int | None
    decided_at: Timestamp | None


class Queue(Page[QueueItem]):
    """One page of entries; `pending_count` is how many wait in the whole workspace.

    A page ends before `limit` where its entries hold more than 5,000,000 characters.
    `looked_through` is null where the page is full or the last. Else so many entries were looked
    through for it and too few fit to fill it: ask on with `next_cursor`.
    """

    pending_count: int
    looked_through: int | None = None


class DayFigures(Answer):
    """Decisions of one day (UTC)."""

    day: str
    approved: int
    rejected: int
    revision_requested: int


class SubmitterFigures(Answer):
    """Decisions on one submitter's revisions."""

    submitter: str
    approved: int
    rejected: int
    revision_requested: int
    approval_rate: float


class ReviewStats(Answer):
    """Decisions so far, and how long they took.

    `pending` is how many entries wait now; all else counts decisions. `total_processed` is
    approved, rejected and revision_requested together, `approval_rate` approved over it (0 for 0).
    The times are within 10 %, null where there were no decisions. `per_day` has the last 90 days
    that had decisions, oldest first; `per_submitter` the 100 submitters with the most decisions.
    """

    approved: int
    rejected: int
    pending: int
    revision_requested: int
    total_processed: int
    approval_rate: float
    median_seconds_to_decision: float | None
    p90_seconds_to_decision: float | None
    per_day: list[DayFigures]
    per_submitter: list[SubmitterFigures]
