"""The schedule on Google Cloud: Cloud Scheduler, whose jobs Terraform makes from `JOBS`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from shared.adapters.google_errors import GOOGLE_ERRORS, unavailable
from shared.domain.times import to_text
from shared.errors import NotFound
from shared.messages.events import JOBS
from shared.ports import Clock, ScheduledJob

if TYPE_CHECKING:
    from google.cloud.scheduler_v1 import CloudSchedulerAsyncClient
    from google.cloud.scheduler_v1.types import Job as CloudJob

CALL_S = 10.0
"""Seconds that Cloud Scheduler may take to answer."""

REMEMBERED_S = 30.0
"""Seconds for which its answer is told again, as a status page is read more often than it moves."""


class CloudSchedule:
    """Implements `ports.Schedule`. Connects at the first question, and imports its client then.

    Args:
        project: the Google Cloud project.
        region: where its jobs are.
        clock: says when an answer is old.
        prefix: of the jobs' names, for example `whetstone` of `whetstone-retrain`.
        endpoint: a server on this machine that speaks the same API; None for Google's.
    """

    def __init__(
        self,
        project: str,
        region: str,
        clock: Clock,
        *,
        prefix: str = "whetstone",
        endpoint: str | None = None,
    ) -> None:
        self._jobs_of = f"projects/{project}/locations/{region}/jobs/{prefix}-"
        self._clock = clock
        self._endpoint = endpoint
        self._client: tuple[asyncio.AbstractEventLoop, CloudSchedulerAsyncClient] | None = None
        self._told: tuple[float, list[ScheduledJob]] | None = None

    async def jobs(self) -> list[ScheduledJob]:
        """See Schedule; at most `REMEMBERED_S` old."""
        now_s = self._clock.monotonic_s()
        if self._told is None or now_s - self._told[0] >= REMEMBERED_S:
            self._told = now_s, list(await asyncio.gather(*map(self._look, JOBS)))
        return list(self._told[1])

    async def pause(self, name: str) -> None:
        """See Schedule."""
        if (await self._look(name)).state != "paused":  # which Cloud Scheduler would refuse
            async with self._asking(name) as client:
                await client.pause_job(name=self._path(name))

    async def resume(self, name: str) -> None:
        """See Schedule."""
        if (await self._look(name)).state != "enabled":  # as above
            async with self._asking(name) as client:
                await client.resume_job(name=self._path(name))

    async def trigger(self, name: str) -> None:
        """See Schedule: returns once the call is on its way."""
        async with self._asking(name) as client:
            await client.run_job(name=self._path(name))

    async def close(self) -> None:
        """See Schedule."""
        if self._client is not None:
            loop, client = self._client
            self._client = None
            if loop is asyncio.get_running_loop():
                await client.transport.close()

    async def _look(self, name: str) -> ScheduledJob:
        path = self._path(name)
        try:
            async with self._asking(name) as client:
                return _shown(name, await client.get_job(name=path))
        except NotFound:
            return ScheduledJob(name, JOBS[name].cron, "missing")

    def _path(self, name: str) -> str:
        if name not in JOBS:
            raise NotFound(f"there is no job {name}; there are {', '.join(JOBS)}")
        return self._jobs_of + name

    @asynccontextmanager
    async def _asking(self, name: str) -> "AsyncIterator[CloudSchedulerAsyncClient]":
        """Gives the client for one call about a job; its errors become ours."""
        from google.api_core import exceptions  # noqa: PLC0415 -- see the class

        self._told = None
        try:
            async with asyncio.timeout(CALL_S):
                yield self._connect()
        except exceptions.NotFound:
            raise NotFound(f"Cloud Scheduler has no job {self._jobs_of}{name}") from None
        except GOOGLE_ERRORS as error:
            needed = "cloudscheduler.jobs.get, .pause, .enable and .run"
            raise unavailable("Cloud Scheduler", error, permission=needed) from None

    def _connect(self) -> "CloudSchedulerAsyncClient":
        loop = asyncio.get_running_loop()
        if self._client is None or self._client[0] is not loop:
            self._client = (loop, _client(self._endpoint))
        return self._client[1]


def _client(endpoint: str | None) -> "CloudSchedulerAsyncClient":
    from google.cloud.scheduler_v1 import CloudSchedulerAsyncClient  # noqa: PLC0415 -- as above

    if endpoint is None:
        return CloudSchedulerAsyncClient()
    import grpc  # type: ignore[import-untyped]  # noqa: PLC0415 -- only for a server of ours

    transport = CloudSchedulerAsyncClient.get_transport_class("grpc_asyncio")
    return CloudSchedulerAsyncClient(
        transport=transport(channel=grpc.aio.insecure_channel(endpoint))
    )


def _shown(name: str, job: "CloudJob") -> ScheduledJob:
    enabled = job.state.name == "ENABLED"
    failed = job.status.code != 0
    return ScheduledJob(
        name,
        job.schedule,
        "enabled" if enabled else "paused",
        _text(job.schedule_time) if enabled else None,
        _text(job.last_attempt_time),
        f"{job.status.code}: {job.status.message}" if failed else "",
    )


def _text(moment: datetime | None) -> str | None:
    return to_text(moment) if moment else None
