"""Group commit: one writer that commits the transactions that wait together with one fsync.

The statements of a transaction take microseconds and run on the event loop, where nothing contends
for the interpreter; only COMMIT, which waits for the disk, runs in a thread. While it does, further
transactions gather, and form the next group. A transaction's function buffers its writes, so one
that raises has written nothing. One whose writes cannot be executed takes its group down with it:
all is rolled back, and each runs again in a group of its own, so that only the culprit fails.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar, cast

from shared.adapters.one_thread import OneThread
from shared.errors import AlreadyExists, Unavailable

T = TypeVar("T")

GROUP = 64
"""Transactions in one commit at most, so that the loop is held for a few milliseconds at most."""

SMALL_GROUP = 8
"""Groups of this size are not split."""

QUICK_COMMIT_S = 0.003
"""A commit below this (moving average, in seconds) is quick: see `_next_jobs`."""

COMMIT_WEIGHT = 0.2
"""How much the last commit counts in that average."""


class Buffered(Protocol):
    """A transaction's buffered writes."""

    def flush(self) -> None:
        """Executes them, all or none.

        Raises:
            AlreadyExists: a create-only write met an existing record; nothing was written.
            Exception: any other one may leave writes behind: the whole group must be rolled back.
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


def _nothing() -> None:
    """What is done after a commit where nothing is."""


class GroupWriter(Generic[G]):
    """Runs transactions on one connection, in groups.

    Args:
        connection: in autocommit mode (`isolation_level=None`), used by nobody else.
        group: makes what the transactions of one commit share.
        busy_timeout_s: how long to wait for another process's write to end.
        committed: is called after each commit.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        group: Callable[[], G],
        busy_timeout_s: float = 15.0,
        committed: Callable[[], None] = _nothing,
    ) -> None:
        self._connection = connection
        self._group = group
        self._committed = committed
        self._busy_timeout_ms = int(busy_timeout_s * 1000)
        self._waiting: deque[_Job[G]] = deque()
        self._thread = OneThread("sqlite-commit")
        self._draining: asyncio.Task[None] | None = None
        self._closed = False
        self._commit_s = 0.0

    async def submit(self, begin: Callable[[G], Buffered], run: Callable[[Any], Awaitable[T]]) -> T:
        """Runs `run` on the transaction that `begin` makes; returns its result once it is durable.

        It is committed also where the caller is cancelled meanwhile.

        Raises:
            Unavailable: the disk is full, another process writes for too long, or after `close`.
        """
        if self._closed:
            raise Unavailable("the store is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Job(begin, run, future))
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain())
        return await future

    async def close(self) -> None:
        """Waits for the transactions that were submitted, then ends the thread."""
        self._closed = True
        if self._draining is not None and not self._draining.done():
            await self._draining
        self._thread.end()

    async def _drain(self) -> None:
        while self._waiting:
            jobs = self._next_jobs()
            if not await self._commit(jobs):
                for job in jobs:
                    await self._commit([job])

    async def _commit(self, jobs: list[_Job[G]]) -> bool:
        """Runs and commits jobs, and settles them; False where each has to run again by itself."""
        try:
            await self._begin()
            try:
                group = self._group()
                done = [(job, _run(job, group)) for job in jobs]
                group.finish()
            except Exception as error:  # noqa: BLE001 -- it is its job's, whichever that is
                self._roll_back()
                if len(jobs) > 1:
                    return False
                _fail(jobs, error)
                return True
            await self._in_thread(self._commit_now)
        except sqlite3.Error as error:
            self._roll_back()
            _fail(jobs, error)
            return True
        for job, settle in done:
            if not job.future.done():
                settle()
        self._committed()
        return True

    async def _in_thread(self, work: Callable[..., object], *arguments: object) -> None:
        await self._thread.run(work, *arguments)

    def _next_jobs(self) -> list[_Job[G]]:
        """Returns those that go into the next commit.

        Half of those that wait where a commit is quick: the answers of one half and the requests of
        the other are dealt with while it runs. All of them where the disk is slow.
        """
        waiting = len(self._waiting)
        split = self._commit_s < QUICK_COMMIT_S and waiting > SMALL_GROUP
        size = max(SMALL_GROUP, waiting // 2) if split else waiting
        return [self._waiting.popleft() for _ in range(min(GROUP, size))]

    def _commit_now(self) -> None:
        started = time.perf_counter()
        self._connection.execute("COMMIT")
        self._commit_s += COMMIT_WEIGHT * (time.perf_counter() - started - self._commit_s)

    async def _begin(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # another process writes: wait for it off the loop
            await self._in_thread(self._begin_patiently)

    def _begin_patiently(self) -> None:
        self._connection.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        finally:
            self._connection.execute("PRAGMA busy_timeout = 0")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # SQLite itself rolls back where the disk is full
            self._connection.execute("ROLLBACK")


def _run(job: _Job[G], group: G) -> Callable[[], None]:
    """Runs one transaction; returns what settles its future once the group is on the disk."""
    transaction = job.begin(group)
    try:
        result = _drive(job.run(transaction))
    except sqlite3.Error:
        raise
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 -- the caller gets it
        return _raiser(job, error)
    try:
        transaction.flush()
    except AlreadyExists as error:
        return _raiser(job, error)
    return lambda: job.future.set_result(result)


def _raiser(job: _Job[G], error: BaseException) -> Callable[[], None]:
    return lambda: job.future.set_exception(error)


def _fail(jobs: list[_Job[G]], error: Exception) -> None:
    """Tells the callers: trouble of the database may pass, anything else is the job's own."""
    for job in jobs:
        if job.future.done():
            continue
        failure = error
        if isinstance(error, sqlite3.Error):
            failure = Unavailable("the store cannot write now; try again")
            failure.__cause__ = error
        job.future.set_exception(failure)


def _drive(work: Awaitable[T]) -> T:
    """Runs a transaction's function to its end at once.

    It may await nothing but its transaction, which never waits.
    """
    coroutine = cast("Coroutine[object, None, T]", work)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    coroutine.close()
    msg = "a transaction's function may await only its transaction"
    raise RuntimeError(msg)
