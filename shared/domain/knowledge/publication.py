"""The knowledge base as a log of publications.

Its version is their number, and the index is a fold over them.
"""

import json
import struct
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, JsonValue

from shared.domain.records import Collection, Query, Record
from shared.domain.times import Timestamp
from shared.errors import CorruptData


class KnowledgeHead(Record):
    """The newest version of a workspace's knowledge base; `id` is always `head`."""

    version: int
    updated_at: Timestamp


class Publication(Record):
    """One step of the knowledge base; `id` is the version in twelve digits.

    `add` puts a revision into search (and takes the entry's earlier one out), `remove` takes the
    entry out. A revision is added again where its embedding came later than itself.
    """

    version: int
    operation: Literal["add", "remove"]
    entry_id: str
    revision: int
    blob_key: str
    published_at: Timestamp


class QueuedPublication(Record):
    """An entry whose publications are to be brought in line with it; `id` is the entry's.

    The object of `revision` is written; None where the entry is to leave the search. It waits until
    it gets a version together with the others that wait, so that the head moves once for all.
    """

    revision: int | None
    queued_at: Timestamp


class ShownRevision(Record):
    """What the publications so far say of an entry; `id` is the entry's.

    `revision` is the one in search, None where it was taken out.
    """

    revision: int | None
    last_revision: int
    version: int


class PublishedRevision(Record):
    """What the object of a published revision holds; `id` is the revision's.

    It says what was approved and by whom, and nothing that changes later.
    """

    workspace: str
    entry_id: str
    revision: int
    topic: str
    content: str
    content_hash: str
    confidence_score: float
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    submitter: str
    submitted_at: Timestamp
    reviewers: list[str]
    decided_at: Timestamp


def object_bytes(document: PublishedRevision) -> bytes:
    """Returns the canonical JSON of a published revision: sorted names, no spaces, ASCII."""
    fields = document.model_dump(mode="json")
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode()


def blob_key(workspace: str, entry_id: str, revision: int) -> str:
    """Returns where the object of a published revision is."""
    return f"workspaces/{workspace}/knowledge/{entry_id}/{revision}.json"


def vector_key(workspace: str, entry_id: str, revision: int, model: str) -> str:
    """Returns where a published revision's embedding by `model` is."""
    return f"workspaces/{workspace}/knowledge/{entry_id}/{revision}.{model}.f32"


def bytes_of_vector(vector: Sequence[float]) -> bytes:
    """Returns a vector as 32-bit floats, low byte first."""
    return struct.pack(f"<{len(vector)}f", *vector)


def vector_of_bytes(data: bytes) -> tuple[float, ...]:
    """Returns the vector that `data` holds.

    Raises:
        CorruptData: these are no whole numbers of 32 bits.
    """
    if len(data) % 4:
        raise CorruptData(f"a vector has 4 bytes for each number, not {len(data)} in all")
    return struct.unpack(f"<{len(data) // 4}f", data)


def publication_id(version: int) -> str:
    """Returns the id of the publication that made `version`; ids sort by version."""
    return f"{version:012d}"


KNOWLEDGE_HEADS = Collection("knowledge_heads", KnowledgeHead)
PUBLICATIONS = Collection(
    "publications",
    Publication,
    queries=(Query((), "version"), Query(("entry_id",), "version")),
)
QUEUED = Collection("queued_publications", QueuedPublication, queries=(Query((), "queued_at"),))
SHOWN = Collection("shown_revisions", ShownRevision)
