"""Search over the published knowledge, by words and by meaning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Embedding:
    """Where a text is in the space of a model (`Embedder.model`): a vector of length 1.

    An empty vector says that the model refuses the text for good.
    """

    model: str
    vector: tuple[float, ...]


class Embedder(Protocol):
    """Turns texts into vectors whose cosine says how near their meanings are.

    `model` names the space: the model and its dimensions, in letters, digits and `._-`; vectors of
    different names do not compare. `dims` is the length of a vector.
    """

    model: str
    dims: int

    async def embed(
        self, texts: Sequence[str], *, kind: Literal["document", "query"], timeout_s: float
    ) -> list[Embedding]:
        """Returns an embedding for each text, in their order; of a long text only its beginning.

        Raises:
            Unavailable: no answer in `timeout_s`, or one that cannot be read.
            InvalidInput: the model refuses one of the texts for good.
        """

    async def close(self) -> None:
        """Lets go of files and connections."""


@dataclass(frozen=True, slots=True)
class IndexDocument:
    """What search knows of a published revision; `embedding` where there is one."""

    entry_id: str
    revision: int
    topic: str
    content: str
    tags: tuple[str, ...]
    embedding: Embedding | None = None


@dataclass(frozen=True, slots=True)
class IndexChange:
    """One step of the index to `version`.

    `document` is the revision added, None where the entry is removed.
    """

    version: int
    entry_id: str
    document: IndexDocument | None


@dataclass(frozen=True, slots=True)
class Hit:
    """One result; `score` is positive, higher is better.

    `highlights` are passages with **matches** marked.
    """

    entry_id: str
    revision: int
    score: float
    highlights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, and how they were found.

    `tier` names the parts of the engine that answered: `bm25` by words, `vector` by meaning,
    `bm25+vector` by both.
    """

    hits: tuple[Hit, ...]
    version: int
    tier: str


@dataclass(frozen=True, slots=True)
class IndexSize:
    """Bytes that an index takes on this instance, and that all of them together may take there.

    `room_bytes` is None where indexes lie on a disk that lasts.
    """

    size_bytes: int
    room_bytes: int | None = None


class KnowledgeIndex(Protocol):
    """Search over the published knowledge of each workspace.

    A fold over publications, so it can be rebuilt at will.
    """

    async def apply(
        self, workspace: str, changes: Sequence[IndexChange], *, after: int | None = None
    ) -> None:
        """Applies changes in order of version.

        Those at or below the index's version have no effect.

        Args:
            workspace: whose index.
            changes: what happened after version `after`.
            after: where given, the index is at this version at least.

        Raises:
            Conflict: the index has fallen below `after` meanwhile (dropped, or loaded anew): ask
                for its version again.
        """

    async def search(
        self,
        workspace: str,
        text: str,
        *,
        limit: int,
        tags: Sequence[str] = (),
        topic: str | None = None,
        embedding: Embedding | None = None,
    ) -> SearchResult:
        """Returns the best matches; with tags, those that carry all of them.

        Any text is a legal query. With the text's `embedding`, documents that have one of the same
        model are found by meaning as well, and both rankings are fused.
        """

    async def version(self, workspace: str) -> int:
        """Returns the newest version applied, 0 for an empty index."""

    async def digest(self, workspace: str) -> str:
        """Returns a hash of the content: equal for equal documents, however the index got there.

        Embeddings do not count: they follow from the document, and may come later.
        """

    async def size(self, workspace: str) -> IndexSize:
        """Returns how large a workspace's index is."""

    async def unembedded(self, workspace: str, model: str, limit: int) -> list[tuple[str, int]]:
        """Returns up to `limit` (entry, revision) without an embedding of `model`, newest first."""

    async def drop(self, workspace: str) -> None:
        """Empties a workspace's index, to be rebuilt, and forgets what was saved of it."""

    async def load(self, workspace: str) -> None:
        """Takes over what another instance has saved, where that is newer by enough to be worth it.

        Does nothing where the index lasts by itself.
        """

    async def save(self, workspace: str) -> None:
        """Saves the index for other instances to load, where enough has changed since the last.

        Does nothing where the index lasts by itself.

        Raises:
            Unavailable: it cannot be saved now; the next call tries again.
        """

    async def close(self) -> None:
        """Lets go of files and connections."""
