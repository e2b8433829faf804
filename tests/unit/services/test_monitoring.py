"""Measurements that are logged, whatever becomes of the request."""

from shared.domain.access import IdempotencyKey
from shared.errors import Unavailable
from shared.messages.monitoring import LogMetrics, StatsQuery
from shared.services import monitoring
from tests.support.system import caller, play

WRITER = caller("key:writer", scopes=("monitor",))
POINT = {"model": "router", "version": "1", "name": "latency_ms", "value": 3.0}
MANY = LogMetrics.model_validate({"points": [POINT] * 450})
"""More than one transaction takes."""


async def log(system):
    return await monitoring.log_metrics(system.deps, WRITER, MANY, IdempotencyKey("k", "f"))


async def counted(system, window):
    found = await monitoring.metric_stats(system.deps, WRITER, StatsQuery(window=window))
    return found.points


def test_a_repeated_request_leaves_its_measurements_when_they_were(tmp_path):
    async def scenario(system):
        first = await log(system)
        system.clock.advance(3_600)
        assert await log(system) == first
        assert await counted(system, "30m") == 0
        assert await counted(system, "2h") == 450

    play(tmp_path, scenario)


def test_a_request_that_was_cut_short_is_completed_when_it_is_repeated(tmp_path):
    async def scenario(system):
        plain, left = system.store.transact, 1

        async def cut(workspace, work):
            nonlocal left
            if left == 0:
                raise Unavailable("the store cannot write now; try again")
            left -= 1
            return await plain(workspace, work)

        system.store.transact = cut
        try:
            await log(system)
        except Unavailable:
            system.store.transact = plain
        assert await counted(system, "1h") == 400
        assert (await log(system)).accepted == 450
        assert await counted(system, "1h") == 450

    play(tmp_path, scenario)
