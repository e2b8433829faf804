"""An SQLite file of an older system, opened so that it cannot be changed."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from shared.errors import Unavailable
from shared.ports.older import OlderRow

T = TypeVar("T")


class SqliteSource:
    """Implements `ports.older.OlderSource`.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: sqlite3.Connection | None = None

    async def columns(self) -> dict[str, list[str]]:
        def read() -> dict[str, list[str]]:
            tables = self._connection.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
            ).fetchall()
            return {
                name: [one["name"] for one in self._pragma(name)] for (name,) in map(tuple, tables)
            }

        return await self._off_loop(read)

    async def rows(
        self, table: str, order: str | None, limit: int
    ) -> AsyncIterator[list[OlderRow]]:
        by = f" ORDER BY {_name(order)}" if order else ""
        cursor = await self._off_loop(
            lambda: self._connection.execute(f"SELECT * FROM {_name(table)}{by}")
        )
        while found := await self._off_loop(lambda: cursor.fetchmany(limit)):
            yield [dict(row) for row in found]

    async def having(self, table: str, column: str, values: Sequence[object]) -> list[OlderRow]:
        sql = (
            f"SELECT * FROM {_name(table)} WHERE {_name(column)} IN"
            " (SELECT value FROM json_each(?))"
        )
        wanted = json.dumps(list(values), default=str)
        return [
            dict(row)
            for row in await self._off_loop(
                lambda: self._connection.execute(sql, (wanted,)).fetchall()
            )
        ]

    async def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            address = f"file:{quote(str(self._path))}?mode=ro"
            self._opened = sqlite3.connect(address, uri=True, check_same_thread=False)
            self._opened.row_factory = sqlite3.Row
            self._opened.text_factory = _text
        return self._opened

    def _pragma(self, table: str) -> list[Any]:
        return self._connection.execute(f"PRAGMA table_info({_name(table)})").fetchall()

    async def _off_loop(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except sqlite3.Error as error:
            raise Unavailable(f"{self._path} cannot be read: {error}") from error


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(data: bytes) -> str:
    """Returns text; what is no UTF-8 shows as U+FFFD, so that its row can be rejected by name."""
    return data.decode("utf-8", "replace")
