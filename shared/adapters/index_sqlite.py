"""The knowledge index on SQLite, one file per workspace: words by FTS5 (BM25), meaning by vectors.

A file is a fold over publications and holds nothing that cannot be rebuilt. The invariant:
documents, full text and version change in one transaction. Any number of processes may open the
same files.
"""

import asyncio
import hashlib
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from shared.adapters import index_sqlite_rows as rows
from shared.adapters.index_sqlite_file import IndexFile
from shared.adapters.index_sqlite_search import BY_WORDS, Query, search
from shared.errors import Conflict, CorruptData, InvalidInput, Unavailable
from shared.ports import Embedding, IndexChange, IndexSize, SearchResult

if TYPE_CHECKING:
    from shared.adapters.index_vectors import Vectors

T = TypeVar("T")

_MAX_OPEN_WORKSPACES = 64
MAX_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class FileCopy:
    """An index file in one state, and what is in it."""

    path: Path
    version: int
    documents: int


class SqliteKnowledgeIndex:
    """`KnowledgeIndex` in a folder.

    Args:
        folder: where the files are; made at the first write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._files: OrderedDict[str, IndexFile] = OrderedDict()
        self._vectors: Vectors | None = None

    async def apply(
        self, workspace: str, changes: Sequence[IndexChange], *, after: int | None = None
    ) -> None:
        """Applies changes in order of version, all or none; those it had before have no effect.

        Raises:
            Conflict: the index is at a version before `after`.
            InvalidInput: a change carries the document of another entry.
            Unavailable: the file cannot be written.
            CorruptData: the file is damaged: drop the index and rebuild it.
        """
        for change in changes:
            if change.document is not None and change.document.entry_id != change.entry_id:
                raise InvalidInput(f"change {change.version} carries another entry's document")
        await self._off_loop(workspace, lambda file: _apply(file, changes, after or 0))

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
        query = Query(text, limit, tuple(tags), topic, embedding)
        return await self._off_loop(workspace, lambda file: self._search(file, workspace, query))

    async def version(self, workspace: str) -> int:
        return await self._off_loop(workspace, _version)

    async def digest(self, workspace: str) -> str:
        return await self._off_loop(workspace, _digest)

    async def size(self, workspace: str) -> IndexSize:
        return IndexSize(await self._off_loop(workspace, IndexFile.size_bytes))

    async def unembedded(self, workspace: str, model: str, limit: int) -> list[tuple[str, int]]:
        return await self._off_loop(workspace, lambda file: _unembedded(file, model, limit))

    async def drop(self, workspace: str) -> None:
        await self._off_loop(workspace, _drop)

    async def load(self, workspace: str) -> None:
        """Does nothing: the files last."""

    async def save(self, workspace: str) -> None:
        """Does nothing: the files last."""

    @asynccontextmanager
    async def standing(self, workspace: str) -> AsyncIterator[FileCopy | None]:
        """Yields the file as it stands after the last change, None where there is none.

        Its bytes stay as they are within the block, while others search and change the index. This
        process must be the only one that has it.
        """
        with ExitStack() as stack:
            yield await self._off_loop(workspace, lambda file: _standing(file, stack))

    async def copy_in(self, workspace: str, fetch: Callable[[Path], Awaitable[object]]) -> int:
        """Makes a new workspace's file and returns its version.

        Args:
            workspace: which has no file.
            fetch: writes an index file's bytes to where it is told.

        Raises:
            CorruptData: this is no index file, or one of another schema.
        """
        await fetch(await self._off_loop(workspace, IndexFile.fresh))

        def work(file: IndexFile) -> int:
            file.take()
            return _known_version(file, workspace)

        return await self._off_loop(workspace, work)

    async def discard(self, workspace: str) -> None:
        """Removes a workspace's file; nobody else may be using it."""
        with self._guard:
            file = self._files.pop(workspace, None)
        if file is not None:
            file.retire()
        if self._vectors is not None:
            self._vectors.forget(workspace)
        await self._off_loop(workspace, IndexFile.remove)
        with self._guard:
            self._files.pop(workspace, None)

    async def close(self) -> None:
        """Closes every file; the next call opens what it needs anew."""
        with self._guard:
            indexes = list(self._files.values())
            self._files.clear()
        for index in indexes:
            await asyncio.to_thread(index.retire)

    def _search(self, file: IndexFile, workspace: str, query: Query) -> SearchResult:
        with file.reader() as connection:
            if connection is None:
                return SearchResult((), 0, BY_WORDS)
            vectors = None if query.embedding is None else self._comparing()
            return search(connection, workspace, query, vectors)

    def _comparing(self) -> "Vectors":
        """Returns what compares vectors, made at the first search that has one."""
        from shared.adapters.index_vectors import Vectors  # noqa: PLC0415 - loads numpy

        with self._guard:
            if self._vectors is None:
                self._vectors = Vectors()
            return self._vectors

    async def _off_loop(self, workspace: str, work: Callable[[IndexFile], T]) -> T:
        index = self._open(workspace)
        try:
            return await asyncio.to_thread(work, index)
        except sqlite3.Error as error:
            raise _translated(error, workspace) from error
        except OSError as error:
            raise Unavailable(
                f"the index of {workspace} does not work: {error.strerror}"
            ) from error

    def _open(self, workspace: str) -> IndexFile:
        """Returns the workspace's file; where many are open, closes the one unused longest."""
        name = quote(workspace, safe="")
        if not name or len(name) > MAX_NAME_LENGTH:
            raise InvalidInput("a workspace that has an index has a name of a sensible length")
        with self._guard:
            index = self._files.pop(workspace, None) or IndexFile(self._folder / f"{name}.sqlite")
            self._files[workspace] = index
            if len(self._files) > _MAX_OPEN_WORKSPACES:
                _, oldest = self._files.popitem(last=False)
                oldest.retire()
        return index


