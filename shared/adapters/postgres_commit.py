"""Commits: the transactions of a workspace that wait in this process go into one.

A transaction has run without locks. Under the workspace's lock it is checked whether all that it
has read still stands; where not, it runs again right there, holding the lock, so that it runs twice
at most, however many race. What reads nothing and takes no place in a log needs no such lock.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from shared.adapters.postgres_errors import Contended
from shared.adapters.postgres_group import Claim, Group, counted
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.postgres_statements import (
    BEGIN,
    LOCK_SHARED,
    OUTBOX_INSERT,
    WITHIN,
    send,
    statements,
)
from shared.adapters.postgres_transaction import Changes, PostgresTransaction
from shared.errors import AlreadyExists, InvalidInput
from shared.ports import OutboxItem

GROUP = 64
"""Transactions in one commit, at most."""

TRIES = 4
"""How often a commit is tried where others, who hold no lock, were in its way."""

Run = Callable[[PostgresTransaction], Awaitable[Any]]
Outcome = tuple[Any, list[OutboxItem]]


@dataclass(slots=True)
class _Job:
    run: Run
    changes: Changes
    result: Any
    future: "asyncio.Future[Outcome]"


class Commits:
    """Commits transactions that have run.

    Args:
        pool: where connections come from.
        claim: for the events that are written.
    """

    def __init__(self, pool: PostgresPool, claim: Claim) -> None:
        self._pool = pool
        self._claim = claim
        self._waiting: dict[str, deque[_Job]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def commit(self, workspace: str, run: Run, changes: Changes, result: object) -> Outcome:
        """Commits what `run` wants written; returns its result and its events.

        It goes on where the caller is cancelled meanwhile.

        Raises:
            AlreadyExists: a create-only write met an existing record.
            InvalidInput: a value cannot be stored.
            Unavailable: the database does not answer: it may or may not be committed.
        """
        if changes.blind:
            return result, await asyncio.shield(self._start(self._blindly(workspace, changes)))
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        job = _Job(run, changes, result, future)
        if workspace in self._waiting:
            self._waiting[workspace].append(job)
        else:
            self._waiting[workspace] = deque([job])
            self._start(self._drain(workspace))
        return await future

    async def finished(self) -> None:
        """Returns when nothing is being committed."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _drain(self, workspace: str) -> None:
        waiting = self._waiting[workspace]
        try:
            while waiting:
                jobs = [waiting.popleft() for _ in range(min(GROUP, len(waiting)))]
                await self._settle(workspace, jobs)
        finally:
            del self._waiting[workspace]

    async def _settle(self, workspace: str, jobs: list[_Job]) -> None:
        """Commits jobs together, or where one cannot be written each by itself."""
        for left in reversed(range(TRIES)):
            try:
                done = await self._together(workspace, jobs)
            except (AlreadyExists, InvalidInput, Contended) as error:
                if len(jobs) > 1:
                    for job in jobs:
                        await self._settle(workspace, [job])
                elif left and not isinstance(error, InvalidInput):
                    continue
                else:
                    _fail(jobs, error)
            except Exception as error:  # noqa: BLE001 -- each caller gets it
                _fail(jobs, error)
            else:
                _succeed(done)
            return

    async def _together(self, workspace: str, jobs: Sequence[_Job]) -> list[tuple[_Job, Outcome]]:
        async with self._pool.connection() as connection:
            group = Group(connection, workspace, self._claim)
            await group.begin([job.changes for job in jobs])
            taken: list[tuple[_Job, Any]] = []
            late: list[_Job] = []
            for job in jobs:
                if not group.stands(job.changes):
                    late.append(job)
                elif _takes(group, job, job.changes):
                    taken.append((job, job.result))
            for job in late:
                taken += await _again(group, job)
            events = await group.commit()
            return [
                (job, (result, items)) for (job, result), items in zip(taken, events, strict=True)
            ]

    async def _blindly(self, workspace: str, changes: Changes) -> list[OutboxItem]:
        """Writes a transaction that has read nothing; returns its events.

        A single record needs no lock: whoever has read it either holds its row, or creates it. With
        more of them, somebody could read one before and write another one after it.
        """
        for _ in range(TRIES - 1):
            try:
                return await self._write(workspace, changes)
            except Contended:
                continue
        return await self._write(workspace, changes)

    async def _write(self, workspace: str, changes: Changes) -> list[OutboxItem]:
        writes = sorted(changes.writes, key=lambda one: (one.key[0].name, one.key[1]))
        claim = self._claim
        head = [(BEGIN, None), (WITHIN, (workspace,))]
        if len(writes) > 1:
            head.append((LOCK_SHARED, (workspace,)))
        body = [(getattr(statements(one.key[0]), one.kind), one.row) for one in writes]
        body += counted(workspace, changes.counters)
        emitted = [
            (OUTBOX_INSERT, (one.event_id, one.type, workspace, doc, claim.by, claim.seconds))
            for one, doc in changes.events
        ]
        async with self._pool.connection() as connection:
            done = await send(connection, *head, *body, *emitted, ("COMMIT", None))
        positions = [rows[0][0] for rows in done[len(head) + len(body) : -1]]
        return [
            OutboxItem(position, event)
            for position, (event, _) in zip(positions, changes.events, strict=True)
        ]


async def _again(group: Group, job: _Job) -> list[tuple[_Job, Any]]:
    """Runs a job on what stands now; returns it with its result where its writes were taken."""
    transaction = await group.reader()
    try:
        result = await job.run(transaction)
    except (psycopg.Error, UnicodeEncodeError):
        raise
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 -- the caller gets it
        _fail([job], error)
        return []
    await group.look(transaction.changes)
    return [(job, result)] if _takes(group, job, transaction.changes) else []


def _takes(group: Group, job: _Job, changes: Changes) -> bool:
    try:
        group.take(changes)
    except AlreadyExists as error:
        _fail([job], error)
        return False
    return True


def _succeed(done: Sequence[tuple[_Job, Outcome]]) -> None:
    for job, outcome in done:
        if not job.future.done():
            job.future.set_result(outcome)


def _fail(jobs: Sequence[_Job], error: BaseException) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(error)
