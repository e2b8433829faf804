"""The knowledge index on SQLite FTS5, one file per workspace: BM25 over topic, content and tags.

A file is a fold over publications and holds nothing that cannot be rebuilt. The invariant:
documents, full text and version change in one transaction. Any number of processes may open the
same files.
"""

import asyncio
import hashlib
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from shared.adapters import index_sqlite_rows as rows
from shared.adapters.index_query import match_query
from shared.adapters.index_sqlite_file import IndexFile
from shared.errors import CorruptData, InvalidInput, Unavailable
from shared.ports import IndexChange, SearchResult

T = TypeVar("T")

TIER = "bm25"
_MAX_OPEN_WORKSPACES = 64
_MAX_NAME_LENGTH = 200


class SqliteKnowledgeIndex:
    """`KnowledgeIndex` in a folder.

    Args:
        folder: where the files are; made at the first write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self._files: OrderedDict[str, IndexFile] = OrderedDict()

    async def apply(self, workspace: str, changes: Sequence[IndexChange]) -> None:
        """Applies changes in order of version, all or none; those it had before have no effect.

        Raises:
            InvalidInput: a change carries the document of another entry.
            Unavailable: the file cannot be written.
            CorruptData: the file is damaged: drop the index and rebuild it.
        """
        for change in changes:
            if change.document is not None and change.document.entry_id != change.entry_id:
                raise InvalidInput(f"change {change.version} carries another entry's document")
        await self._off_loop(workspace, lambda file: _apply(file, changes))

    async def search(
        self,
        workspace: str,
        text: str,
        *,
        limit: int,
        tags: Sequence[str] = (),
        topic: str | None = None,
    ) -> SearchResult:
        return await self._off_loop(workspace, lambda file: _search(file, text, limit, tags, topic))

    async def version(self, workspace: str) -> int:
        return await self._off_loop(workspace, _version)

    async def digest(self, workspace: str) -> str:
        return await self._off_loop(workspace, _digest)

    async def drop(self, workspace: str) -> None:
        await self._off_loop(workspace, _drop)

    async def close(self) -> None:
        """Closes every file; the next call opens what it needs anew."""
        with self._guard:
            indexes = list(self._files.values())
            self._files.clear()
        for index in indexes:
            await asyncio.to_thread(index.retire)

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
        if not name or len(name) > _MAX_NAME_LENGTH:
            raise InvalidInput("a workspace that has an index has a name of a sensible length")
        with self._guard:
            index = self._files.pop(workspace, None) or IndexFile(self._folder / f"{name}.sqlite")
            self._files[workspace] = index
            if len(self._files) > _MAX_OPEN_WORKSPACES:
                _, oldest = self._files.popitem(last=False)
                oldest.retire()
        return index


def _apply(file: IndexFile, changes: Sequence[IndexChange]) -> None:
    with file.writer() as connection:
        version = rows.version(connection)
        for change in sorted(changes, key=lambda change: change.version):
            if change.version > version:
                rows.remove(connection, change.entry_id)
                if change.document is not None:
                    rows.add(connection, change.version, change.document)
                version = change.version
        connection.execute("UPDATE head SET version = ?", (version,))


def _search(
    file: IndexFile, text: str, limit: int, tags: Sequence[str], topic: str | None
) -> SearchResult:
    with file.reader() as connection:
        if connection is None:
            return SearchResult((), 0, TIER)
        version = rows.version(connection)
        query = match_query(text)
        if not query or limit < 1:
            return SearchResult((), version, TIER)
        return SearchResult(rows.hits(connection, query, limit, tags, topic), version, TIER)


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
