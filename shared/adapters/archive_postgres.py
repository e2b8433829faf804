"""The archive of the PostgreSQL store: one REPEATABLE READ transaction sees a workspace."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection

from shared.adapters.archive_statements import ends_sql, exists_sql, insert, select
from shared.adapters.postgres_errors import translated
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.postgres_statements import (
    BEGIN,
    BEGIN_SNAPSHOT,
    POSTGRES,
    WITHIN,
    Row,
    row_of,
    send,
)
from shared.domain import audit
from shared.domain.backup import LOGS, PARTS
from shared.errors import NotFound
from shared.ports import ArchiveRow

BATCH = 1_000
"""Rows written in one transaction."""

_PATIENT = "SET LOCAL idle_in_transaction_session_timeout = 600000"
"""Ten minutes: between two pages a chunk is compressed and stored."""


class PostgresView:
    """Implements `ports.ArchiveView` on a connection that is in its transaction."""

    moment = ""

    def __init__(self, connection: AsyncConnection[Any], workspace: str, ends: Row) -> None:
        self._connection = connection
        self._workspace = workspace
        self.ends = dict(zip(LOGS, ends[:-1], strict=True))
        self.audit_head = ends[-1] or audit.GENESIS

    async def rows(self, part: str, after: str, limit: int) -> list[ArchiveRow]:
        asked = select(part, "%s", self._workspace, after, limit)
        with translated():
            return asked.made((await send(self._connection, (asked.sql, asked.parameters)))[0])


class PostgresArchive:
    """Implements `ports.Archive`.

    Args:
        pool: where connections come from; the store's, which closes it.
    """

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def view(self, workspace: str, moment: str = "") -> AsyncIterator[PostgresView]:
        if moment:
            raise NotFound("PostgreSQL keeps no earlier moment")
        async with self._pool.connection() as connection:
            *_, ends = await send(
                connection,
                (BEGIN_SNAPSHOT, None),
                (_PATIENT, None),
                (WITHIN, (workspace,)),
                (ends_sql("%s"), (workspace,) * (len(LOGS) + 1)),
            )
            yield PostgresView(connection, workspace, ends[0])
            await connection.execute("COMMIT")

    async def load(self, workspace: str, part: str, rows: Sequence[ArchiveRow]) -> None:
        sql, parameters = insert(POSTGRES, row_of, workspace, part, rows)
        for start in range(0, len(parameters), BATCH):
            some = parameters[start : start + BATCH]
            statements = [(sql, one) for one in some]
            async with self._pool.connection() as connection:
                within = (WITHIN, (workspace,))
                await send(connection, (BEGIN, None), within, *statements, ("COMMIT", None))

    async def holds(self, workspace: str) -> bool:
        asked = [(exists_sql(part, "%s"), (workspace,)) for part in PARTS]
        async with self._pool.connection() as connection:
            _, *found = await send(connection, (WITHIN, (workspace,)), *asked)
        return any(found)
