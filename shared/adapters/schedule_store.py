"""The embedded schedule as an operator sees it: its switches are in the store.

What runs the jobs is `services/scheduling` in the server's process; this one may be another (a
command), and so it asks the store, and has a job run by calling the server.
"""

import asyncio
from collections.abc import Callable

from shared.adapters.http_client import HttpClient, translated
from shared.adapters.schedule_inprocess import CALL_S, next_tick
from shared.domain.audit import AuditEntry
from shared.domain.operations import JOB_STATES, TICKS, JobState
from shared.domain.records import SYSTEM_WORKSPACE, Filter, Order
from shared.domain.times import to_text
from shared.errors import NotFound, Unavailable
from shared.messages.events import JOBS, Job
from shared.ports import Clock, ScheduledJob, Store, Transaction

OPERATOR = "operator"
"""Who the audit log says threw a switch: whoever has the store's files."""


class StoreSchedule:
    """Implements `ports.Schedule`.

    Args:
        store: has the switches and the ticks.
        clock: says when the next tick is.
        url: of the server that runs the jobs.
        token: gives a fresh credential of the system.
    """

    def __init__(self, store: Store, clock: Clock, url: str, token: Callable[[], str]) -> None:
        self._store = store
        self._clock = clock
        self._url = url.rstrip("/")
        self._token = token
        self._http = HttpClient()

    async def jobs(self) -> list[ScheduledJob]:
        """See Schedule."""
        names = list(JOBS)
        states = await self._store.get_many(SYSTEM_WORKSPACE, JOB_STATES, names)
        return [await self._shown(name, state) for name, state in zip(names, states, strict=True)]

    async def pause(self, name: str) -> None:
        """See Schedule."""
        await self._switch(name, paused=True)

    async def resume(self, name: str) -> None:
        """See Schedule."""
        await self._switch(name, paused=False)

    async def trigger(self, name: str) -> None:
        """See Schedule: returns when the job is done."""
        job = _known(name)
        client = await self._http.get()
        headers = {"Authorization": f"Bearer {self._token()}"}
        deadline_s = asyncio.get_running_loop().time() + CALL_S
        async with translated(f"the server at {self._url}", deadline_s):
            answer = await client.post(self._url + job.path, headers=headers)
        if not answer.is_success:
            raise Unavailable(f"{job.path} answered {answer.status_code}")

    async def close(self) -> None:
        """See Schedule."""
        await self._http.close()

    async def _shown(self, name: str, state: JobState | None) -> ScheduledJob:
        job = JOBS[name]
        order = Order("taken_at", descending=True)
        newest = await self._store.find(
            SYSTEM_WORKSPACE, TICKS, Filter("job", "==", name), order=order, limit=1
        )
        paused = state is not None and state.paused
        return ScheduledJob(
            name,
            job.cron,
            "paused" if paused else "enabled",
            None if paused else to_text(next_tick(job.cron, self._clock.now())),
            newest.items[0].taken_at if newest.items else None,
        )

    async def _switch(self, name: str, *, paused: bool) -> None:
        _known(name)
        now = self._clock.now_text()
        action = "schedule.paused" if paused else "schedule.resumed"

        async def work(tx: Transaction) -> None:
            state = await tx.get(JOB_STATES, name) or JobState(id=name)
            if state.paused != paused:
                tx.put(JOB_STATES, state.model_copy(update={"paused": paused}))
                tx.audit(AuditEntry(OPERATOR, action, name, now, {}))

        await self._store.transact(SYSTEM_WORKSPACE, work)


def _known(name: str) -> Job:
    if name not in JOBS:
        raise NotFound(f"there is no job {name}; there are {', '.join(JOBS)}")
    return JOBS[name]
