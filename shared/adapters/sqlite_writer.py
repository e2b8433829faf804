"""Group commit: one writer that commits the transactions that wait together with one fsync.

The statements of a transaction take microseconds and run on the event loop, where nothing contends for the interpreter;
only COMMIT, which waits for the disk, runs in a thread. While it does, further transactions gather, and form the next group.
A transaction's function buffers its writes, so one that raises has written nothing.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar, cast

from shared.errors import Unavailable

T = TypeVar("T")

GROUP = 64
"""Transactions in one commit at most, so that the loop is never held for more than some milliseconds."""

SMALL_GROUP = 8
"""Above this, only half of those that wait go into the next commit: the others' requests are read while it runs."""


class Buffered(Protocol):
    """A transaction's buffered writes."""

    def flush(self) -> None:
        """Executes them, all or none.

        Raises:
            AlreadyExists: a create-only write met an existing record; nothing was written.
        """


class Group(Protocol):
    """The transactions that are committed together."""

    def finish(self) -> None:
        """Executes what the transactions left for the end."""


G = TypeVar("G", bound=Group)


class _Job(Generic[G]):
    __slots__ = ("begin", "future", "run")

    def __init__(
        self,
        begin: Callable[[G], Buffered],
        run: Callable[[Any], Awaitable[Any]],
        future: "asyncio.Future[Any]",
    ) -> None:
        self.begin = begin
        self.run = run
        self.future = future


class GroupWriter(Generic[G]):
    """Runs transactions on one connection, in groups.

    Args:
        connection: in autocommit mode (`isolation_level=None`), used by nobody else.
        group: makes what the transactions of one commit share.
        busy_timeout_s: how long to wait for another process's write to end.
    """

    def __init__(
        self, connection: sqlite3.Connection, group: Callable[[], G], busy_timeout_s: float = 15.0
    ) -> None:
        self._connection = connection
        self._group = group
        self._busy_timeout_ms = int(busy_timeout_s * 1000)
        self._waiting: deque[_Job[G]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-commit")
        self._draining: asyncio.Task[None] | None = None

    async def submit(self, begin: Callable[[G], Buffered], run: Callable[[Any], Awaitable[T]]) -> T:
        """Runs `run` on the transaction that `begin` makes, and returns its result once it is on the disk."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Job(begin, run, future))
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain())
        return await future

    async def close(self) -> None:
        """Waits for the transactions that were submitted, then ends the thread."""
        if self._draining is not None and not self._draining.done():
            await self._draining
        self._thread.shutdown()

    async def _drain(self) -> None:
        while self._waiting:
            jobs = self._next_jobs()
            try:
                await self._begin()
                group = self._group()
                done = [(job, _run(job, group)) for job in jobs]
                group.finish()
                await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.execute, "COMMIT")
            except (sqlite3.Error, Unavailable) as error:
                self._fail(jobs, error)
            else:
                for job, settle in done:
                    if not job.future.done():
                        settle()

    def _next_jobs(self) -> list[_Job[G]]:
        waiting = len(self._waiting)
        size = waiting if waiting <= SMALL_GROUP else min(GROUP, max(SMALL_GROUP, waiting // 2))
        return [self._waiting.popleft() for _ in range(size)]

    async def _begin(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # another process writes: wait for it off the loop
            await asyncio.get_running_loop().run_in_executor(self._thread, self._begin_patiently)

    def _begin_patiently(self) -> None:
        self._connection.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        finally:
            self._connection.execute("PRAGMA busy_timeout = 0")

    def _fail(self, jobs: list[_Job[G]], error: Exception) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(_unavailable(error))


def _run(job: _Job[G], group: G) -> Callable[[], None]:
    """Runs one transaction; returns what settles its future once the group is on the disk."""
    transaction = job.begin(group)
    try:
        result = _drive(job.run(transaction))
        transaction.flush()
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 -- it belongs to the caller, who gets it when the group is done
        failure = error
        return lambda: job.future.set_exception(failure)
    return lambda: job.future.set_result(result)


def _unavailable(error: Exception) -> Unavailable:
    failure = Unavailable("the store cannot write now; try again")
    failure.__cause__ = error
    return failure


def _drive(work: Awaitable[T]) -> T:
    """Runs a transaction's function to its end at once: it may await nothing but its transaction, which never waits."""
    coroutine = cast("Coroutine[object, None, T]", work)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    coroutine.close()
    msg = "a transaction's function may await only its transaction"
    raise RuntimeError(msg)
