"""The local cloud's schedule calls what is due as Cloud Scheduler does, and not what is paused."""

import asyncio

from localcloud import schedule
from localcloud.issuer import IssuerServer
from localcloud.tokens import TokenSource
from shared.messages.events import JOBS
from tests.fakes.http_receiver import HttpReceiver
from tests.support.system import play


def test_a_tick_of_a_paused_job_is_not_called_and_after_it_goes_on_it_is(tmp_path):
    with IssuerServer() as issuer, HttpReceiver() as function:

        async def scenario(system):
            tokens = TokenSource(issuer.url)
            port = int(function.url.rsplit(":", 1)[1].split("/")[0])
            tick = ("sweep", JOBS["sweep"], port, tokens, system.deps)
            await system.deps.schedule.pause("sweep")
            assert await schedule.tick(*tick) is False
            assert function.deliveries == []
            await system.deps.schedule.resume("sweep")
            assert await schedule.tick(*tick) is True

        play(tmp_path, scenario)
        (called,) = function.deliveries
        assert called.headers["Authorization"].startswith("Bearer ey")


def test_a_store_that_does_not_answer_holds_no_job_back(tmp_path, monkeypatch):
    called = []

    async def away(*_):
        raise schedule.WhetstoneError("the store is away")

    async def call(name, *_):
        called.append(name)
        return True

    monkeypatch.setattr(schedule, "is_paused", away)
    monkeypatch.setattr(schedule, "call", call)
    assert asyncio.run(schedule.tick("sweep", JOBS["sweep"], 1, None, None)) is True
    assert called == ["sweep"]