def _apply(file: IndexFile, changes: Sequence[IndexChange], after: int) -> None:
    with file.writer() as connection:
        version = rows.version(connection)
        if version < after:
            raise Conflict(f"the index is at version {version}, not at {after}; ask it again")
        for change in sorted(changes, key=lambda change: change.version):
            if change.version > version:
                rows.remove(connection, change.entry_id)
                if change.document is not None:
                    rows.add(connection, change.version, change.document)
                version = change.version
        connection.execute("UPDATE head SET version = ?", (version,))


def _version(file: IndexFile) -> int:
    with file.reader() as connection:
        return 0 if connection is None else rows.version(connection)


def _digest(file: IndexFile) -> str:
    digest = hashlib.sha256()
    with file.reader() as connection:
        if connection is not None:
            for (row,) in connection.execute("SELECT hash FROM documents ORDER BY entry_id"):
                digest.update(row)
    return digest.hexdigest()


def _unembedded(file: IndexFile, model: str, limit: int) -> list[tuple[str, int]]:
    with file.reader() as connection:
        return [] if connection is None else rows.unembedded(connection, model, limit)


def _standing(file: IndexFile, stack: ExitStack) -> FileCopy | None:
    held = stack.enter_context(file.standing())
    if held is None:
        return None
    path, connection = held
    return FileCopy(path, rows.version(connection), rows.documents(connection))


def _known_version(file: IndexFile, workspace: str) -> int:
    with file.reader() as connection:
        if connection is None:
            raise CorruptData(f"the file for {workspace} has another schema")
        return rows.version(connection)


def _drop(file: IndexFile) -> None:
    try:
        with file.writer() as connection:
            rows.create(connection)
    except sqlite3.DatabaseError as error:
        if not _damaged(error):
            raise
        file.start_over()


def _damaged(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _translated(error: sqlite3.Error, workspace: str) -> CorruptData | Unavailable:
    """Returns the port's error: a damaged file needs someone, all else may pass."""
    if _damaged(error):
        return CorruptData(f"the index of {workspace} is damaged: drop it and rebuild it")
    reason = getattr(error, "sqlite_errorname", type(error).__name__)
    return Unavailable(f"the index of {workspace} does not answer: {reason}")
