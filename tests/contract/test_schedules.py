"""Each schedule tells when its jobs run, holds them back, lets them go on, and runs them now."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from shared.adapters.schedule_cloud import REMEMBERED_S, CloudSchedule
from shared.adapters.schedule_store import StoreSchedule
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.records import SYSTEM_WORKSPACE
from shared.errors import NotFound, Unavailable
from shared.messages.events import JOBS
from tests.fakes.clock import ManualClock
from tests.fakes.http_receiver import HttpReceiver
from tests.fakes.scheduler_server import SchedulerServer

pytestmark = pytest.mark.contract


class EmbeddedRig:
    """Switches in a store; a server that takes jobs."""

    def __init__(self, root: Path) -> None:
        self.clock = ManualClock()
        self.store = SqliteStore(root / "schedule.db")
        self.receiver = HttpReceiver()

    async def open(self, stack: AsyncExitStack) -> None:
        url = stack.enter_context(self.receiver).url
        self.schedule = StoreSchedule(self.store, self.clock, url, lambda: "token")
        stack.push_async_callback(self.store.close)
        stack.push_async_callback(self.schedule.close)

    def runs(self) -> list[str]:
        return [one.path for one in self.receiver.deliveries]

    def break_it(self) -> None:
        self.receiver.status = 503


class CloudRig:
    """A server that speaks Cloud Scheduler's API."""

    def __init__(self, root: Path) -> None:
        self.clock = ManualClock()

    async def open(self, stack: AsyncExitStack) -> None:
        self.server = await stack.enter_async_context(SchedulerServer("project", "europe-west1"))
        for name, job in JOBS.items():
            self.server.create(f"whetstone-{name}", job.cron)
        self.schedule = CloudSchedule(
            "project", "europe-west1", self.clock, endpoint=self.server.address
        )
        stack.push_async_callback(self.schedule.close)

    def runs(self) -> list[str]:
        ran = [name for method, name in self.server.calls if method == "RunJob"]
        return [JOBS[name.rpartition("/whetstone-")[2]].path for name in ran]

    def break_it(self) -> None:
        self.server.refuse_with = grpc.StatusCode.PERMISSION_DENIED


RIGS = pytest.mark.parametrize(
    "make", [pytest.param(EmbeddedRig, id="store"), pytest.param(CloudRig, id="cloud")]
)


def play(root: Path, make: Any, scenario: Callable[[Any], Awaitable[None]]) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            rig = make(root)
            await rig.open(stack)
            await scenario(rig)

    asyncio.run(run())


async def retrain(rig: Any) -> Any:
    return next(job for job in await rig.schedule.jobs() if job.name == "retrain")


@RIGS
def test_every_job_is_told_with_its_next_run(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Any) -> None:
        found = await rig.schedule.jobs()
        assert [(one.name, one.cron) for one in found] == [
            (name, job.cron) for name, job in JOBS.items()
        ]
        assert {one.state for one in found} == {"enabled"}
        assert (await retrain(rig)).next_run_at == "2026-01-02T02:00:00.000000Z"
        assert (await retrain(rig)).last_run_at is None

    play(tmp_path, make, scenario)


@RIGS
def test_a_paused_job_has_no_next_run_until_it_is_resumed(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Any) -> None:
        for _ in range(2):
            await rig.schedule.pause("retrain")
            held = await retrain(rig)
            assert (held.state, held.next_run_at) == ("paused", None)
        others = [job for job in await rig.schedule.jobs() if job.name != "retrain"]
        assert {job.state for job in others} == {"enabled"}
        for _ in range(2):
            await rig.schedule.resume("retrain")
            goes_on = await retrain(rig)
            assert goes_on.state == "enabled"
            assert goes_on.next_run_at == "2026-01-02T02:00:00.000000Z"

    play(tmp_path, make, scenario)


@RIGS
def test_a_job_runs_now_also_where_it_is_paused(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Any) -> None:
        await rig.schedule.trigger("sweep")
        await rig.schedule.pause("retrain")
        await rig.schedule.trigger("retrain")
        assert rig.runs() == ["/jobs/sweep", "/jobs/retrain"]
        assert (await retrain(rig)).state == "paused"

    play(tmp_path, make, scenario)


@RIGS
@pytest.mark.parametrize("verb", ["pause", "resume", "trigger"])
def test_a_job_that_is_none_is_not_found(tmp_path: Path, make: Any, verb: str) -> None:
    async def scenario(rig: Any) -> None:
        with pytest.raises(NotFound, match="retrain"):
            await getattr(rig.schedule, verb)("nothing")

    play(tmp_path, make, scenario)


