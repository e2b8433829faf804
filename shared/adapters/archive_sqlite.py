"""The archive of the SQLite store: one read transaction sees a workspace at one moment.

While it is open the write-ahead log cannot be shortened, so the file beside the database grows by
what is written meanwhile, and shrinks again after it.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from shared.adapters import sqlite_schema
from shared.adapters.archive_statements import ends_sql, exists_sql, insert, select
from shared.adapters.sqlite_statements import SQLITE, row_of
from shared.domain import audit
from shared.domain.backup import LOGS, PARTS
from shared.errors import NotFound, Unavailable
from shared.ports import ArchiveRow

T = TypeVar("T")


class SqliteView:
    """Implements `ports.ArchiveView` on a connection that is in a read transaction."""

    moment = ""

    def __init__(self, connection: sqlite3.Connection, workspace: str) -> None:
        self._connection = connection
        self._workspace = workspace
        *ends, last = connection.execute(ends_sql("?"), (workspace,) * (len(LOGS) + 1)).fetchone()
        self.ends = dict(zip(LOGS, ends, strict=True))
        self.audit_head = last or audit.GENESIS

    async def rows(self, part: str, after: str, limit: int) -> list[ArchiveRow]:
        asked = select(part, "?", self._workspace, after, limit)
        found = await _off_loop(
            lambda: self._connection.execute(asked.sql, asked.parameters).fetchall()
        )
        return asked.made(found)


class SqliteArchive:
    """Implements `ports.Archive`.

    Args:
        path: the store's database file; the store has made it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @asynccontextmanager
    async def view(self, workspace: str, moment: str = "") -> AsyncIterator[SqliteView]:
        if moment:
            raise NotFound("an SQLite file keeps no earlier moment")
        connection = await _off_loop(lambda: sqlite_schema.connect(self._path))
        try:
            yield await _off_loop(lambda: _begun(connection, workspace))
        finally:
            connection.close()

    async def load(self, workspace: str, part: str, rows: Sequence[ArchiveRow]) -> None:
        sql, parameters = insert(SQLITE, row_of, workspace, part, rows)

        def write() -> None:
            connection = sqlite_schema.connect(self._path)
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(sql, parameters)
                connection.execute("COMMIT")
            finally:
                connection.close()

        await _off_loop(write)

    async def holds(self, workspace: str) -> bool:
        def look() -> bool:
            connection = sqlite_schema.connect(self._path)
            try:
                return any(
                    connection.execute(exists_sql(part, "?"), (workspace,)).fetchone()
                    for part in PARTS
                )
            finally:
                connection.close()

        return await _off_loop(look)


def _begun(connection: sqlite3.Connection, workspace: str) -> SqliteView:
    connection.execute("BEGIN")
    return SqliteView(connection, workspace)


async def _off_loop(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except sqlite3.Error as error:
        raise Unavailable("the store cannot be read or written now; try again") from error
