"""A PostgreSQL database of an older system, read in one transaction that cannot write."""

import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncServerCursor
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from shared.errors import Unavailable
from shared.ports.older import OlderRow

_COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position
"""


class PostgresSource:
    """Implements `ports.older.OlderSource`.

    Args:
        dsn: the database's address.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._numbers = itertools.count()
        self._opened: AsyncConnection[dict[str, Any]] | None = None

    async def columns(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        try:
            connection = await self._connection()
            cursor = await connection.execute(_COLUMNS)
            for row in await cursor.fetchall():
                found.setdefault(row["table_name"], []).append(row["column_name"])
        except psycopg.Error as error:
            raise _unreadable(error) from error
        return found

    async def rows(
        self, table: str, order: str | None, limit: int
    ) -> AsyncIterator[list[OlderRow]]:
        sql = SQL("SELECT * FROM {}").format(Identifier(table))
        if order:
            sql += SQL(" ORDER BY {}").format(Identifier(order))
        name = f"older_{next(self._numbers)}"
        try:
            connection = await self._connection()
            async with AsyncServerCursor(connection, name, row_factory=dict_row) as cursor:
                await cursor.execute(sql)
                while found := await cursor.fetchmany(limit):
                    yield [*found]
        except psycopg.Error as error:
            raise _unreadable(error) from error

    async def having(self, table: str, column: str, values: Sequence[object]) -> list[OlderRow]:
        sql = SQL("SELECT * FROM {} WHERE {}::text = ANY(%s)").format(
            Identifier(table), Identifier(column)
        )
        try:
            cursor = await (await self._connection()).execute(sql, ([str(one) for one in values],))
            return [*await cursor.fetchall()]
        except psycopg.Error as error:
            raise _unreadable(error) from error

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    async def _connection(self) -> AsyncConnection[dict[str, Any]]:
        if self._opened is None:
            self._opened = await AsyncConnection.connect(self._dsn, row_factory=dict_row)
            await self._opened.set_read_only(value=True)
        return self._opened


def _unreadable(error: psycopg.Error) -> Unavailable:
    return Unavailable(f"the older database cannot be read: {type(error).__name__}")
