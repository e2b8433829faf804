import pytest

from shared.errors import InvalidInput
from shared.messages.monitoring import LogMetrics, StatsQuery
from shared.services import metric_history as module
from shared.services.metric_history import metric_history
from shared.services.monitoring import log_metrics
from tests.support.system import caller, play

ADA = caller("ada", role="admin")


async def log(system, *values, name="latency_ms", model="router"):
    points = [{"model": model, "version": "1", "name": name, "value": one} for one in values]
    await log_metrics(system.deps, ADA, LogMetrics.model_validate({"points": points}), None)


def test_points_of_a_stretch_are_one_with_its_extremes(tmp_path):
    async def scenario(system):
        await log(system, 10.0, 30.0)
        system.clock.advance(1_800)
        await log(system, 5.0)
        (series,) = (await metric_history(system.deps, ADA, StatsQuery(window="1h"))).series
        first, last = series.points
        assert (first.mean, first.low, first.high, first.count) == (20.0, 10.0, 30.0, 2)
        assert (last.mean, last.count) == (5.0, 1)
        assert first.at < last.at

    play(tmp_path, scenario)


def test_series_can_be_chosen(tmp_path):
    async def scenario(system):
        await log(system, 1.0)
        await log(system, 2.0, name="errors")
        await log(system, 3.0, model="other")
        every = await metric_history(system.deps, ADA, StatsQuery())
        assert [(one.name, one.model) for one in every.series] == [
            ("errors", "router"),
            ("latency_ms", "other"),
            ("latency_ms", "router"),
        ]
        query = StatsQuery(name="latency_ms", model="router")
        assert len((await metric_history(system.deps, ADA, query)).series) == 1

    play(tmp_path, scenario)


def test_what_is_older_than_the_window_is_left_out(tmp_path):
    async def scenario(system):
        await log(system, 1.0)
        system.clock.advance(7_200)
        assert (await metric_history(system.deps, ADA, StatsQuery(window="1h"))).series == []
        with pytest.raises(InvalidInput):
            await metric_history(system.deps, ADA, StatsQuery(window="31d"))

    play(tmp_path, scenario)


def test_only_the_newest_points_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_READ", 2)
    monkeypatch.setattr(module, "_PAGE", 2)

    async def scenario(system):
        await log(system, 1.0, 2.0, 3.0)
        found = await metric_history(system.deps, ADA, StatsQuery())
        assert found.truncated
        assert found.series[0].points[0].count == 2

    play(tmp_path, scenario)
