"""The schedule: each tick once, missed ones only where the job catches up."""

import asyncio
import logging
import multiprocessing
from datetime import UTC, datetime

import pytest

from shared.adapters.schedule_inprocess import JobCaller, latest_tick, next_tick
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.operations import TICKS
from shared.domain.records import SYSTEM_WORKSPACE, Filter, Order
from shared.errors import InvalidInput, Unavailable
from shared.messages.events import JOBS, Job
from shared.services import scheduling
from tests.support.system import System, play

NIGHTLY = Job("retrain", "/jobs/retrain", "0 2 * * *", catch_up=True)
MINUTELY = Job("monitor", "/jobs/sweep", "* * * * *")
BOTH = {"retrain": NIGHTLY, "sweep": MINUTELY}


def at(day, hour, minute=0, second=0):
    return datetime(2026, 1, day, hour, minute, second, tzinfo=UTC)


async def due(system, jobs=BOTH, busy=()):
    found = await scheduling.take_due(system.deps, jobs, latest_tick, busy)
    return [(one.name, one.tick[:16]) for one in found]


def test_a_job_seen_for_the_first_time_starts_with_its_next_tick(tmp_path):
    async def scenario(system):
        assert await due(system) == []
        system.clock.advance(60)
        assert await due(system) == [("sweep", "2026-01-01T12:01")]

    play(tmp_path, scenario)


def test_a_tick_is_taken_once_and_the_next_one_again(tmp_path):
    async def scenario(system):
        await due(system)
        system.clock.set_time(at(1, 12, 1, 5))
        assert len(await due(system)) == 1
        assert await due(system) == []
        system.clock.set_time(at(1, 12, 2))
        assert await due(system) == [("sweep", "2026-01-01T12:02")]

    play(tmp_path, scenario)


def test_after_a_pause_only_jobs_that_catch_up_run_and_once(tmp_path):
    async def scenario(system):
        await due(system)
        system.clock.set_time(at(5, 9, 30, 59))
        hourly = {**BOTH, "hourly": Job("monitor", "/x", "0 * * * *")}
        assert await due(system, {"hourly": hourly["hourly"]}) == []
        system.clock.set_time(at(5, 14, 30))
        names = await due(system, hourly)
        assert names == [("retrain", "2026-01-05T02:00"), ("sweep", "2026-01-05T14:30")]
        assert await due(system, hourly) == []

    play(tmp_path, scenario)


def test_a_clock_that_was_set_back_runs_nothing_twice(tmp_path):
    async def scenario(system):
        await due(system)
        system.clock.set_time(at(1, 12, 10))
        assert len(await due(system)) == 1
        system.clock.set_time(at(1, 12, 5))
        assert await due(system) == []

    play(tmp_path, scenario)


def test_a_busy_job_keeps_its_tick(tmp_path):
    async def scenario(system):
        await due(system)
        system.clock.advance(60)
        assert await due(system, busy=("sweep",)) == []
        assert len(await due(system)) == 1

    play(tmp_path, scenario)


def _race(root, seed, start, results):
    async def run():
        async with System(root, seed=seed) as system:
            system.clock.set_time(at(2, 2, 0, 1))
            start.wait(20)
            taken = []
            for minute in range(60):
                system.clock.set_time(at(2, 2, minute, 1))
                taken += await due(system)
            results.put(taken)

    asyncio.run(run())


def test_two_racing_processes_take_each_tick_once(tmp_path):
    async def first_look(system):
        system.clock.set_time(at(2, 1, 59))
        await due(system)

    play(tmp_path, first_look)
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(2), context.Queue()
    workers = [
        context.Process(target=_race, args=(tmp_path, seed, start, results)) for seed in (1, 2)
    ]
    for worker in workers:
        worker.start()
    taken = results.get(timeout=30) + results.get(timeout=30)
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    expected = [("retrain", "2026-01-02T02:00")]
    expected += [("sweep", f"2026-01-02T02:{minute:02d}") for minute in range(60)]
    assert len(set(taken)) == len(taken), "a tick ran twice"
    assert set(taken) <= set(expected)
    assert ("retrain", "2026-01-02T02:00") in taken
    assert ("sweep", "2026-01-02T02:59") in taken

    async def look():
        store = SqliteStore(tmp_path / "whetstone.db")
        order = Order("taken_at")
        page = await store.find(
            SYSTEM_WORKSPACE, TICKS, Filter("job", "==", "sweep"), order=order, limit=500
        )
        await store.close()
        return {one.id for one in page.items}

    assert len(asyncio.run(look())) == len([one for one in taken if one[0] == "sweep"]) + 1


class Calls:
    def __init__(self):
        self.names = []
        self.release = asyncio.Event()
        self.started = asyncio.Event()

    async def __call__(self, job):
        self.names.append(job.path)
        self.started.set()
        if job.path == "/fails":
            raise Unavailable("no")
        await self.release.wait()


