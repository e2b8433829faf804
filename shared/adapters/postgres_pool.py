"""Connections to PostgreSQL for one of many small instances: few, and made when needed.

Nothing here runs in the background: on Cloud Functions the CPU rests between requests. A connection
is looked at when it is taken: one that the server has closed, or that is old, is replaced. Those of
an instance that never wakes up are closed by the server (`idle_session_timeout`).
"""

import asyncio
import logging
import select
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from shared.adapters import postgres_schema
from shared.adapters.postgres_errors import translated
from shared.adapters.postgres_login import Login
from shared.errors import Unavailable

LIFETIME_S = 1_800.0
"""Age at which a connection is replaced, so that load spreads again after a failover."""

TRUSTED_S = 60.0
"""Rest after which a connection is asked whether it still answers."""

ANSWER_S = 5.0
"""How long it may take to answer, in seconds."""


class _Loop:
    """What belongs to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self.loop = loop
        self.idle: deque[tuple[AsyncConnection[Any], float, float]] = deque()
        self.free = asyncio.Semaphore(size)
        self.preparing = asyncio.Lock()


class PostgresPool:
    """Lends connections in autocommit mode.

    Args:
        login: makes a connection; see postgres_login.
        size: connections at once, at most; 4 for 50 instances are 200 on the server.
        wait_s: how long a caller waits for a connection to become free, in seconds.
    """

    def __init__(self, login: Login, *, size: int = 4, wait_s: float = 20.0) -> None:
        # What it warns of is raised as well: that the statements behind an error were not executed.
        logging.getLogger("psycopg").setLevel(logging.ERROR)
        self._login = login
        self._size = size
        self._wait_s = wait_s
        self._current: _Loop | None = None
        self._migrated = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """Lends a connection; errors of the driver inside leave as the port's.

        Raises:
            Unavailable: the database does not answer, or no connection becomes free.
        """
        mine = self._of_this_loop()
        try:
            async with asyncio.timeout(self._wait_s):
                await mine.free.acquire()
        except TimeoutError:
            raise Unavailable("too many requests wait for the database; try again") from None
        try:
            with translated():
                connection, born = await self._take(mine)
                try:
                    yield connection
                except BaseException:
                    await self._give_back(mine, connection, born, failed=True)
                    raise
                await self._give_back(mine, connection, born)
        finally:
            mine.free.release()

    async def close(self) -> None:
        """Closes the connections that nobody uses, and the login; later ones are made anew."""
        mine, self._current = self._current, None
        while mine is not None and mine.idle:
            _drop(mine.idle.pop()[0])
        await self._login.close()

    def _of_this_loop(self) -> _Loop:
        loop = asyncio.get_running_loop()
        if self._current is None or self._current.loop is not loop:
            left, self._current = self._current, _Loop(loop, self._size)
            while left is not None and left.idle:
                _drop(left.idle.pop()[0])
        return self._current

    async def _take(self, mine: _Loop) -> tuple[AsyncConnection[Any], float]:
        while mine.idle:
            connection, born, used = mine.idle.pop()
            now = time.monotonic()
            if now - born < LIFETIME_S and await _alive(connection, now - used):
                return connection, born
            _drop(connection)
        connection = await self._login()
        try:
            if not self._migrated:
                async with mine.preparing:
                    await postgres_schema.migrate(connection)
                    self._migrated = True
        except BaseException:
            _drop(connection)
            raise
        return connection, time.monotonic()

    async def _give_back(
        self, mine: _Loop, connection: AsyncConnection[Any], born: float, *, failed: bool = False
    ) -> None:
        if failed:
            await _rolled_back(connection)
        status = connection.pgconn.transaction_status
        if status == TransactionStatus.IDLE and mine is self._current:
            mine.idle.append((connection, born, time.monotonic()))
        else:
            _drop(connection)


async def _rolled_back(connection: AsyncConnection[Any]) -> None:
    """Ends the transaction of a connection whose server still answers."""
    busy = (TransactionStatus.INTRANS, TransactionStatus.INERROR)
    if connection.pgconn.transaction_status in busy and not connection.pgconn.pipeline_status:
        try:
            with translated():
                await connection.execute("ROLLBACK")
        except Unavailable:
            _drop(connection)


async def _alive(connection: AsyncConnection[Any], rested_s: float) -> bool:
    """Tells whether a resting connection is good: the server has not said good-bye."""
    if connection.closed or _readable(connection.fileno()):
        return False
    if rested_s < TRUSTED_S:
        return True
    try:
        with translated():
            async with asyncio.timeout(ANSWER_S):
                await connection.execute("SELECT 1")
    except (Unavailable, TimeoutError):
        return False
    return True


def _readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _drop(connection: AsyncConnection[Any]) -> None:
    """Closes a connection without its loop, which may have ended."""
    connection.pgconn.finish()
