"""A local server that speaks Cloud Scheduler's API, keeps the state of its jobs and checks names.

    async with SchedulerServer("project", "region") as server:
        server.create("whetstone-retrain", "0 2 * * *")
        ... CloudSchedule("project", "region", clock, endpoint=server.address) ...

Pausing takes the next run away and resuming gives it back, as Google's does; like that, it refuses
to pause what is not enabled and to resume what is not paused.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Self

import grpc
from google.cloud.scheduler_v1 import types
from google.rpc.status_pb2 import Status

from shared.adapters.schedule_inprocess import next_tick
from tests.fakes.clock import START

SERVICE = "google.cloud.scheduler.v1.CloudScheduler"
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")


class SchedulerServer:
    """Serves the jobs of one project and region; `calls` are the methods and jobs asked for.

    `refuse_with` is a status that every call gets instead of an answer.
    """

    def __init__(self, project: str, region: str, now: datetime = START) -> None:
        self.parent = f"projects/{project}/locations/{region}"
        self.now = now
        self.jobs: dict[str, types.Job] = {}
        self.calls: list[tuple[str, str]] = []
        self.refuse_with: grpc.StatusCode | None = None

    def create(self, job_id: str, cron: str) -> None:
        name = f"{self.parent}/jobs/{job_id}"
        self.jobs[name] = types.Job(
            name=name,
            schedule=cron,
            time_zone="Etc/UTC",
            state=types.Job.State.ENABLED,
            schedule_time=next_tick(cron, self.now),
        )

    def fail_last(self, job_id: str, code: int, message: str) -> None:
        job = self.jobs[f"{self.parent}/jobs/{job_id}"]
        job.last_attempt_time = self.now
        job.status = Status(code=code, message=message)

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server()
        methods = {
            "GetJob": self._method("GetJob", types.GetJobRequest, lambda job: None),
            "PauseJob": self._method(
                "PauseJob", types.PauseJobRequest, self._pause, types.Job.State.ENABLED
            ),
            "ResumeJob": self._method(
                "ResumeJob", types.ResumeJobRequest, self._resume, types.Job.State.PAUSED
            ),
            "RunJob": self._method("RunJob", types.RunJobRequest, self._run),
        }
        handler = grpc.method_handlers_generic_handler(SERVICE, methods)
        self._server.add_generic_rpc_handlers((handler,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)

    def _pause(self, job: types.Job) -> None:
        job.state = types.Job.State.PAUSED
        job.schedule_time = None

    def _resume(self, job: types.Job) -> None:
        job.state = types.Job.State.ENABLED
        job.schedule_time = next_tick(job.schedule, self.now)

    def _run(self, job: types.Job) -> None:
        job.last_attempt_time = self.now
        job.status = Status()

    def _method(
        self,
        method: str,
        request: Any,
        change: Callable[[types.Job], None],
        only_from: types.Job.State | None = None,
    ) -> Any:
        async def answer(asked: Any, context: Any) -> types.Job:
            self.calls.append((method, asked.name))
            if self.refuse_with is not None:
                await context.abort(self.refuse_with, "refused")
            parent, found, job_id = asked.name.rpartition("/jobs/")
            if not found or parent != self.parent or not _JOB_ID.fullmatch(job_id):
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"bad name {asked.name}")
            if asked.name not in self.jobs:
                await context.abort(grpc.StatusCode.NOT_FOUND, "Job not found.")
            if only_from is not None and self.jobs[asked.name].state != only_from:
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not in that state")
            change(self.jobs[asked.name])
            return self.jobs[asked.name]

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=request.deserialize,
            response_serializer=types.Job.serialize,
        )
