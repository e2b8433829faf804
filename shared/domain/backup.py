"""What a backup holds: the manifest that lists it, and the parts that a workspace is made of.

Rows of a part are lines of JSON, `[key, document]`, in order of key. A few thousand of them are a
chunk: one compressed object named by the SHA-256 of its lines, so that what did not change since
the last backup is kept once. Invariant: a manifest is written after every chunk that it names, and
`complete` in one piece, so a backup is whole or is none.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.domain import collections
from shared.domain.operations import RESTORES
from shared.domain.times import Timestamp

COUNTERS, OUTBOX, BLOBS = "counters", "outbox", "blobs"
AUDIT, RATINGS, OUTCOMES = "audit_log", "evidence_ratings", "evidence_outcomes"
PROMPTS = "evidence_prompts"

LOGS = (AUDIT, RATINGS, OUTCOMES, PROMPTS)
"""Append-only: a row keeps its place and never changes. Keys are places in fifteen digits."""


RECORDS: tuple[str, ...] = tuple(sorted(one.name for one in collections.ALL if one is not RESTORES))
"""The parts with records: one a collection, but for what belongs to a restore itself."""

PARTS = (*RECORDS, COUNTERS, OUTBOX, *LOGS)
"""What is read from a store, in this order: first what changes, then what only grows."""


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Chunk(_Plain):
    """One object of a backup.

    `lines_sha256` covers its lines and names it, `sha256` the object's bytes as they are stored.
    `last` is the key behind which the part goes on, `last_line_sha256` tells the row there.
    """

    lines_sha256: str
    sha256: str
    rows: int
    size_bytes: int
    last: str
    last_line_sha256: str


class Part(_Plain):
    """The rows of one kind, in chunks in order of key; `done` once there are no more."""

    chunks: list[Chunk] = Field(default_factory=list)
    done: bool = False

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(one.rows for one in self.chunks)

    @property
    def last(self) -> str:
        """The key behind which it goes on."""
        return self.chunks[-1].last if self.chunks else ""


class WorkspaceCopy(_Plain):
    """What was taken of one workspace.

    `taken_at` is the moment that its rows are of, `moment` the store's own name of it (empty where
    it has none). `ends` are the last places of its logs then, `audit_head` the hash of its last
    audit record. `index_digest` is that of the search index at `knowledge_version`; None where the
    index had moved on. `missing` are objects that records name and that could not be read.
    """

    name: str
    taken_at: Timestamp
    moment: str
    ends: dict[str, int]
    audit_head: str
    parts: dict[str, Part] = Field(default_factory=dict)
    knowledge_version: int = 0
    index_digest: str | None = None
    quiesced: bool = False
    missing: list[str] = Field(default_factory=list)
    done: bool = False


class Manifest(_Plain):
    """One backup.

    `chosen` are the workspaces that were asked for, all where empty; `names` those that there are
    to be taken. `held` are read-only for this backup, and are to be let go. `workspaces` are in the
    order in which they were taken, `_system` first.
    """

    format: Literal[1] = 1
    id: str
    software: str
    started_at: Timestamp
    finished_at: Timestamp | None = None
    chosen: list[str] = Field(default_factory=list)
    quiesce: bool = False
    names: list[str] = Field(default_factory=list)
    held: list[str] = Field(default_factory=list)
    workspaces: list[WorkspaceCopy] = Field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything is in it."""
        return self.finished_at is not None

    @property
    def rows(self) -> int:
        """Rows of all parts of all workspaces."""
        return sum(part.rows for one in self.workspaces for part in one.parts.values())

    @property
    def chunks(self) -> list[Chunk]:
        """Every chunk, some of them more than once."""
        parts = (part for one in self.workspaces for part in one.parts.values())
        return [chunk for part in parts for chunk in part.chunks]

    @property
    def size_bytes(self) -> int:
        """Bytes of its objects, each counted once."""
        return sum({one.lines_sha256: one.size_bytes for one in self.chunks}.values())


def place_key(seq: int) -> str:
    """Returns a place in a log as a key that sorts like it."""
    return f"{seq:015d}"


def find(manifest: Manifest, workspace: str) -> WorkspaceCopy | None:
    """Returns what was taken of a workspace; None where nothing was yet."""
    return next((one for one in manifest.workspaces if one.name == workspace), None)