@RIGS
def test_what_does_not_answer_is_unavailable(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Any) -> None:
        rig.break_it()
        with pytest.raises(Unavailable):
            await rig.schedule.trigger("sweep")

    play(tmp_path, make, scenario)


# --- the embedded one -----------------------------------------------------------------------------


def test_a_switch_is_audited_once_and_outlives_the_process(tmp_path: Path) -> None:
    async def throw(rig: EmbeddedRig) -> None:
        await rig.schedule.pause("sweep")
        await rig.schedule.pause("sweep")

    async def look(rig: EmbeddedRig) -> None:
        sweep = (await rig.schedule.jobs())[1]
        assert (sweep.name, sweep.state) == ("sweep", "paused")
        await rig.schedule.resume("sweep")
        page = await rig.store.audit_page(SYSTEM_WORKSPACE)
        actions = [(one.actor, one.action, one.subject) for one in page.items]
        assert actions == [
            ("operator", "schedule.resumed", "sweep"),
            ("operator", "schedule.paused", "sweep"),
        ]

    play(tmp_path, EmbeddedRig, throw)
    play(tmp_path, EmbeddedRig, look)


def test_a_job_is_called_with_the_systems_token(tmp_path: Path) -> None:
    async def scenario(rig: EmbeddedRig) -> None:
        await rig.schedule.trigger("check")
        (call,) = rig.receiver.deliveries
        assert (call.path, call.headers["Authorization"]) == ("/jobs/check", "Bearer token")

    play(tmp_path, EmbeddedRig, scenario)


# --- Cloud Scheduler ------------------------------------------------------------------------------


def test_a_job_that_cloud_scheduler_lacks_is_told_as_missing(tmp_path: Path) -> None:
    async def scenario(rig: CloudRig) -> None:
        del rig.server.jobs["projects/project/locations/europe-west1/jobs/whetstone-retrain"]
        gone = await retrain(rig)
        assert (gone.state, gone.next_run_at) == ("missing", None)
        with pytest.raises(NotFound, match="whetstone-retrain"):
            await rig.schedule.pause("retrain")

    play(tmp_path, CloudRig, scenario)


def test_what_cloud_scheduler_says_of_the_last_run_is_told(tmp_path: Path) -> None:
    async def scenario(rig: CloudRig) -> None:
        rig.server.fail_last("whetstone-retrain", 14, "UNAVAILABLE")
        failed = await retrain(rig)
        assert failed.last_run_at == "2026-01-01T12:00:00.000000Z"
        assert failed.last_error == "14: UNAVAILABLE"

    play(tmp_path, CloudRig, scenario)


def test_cloud_scheduler_is_asked_again_only_when_its_answer_is_old(tmp_path: Path) -> None:
    async def scenario(rig: CloudRig) -> None:
        await retrain(rig)
        asked = len(rig.server.calls)
        rig.clock.advance(REMEMBERED_S - 1)
        await retrain(rig)
        assert len(rig.server.calls) == asked
        rig.clock.advance(1)
        await retrain(rig)
        assert len(rig.server.calls) == 2 * asked

    play(tmp_path, CloudRig, scenario)


def test_a_refusal_names_the_permission(tmp_path: Path) -> None:
    async def scenario(rig: CloudRig) -> None:
        rig.break_it()
        with pytest.raises(Unavailable, match=r"cloudscheduler\.jobs"):
            await rig.schedule.jobs()

    play(tmp_path, CloudRig, scenario)


def test_a_job_that_cloud_scheduler_has_disabled_is_not_told_as_enabled(tmp_path: Path) -> None:
    async def scenario(rig: CloudRig) -> None:
        (name,) = [one for one in rig.server.jobs if one.endswith("-retrain")]
        rig.server.jobs[name].state = type(rig.server.jobs[name]).State.DISABLED
        assert (await retrain(rig)).state == "paused"
        with pytest.raises(Unavailable):
            await rig.schedule.resume("retrain")

    play(tmp_path, CloudRig, scenario)


def test_without_credentials_cloud_scheduler_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))

    async def scenario() -> None:
        with pytest.raises(Unavailable, match="credentials"):
            await CloudSchedule("project", "region", ManualClock()).jobs()

    asyncio.run(scenario())


def test_cloud_scheduler_answers_another_event_loop_as_well() -> None:
    clock = ManualClock()
    schedules = []

    async def once() -> None:
        async with SchedulerServer("project", "region") as server:
            server.create("mine-sweep", "* * * * *")
            if not schedules:
                made = CloudSchedule(
                    "project", "region", clock, prefix="mine", endpoint=server.address
                )
                schedules.append(made)
            schedules[0]._endpoint = server.address
            await schedules[0].trigger("sweep")
            assert [method for method, _ in server.calls] == ["RunJob"]

    asyncio.run(once())
    asyncio.run(once())
