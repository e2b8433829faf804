"""Entries: knowledge that a model submitted, and the one state machine that it moves through.

    pending_approval ──approve──▶ approved ──new revision──▶ pending_approval
        │  ▲   │                     │
        │  │   └─reject─▶ rejected   └─retract─▶ retracted
        │  └──new revision── revision_requested
        └──request_revision──▶ revision_requested

While a new revision of an approved entry waits, the old one stays published; it is superseded when
the new one is approved.

Invariant: one decision a revision; the submitter of a revision never decides it.
"""

from functools import lru_cache
from typing import Literal

from pydantic import Field, JsonValue, computed_field

from shared.domain.records import Collection, Query, Record, Unit
from shared.domain.times import Timestamp, plus

EntryState = Literal["pending_approval", "approved", "rejected", "revision_requested", "retracted"]
RejectCode = Literal[
    "wrong", "outdated", "duplicate", "unclear", "unsupported", "unsafe", "off_topic"
]
"""Why a revision is rejected, for figures; the reviewer's words say more."""

Verdict = Literal["approve", "reject", "request_revision"]
RevisionState = Literal[
    "pending_approval", "approved", "rejected", "revision_requested", "superseded", "retracted"
]


URGENT_S = 6 * 3_600.0
"""After so many seconds an entry of risk 1 and confidence 1 is due; see `Entry.due_at`."""

LEAST_WEIGHT = 0.05
"""Risk and confidence below this count as this much, so that nothing waits forever."""


class Claim(Record):
    """A reviewer's lease on an entry.

    `id` is the reviewer; `token` is the fencing token, rising with each claim.
    """

    token: int
    expires_at: Timestamp


class Vote(Record):
    """One of two approvals where the workspace asks for two. `id` is the reviewer."""

    notes: str = ""
    at: Timestamp


class Entry(Record):
    """An entry at its newest revision. `id` has the prefix `ent_`.

    `calibrated_confidence` is what the submitter's stated confidence was taken for when this
    revision came, by what had become of its earlier entries; None where it is taken at its word.
    `published_revision` is the approved revision that search returns, None where there is none.
    `claim` is the live or expired lease, `claims` counts how many were ever taken (the next fencing
    token). `risk` (0..1) decides whether two people must approve, and orders the queue.
    `near_duplicates` are ids found when this revision was submitted. `edited_by` is the reviewer
    who changed the submitter's words in this revision, None where nobody did.
    """

    revision: int = 1
    state: EntryState
    topic: str
    content: str
    content_hash: str
    confidence_score: Unit
    calibrated_confidence: Unit | None = None
    risk: Unit
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    submitter: str
    submitted_by: str
    submitted_at: Timestamp
    created_at: Timestamp
    updated_at: Timestamp
    near_duplicates: list[str] = Field(default_factory=list)
    claim: Claim | None = None
    claims: int = 0
    votes: list[Vote] = Field(default_factory=list)
    published_revision: int | None = None
    decided_at: Timestamp | None = None
    edited_by: str | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> Timestamp:
        """Returns when risk × calibrated confidence × age reaches `URGENT_S`.

        The product of the three orders any two entries by who reaches a given level first, and that
        time does not move: so an index answers what is most urgent, and no entry starves.
        """
        sure = self.confidence_score
        if self.calibrated_confidence is not None:
            sure = self.calibrated_confidence
        weight = max(self.risk, LEAST_WEIGHT) * max(sure, LEAST_WEIGHT)
        return _due_at(self.submitted_at, weight)


@lru_cache(maxsize=64)
def _due_at(submitted_at: Timestamp, weight: float) -> Timestamp:
    """Kept for a moment, as writing an entry asks for it twice."""
    return plus(submitted_at, URGENT_S / weight)


class Revision(Record):
    """A revision as history keeps it; `id` is `<entry_id>:<revision, six digits>`.

    Written when it is decided or replaced.
    """

    entry_id: str
    revision: int
    state: RevisionState
    topic: str
    content: str
    content_hash: str
    confidence_score: Unit
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    submitter: str
    submitted_by: str
    submitted_at: Timestamp
    edited_by: str | None = None


class Decision(Record):
    """One reviewer's verdict on one revision.

    `id` is `<entry_id>:<revision, six digits>`, so there can be only one. `replaced` is the
    published revision that an approval took the place of. `code` sorts a rejection.
    `undone_at` is when its
    reviewer took it back, which left the same words to be decided as the next revision.
    """

    entry_id: str
    revision: int
    content_hash: str
    verdict: Verdict
    reviewer: str
    notes: str = ""
    reviewers: list[str] = Field(default_factory=list)
    seconds_to_decision: float
    decided_at: Timestamp
    code: RejectCode | None = None
    replaced: int | None = None
    undone_at: Timestamp | None = None


class ContentKey(Record):
    """Makes exact duplicates one entry.

    `id` is the content hash, `entry_id` the entry that came first.
    """

    entry_id: str


class NearBand(Record):
    """The entries that share one band of a text sketch.

    `id` is the band, `entry_ids` the newest few of them, newest first. They are candidates for near
    duplicates.
    """

    entry_ids: list[str]


ENTRIES = Collection(
    "entries",
    Entry,
    queries=(
        Query(("state",), "submitted_at", narrow=("topic", "submitter", "tags")),
        Query(("state",), "confidence_score", narrow=("topic", "submitter", "tags")),
        Query(("state",), "due_at", narrow=("topic", "submitter", "tags")),
    ),
    columns=("revision", "created_at", "decided_at", "risk"),
)
REVISIONS = Collection("revisions", Revision, queries=(Query(("entry_id",), "revision"),))
DECISIONS = Collection(
    "decisions", Decision, queries=(Query(("entry_id",), "revision"),), columns=("decided_at",)
)
CONTENT_KEYS = Collection("content_keys", ContentKey)
NEAR_BANDS = Collection("near_bands", NearBand)


def revision_id(entry_id: str, revision: int) -> str:
    """Returns the id of one revision of one entry; ids of an entry sort by revision."""
    return f"{entry_id}:{revision:06d}"
