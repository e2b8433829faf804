"""The schedule: each tick of each job is taken once, however many processes look.

Invariant: a job runs for a tick only after this process has created the record of that tick; the
record is create-only, so that one process wins. Nothing but the store is remembered.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from shared.domain.operations import TICKS, Tick
from shared.domain.records import SYSTEM_WORKSPACE, Filter, Order
from shared.domain.times import Timestamp, from_text, plus, to_text
from shared.errors import AlreadyExists
from shared.messages.events import Job
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.holding import is_paused

ON_TIME_S = 60.0
"""A tick older than this was missed: only a job that catches up still runs for it."""

LONGEST_WAIT_S = 30.0
"""Seconds between two looks at the clock, at most, as someone may set it."""

REMEMBERED_DAYS = 60

TickOf = Callable[[str, datetime], datetime]
"""Gives a tick of a cron expression relative to a moment."""

logger = logging.getLogger("whetstone.schedule")


@dataclass(frozen=True, slots=True)
class Due:
    """A tick that this process has taken."""

    name: str
    job: Job
    tick: Timestamp


async def take_due(
    deps: Deps, jobs: Mapping[str, Job], latest_tick: TickOf, busy: Collection[str] = ()
) -> list[Due]:
    """Takes the newest tick of each job where no one has, and returns those to be run.

    A job seen for the first time starts with its next tick. Of several missed ticks the newest
    stands for all; it runs where the job catches up, and is only noted where it does not. So is
    the tick of a job that an operator holds back.

    Args:
        deps: the ports.
        jobs: by name.
        latest_tick: gives the newest tick at or before a moment.
        busy: jobs that still run; their ticks wait.
    """
    due = []
    for name, job in jobs.items():
        if name in busy:
            continue
        tick = to_text(latest_tick(job.cron, deps.clock.now()))
        newest = await _newest(deps, name)
        if newest is not None and newest >= tick:
            continue
        taken = await _take(deps, name, tick)
        wanted = taken and newest is not None and (job.catch_up or _on_time(deps, tick))
        if wanted and not await is_paused(deps, name):
            due.append(Due(name, job, tick))
    return due


class Schedule:
    """Runs jobs at their ticks in this process.

    Args:
        deps: the ports.
        jobs: by name.
        call: runs a job.
        latest_tick: gives the newest tick at or before a moment.
        next_tick: gives the first tick after a moment.
    """

    def __init__(
        self,
        deps: Deps,
        jobs: Mapping[str, Job],
        call: Callable[[Job], Awaitable[None]],
        latest_tick: TickOf,
        next_tick: TickOf,
    ) -> None:
        self._deps = deps
        self._jobs = jobs
        self._call = call
        self._latest_tick = latest_tick
        self._next_tick = next_tick
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Runs jobs until `stop` is set; jobs that run then are cut off, as by a crash."""
        try:
            while not stop.is_set():
                await self.start_due()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._wait_s())
        finally:
            running = list(self._running.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def start_due(self) -> list[asyncio.Task[None]]:
        """Starts every job that is due, each beside the others, and returns their tasks."""
        try:
            due = await take_due(self._deps, self._jobs, self._latest_tick, self._running)
        except Exception:  # the schedule outlives a store that does not answer for a while
            logger.exception("schedule.failed")
            return []
        return [self._start(one) for one in due]

    def _start(self, due: Due) -> asyncio.Task[None]:
        task = asyncio.create_task(self._run(due), name=f"job {due.name}")
        self._running[due.name] = task
        task.add_done_callback(lambda _: self._running.pop(due.name, None))
        return task

    async def _run(self, due: Due) -> None:
        try:
            await self._call(due.job)
        except Exception:  # a job's failure must not stop the schedule
            logger.exception("job.failed", extra={"job": due.name, "tick": due.tick})

    def _wait_s(self) -> float:
        now = self._deps.clock.now()
        waits = [
            (self._next_tick(job.cron, now) - now).total_seconds() for job in self._jobs.values()
        ]
        return max(0.01, min([LONGEST_WAIT_S, *waits]))


def _on_time(deps: Deps, tick: Timestamp) -> bool:
    return (deps.clock.now() - from_text(tick)).total_seconds() <= ON_TIME_S


async def _newest(deps: Deps, name: str) -> Timestamp | None:
    order = Order("taken_at", descending=True)
    page = await deps.store.find(
        SYSTEM_WORKSPACE, TICKS, Filter("job", "==", name), order=order, limit=1
    )
    return page.items[0].id.removeprefix(f"{name}:") if page.items else None


async def _take(deps: Deps, name: str, tick: Timestamp) -> bool:
    now = deps.clock.now_text()
    record = Tick(
        id=f"{name}:{tick}",
        job=name,
        taken_at=now,
        expires_at=plus(now, REMEMBERED_DAYS * 86_400),
    )

    async def create(tx: Transaction) -> None:
        tx.create(TICKS, record)

    try:
        await deps.store.transact(SYSTEM_WORKSPACE, create)
    except AlreadyExists:
        return False
    return True
