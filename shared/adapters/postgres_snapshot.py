"""What a transaction reads from: one moment of one workspace, without locks."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from psycopg import AsyncConnection

from shared.adapters.postgres_errors import translated
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.postgres_statements import BEGIN_SNAPSHOT, WITHIN, Row, send


class Snapshot:
    """Begins with the first read, so that what reads nothing takes no connection.

    Args:
        pool: where its connection comes from.
        workspace: what it sees.
    """

    def __init__(self, pool: PostgresPool, workspace: str) -> None:
        self._pool = pool
        self._workspace = workspace
        self._held = AsyncExitStack()
        self._connection: AsyncConnection[Any] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection is not None and error is None:
            async with self._held:
                await self._connection.execute("COMMIT")
        else:
            await self._held.__aexit__(kind, error, trace)

    async def fetch(self, sql: str, parameters: Row) -> Sequence[Row]:
        """Returns the rows of a statement that reads.

        Raises:
            InvalidInput: a parameter is outside of what the store can hold.
            Unavailable: the database does not answer.
        """
        with translated():
            if self._connection is not None:
                return (await send(self._connection, (sql, parameters)))[0]
            self._connection = await self._held.enter_async_context(self._pool.connection())
            begin = ((BEGIN_SNAPSHOT, None), (WITHIN, (self._workspace,)))
            return (await send(self._connection, *begin, (sql, parameters)))[-1]