def schedule(system, jobs, call):
    return scheduling.Schedule(system.deps, jobs, call, latest_tick, next_tick)


def test_a_job_that_still_runs_is_not_started_again_and_holds_up_no_other(tmp_path):
    async def scenario(system):
        calls = Calls()
        one = schedule(system, {"slow": Job("monitor", "/slow", "* * * * *")}, calls)
        await one.start_due()
        system.clock.advance(60)
        (task,) = await one.start_due()
        system.clock.advance(60)
        await asyncio.sleep(0)
        assert await one.start_due() == []
        calls.release.set()
        await task
        await asyncio.sleep(0)
        (again,) = await one.start_due()
        await again
        assert calls.names == ["/slow", "/slow"]

    play(tmp_path, scenario)


def test_a_failing_job_is_logged_and_the_schedule_goes_on(tmp_path, caplog):
    async def scenario(system):
        calls = Calls()
        one = schedule(system, {"fails": Job("monitor", "/fails", "* * * * *")}, calls)
        await one.start_due()
        for _ in range(2):
            system.clock.advance(60)
            (task,) = await one.start_due()
            await task
            await asyncio.sleep(0)
        assert calls.names == ["/fails", "/fails"]
        assert [one.message for one in caplog.records].count("job.failed") == 2

    play(tmp_path, scenario)


def test_a_store_that_is_away_does_not_end_the_schedule(tmp_path, caplog):
    async def scenario(system):
        one = schedule(system, {"bad": Job("monitor", "/x", "not cron")}, Calls())
        assert await one.start_due() == []
        assert "schedule.failed" in [one.message for one in caplog.records]

    play(tmp_path, scenario)


def test_the_loop_runs_until_it_is_stopped_and_cuts_off_what_runs(tmp_path):
    async def scenario(system):
        calls = Calls()
        one = schedule(system, {"slow": Job("monitor", "/slow", "* * * * *")}, calls)
        await one.start_due()
        system.clock.set_time(at(1, 12, 1, 0))
        stop = asyncio.Event()
        running = asyncio.create_task(one.run(stop))
        await asyncio.wait_for(calls.started.wait(), 5)
        stop.set()
        await asyncio.wait_for(running, 5)
        assert calls.names == ["/slow"]
        assert one._running == {}

    play(tmp_path, scenario)


def test_ticks_follow_cron_syntax_in_utc():
    assert latest_tick("*/5 * * * *", at(1, 12, 0)) == at(1, 12, 0)
    assert latest_tick("*/5 * * * *", at(1, 12, 4, 59)) == at(1, 12, 0)
    assert next_tick("*/5 * * * *", at(1, 12, 0)) == at(1, 12, 5)
    assert latest_tick("0 2 * * *", at(2, 1, 59)) == at(1, 2, 0)
    for job in JOBS.values():
        assert latest_tick(job.cron, at(2, 3)) <= at(2, 3) < next_tick(job.cron, at(2, 3))


@pytest.mark.parametrize("cron", ["", "* * * *", "61 * * * *", "every day", "0 0 30 2 *"])
def test_what_is_no_cron_expression_is_refused(cron):
    with pytest.raises(InvalidInput):
        next_tick(cron, at(1, 1))


def test_a_job_is_called_with_a_system_token_in_process(tmp_path, caplog):
    logging.getLogger("httpx").filters.clear()  # as where nothing has called out before
    caplog.set_level(logging.INFO)

    async def scenario(system):
        seen = []

        async def app(scope, receive, send):
            seen.append((scope["method"], scope["path"], dict(scope["headers"])[b"authorization"]))
            status = 200 if scope["path"] == "/jobs/sweep" else 503
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        call = JobCaller(app, lambda: "token")
        await call(MINUTELY)
        assert seen == [("POST", "/jobs/sweep", b"Bearer token")]
        with pytest.raises(Unavailable, match="/jobs/retrain answered 503"):
            await call(NIGHTLY)

    play(tmp_path, scenario)
    assert [one for one in caplog.records if one.name == "httpx"] == []


def test_jobs_that_catch_up_are_those_that_would_be_missed():
    assert {name for name, job in JOBS.items() if job.catch_up} == {"retrain"}


def test_the_ticks_of_a_paused_job_pass_and_are_not_made_up_for(tmp_path):
    async def scenario(system):
        await due(system)
        await system.deps.schedule.pause("retrain")
        system.clock.set_time(at(2, 2, 0, 1))
        assert [name for name, _ in await due(system)] == ["sweep"]
        await system.deps.schedule.resume("retrain")
        assert await due(system) == []
        system.clock.set_time(at(3, 2, 0, 1))
        assert [name for name, _ in await due(system)] == ["retrain", "sweep"]

    play(tmp_path, scenario)
