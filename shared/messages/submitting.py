"""Commands and answers of the submit function."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, JsonValue
from pydantic_core import from_json, to_json

from shared.domain.entries import Decision, EntryState, Revision
from shared.domain.times import Timestamp
from shared.messages.base import NO_NUL, NOT_BLANK, Answer, Command, FilledText, Identifier, Name
from shared.messages.problems import ItemProblem

CONTENT_BYTES = 100_000
METADATA_BYTES = 16_384

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""The escape of NUL in JSON, not a backslash that stands for itself before the letters `u0000`."""


def _small_content(text: str) -> str:
    if len(text) * 4 > CONTENT_BYTES and len(text.encode()) > CONTENT_BYTES:
        msg = f"must not be larger than {CONTENT_BYTES} bytes of UTF-8"
        raise ValueError(msg)
    return text


def _small_metadata(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if not metadata:
        return metadata
    try:
        text = to_json(metadata, inf_nan_mode="constants")
    except ValueError:
        msg = "is nested too deeply"
        raise ValueError(msg) from None
    if (b"NaN" in text or b"Infinity" in text) and not _is_json(text):
        msg = "must contain finite numbers only"
        raise ValueError(msg)
    if len(text) > METADATA_BYTES:
        msg = f"must not be larger than {METADATA_BYTES} bytes of JSON"
        raise ValueError(msg)
    if _NUL.search(text):
        msg = "must not contain NUL characters"
        raise ValueError(msg)
    return metadata


def _is_json(text: bytes) -> bool:
    try:
        from_json(text, allow_inf_nan=False)
    except ValueError:
        return False
    return True


Content = Annotated[FilledText, AfterValidator(_small_content)]
Metadata = Annotated[dict[str, JsonValue], AfterValidator(_small_metadata)]
Tag = Annotated[str, Field(max_length=100), NOT_BLANK]

_ENTRY_EXAMPLE: dict[str, JsonValue] = {
    "topic": "billing",
    "content": "Invoices can be reissued within 30 days; the number stays the same.",
    "confidence_score": 0.86,
    "tags": ["billing", "invoice"],
    "metadata": {"source": "support-agent"},
    "submitter": "support-agent",
}


class SubmitEntry(Command):
    """Hand in knowledge for approval."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY_EXAMPLE]})

    topic: Name = Field(description="What it is about, at most 200 characters.")
    content: Content = Field(
        description="The knowledge, at most 100,000 bytes of UTF-8; Markdown is welcome."
    )
    confidence_score: float = Field(ge=0, le=1, description="How sure the submitter is.")
    tags: list[Tag] = Field(
        default_factory=list, max_length=50, description="Labels to find it by."
    )
    metadata: Metadata = Field(
        default_factory=dict, description="Anything else, at most 16 kB of JSON."
    )
    submitter: Identifier | None = Field(
        default=None, description="Who it is from; the credential's subject if left out."
    )


class ReviseEntry(SubmitEntry):
    """Hand in the next revision of an entry: after request_revision, or of an approved entry."""

    expected_revision: int | None = Field(
        default=None, ge=1, description="The revision that this one replaces."
    )


class SubmitBatch(Command):
    """Hand in up to 500 entries; each succeeds or fails by itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"entries": [_ENTRY_EXAMPLE]}]})

    entries: list[JsonValue] = Field(
        min_length=1, max_length=500, description="Entries as in POST /v1/entries."
    )


class Submitted(Answer):
    """What became of a submission.

    `duplicate` is true where the same content was already there: the ids are then the first one's.
    """

    entry_id: str
    revision: int
    state: EntryState
    content_hash: str
    duplicate: bool = False
    near_duplicates: list[str] = Field(default_factory=list)


class BatchItem(Answer):
    """One item's result, in the order of the request."""

    index: int
    entry: Submitted | None = None
    problem: ItemProblem | None = None


class BatchResult(Answer):
    """Results of a batch."""

    items: list[BatchItem]
    accepted: int
    failed: int


class EntryView(Answer):
    """An entry with a page of its history: the newest revisions, the oldest of them first.

    `decisions` are those on these revisions; `next_cursor` leads to the page before, and is null
    where the first revision is shown.
    """

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
    created_at: Timestamp
    published_revision: int | None
    near_duplicates: list[str]
    revisions: list[Revision]
    decisions: list[Decision]
    next_cursor: str | None = None


class SubmitRecommendation(Command):
    """An agent's proposal inside a workflow."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agent_id": "pricing-agent",
                    "agent_name": "Pricing agent",
                    "correlation_id": "case-118",
                    "workflow_id": "wf-118",
                    "recommendation_type": "discount",
                    "content": "Offer 10 % for renewal within the week.",
                    "confidence_score": 0.8,
                    "reasoning": "Two similar accounts renewed at 10 %.",
                }
            ]
        }
    )

    agent_id: Identifier
    agent_name: Name
    correlation_id: Identifier
    workflow_id: Identifier
    recommendation_type: Name
    content: Content
    confidence_score: float = Field(ge=0, le=1)
    reasoning: Annotated[str, Field(max_length=20_000), NO_NUL] = ""


class RecommendationSubmitted(Answer):
    """The recommendation's id."""

    recommendation_id: str
    status: Literal["recorded"] = "recorded"
