"""Measurements over time: the points of a window, summed up by stretch. Writes nothing."""

import asyncio
from collections import defaultdict

from shared.domain.access import Caller
from shared.domain.buckets import bucket_of, step_for
from shared.domain.operations import METRIC_POINTS, MetricPoint
from shared.domain.records import Filter, Order
from shared.domain.times import Timestamp, plus, second_text
from shared.errors import InvalidInput
from shared.messages.monitoring import StatsQuery
from shared.messages.watching import MetricHistory, MetricPointView, MetricSeries
from shared.services.deps import Deps

MAX_READ = 5_000
"""Measurements that one answer reads, at most; the newest count."""

BUCKETS = 60
_PAGE = 500
_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400}
_LONGEST_S = 30 * 86_400


async def metric_history(deps: Deps, caller: Caller, query: StatsQuery) -> MetricHistory:
    """Returns each series within the window over time, in order of name, model and version.

    Raises:
        InvalidInput: the window is longer than 30 days.
    """
    seconds = int(query.window[:-1]) * _UNITS_S[query.window[-1]]
    if seconds > _LONGEST_S:
        raise InvalidInput.field("?window", "must be at most 30d")
    since = plus(deps.clock.now_text(), -seconds)
    points, truncated = await _newest(deps, caller.workspace, query, since)
    step = step_for(points[-1].at, points[0].at, BUCKETS) if points else 1
    groups: dict[tuple[str, str, str], dict[int, list[float]]] = defaultdict(dict)
    for one in points:
        series = groups[one.name, one.model, one.model_version]
        series.setdefault(bucket_of(one.at, step), []).append(one.value)
    return MetricHistory(
        window=query.window,
        step_s=step,
        truncated=truncated,
        series=[_series(key, groups[key], step) for key in sorted(groups)],
    )


def _series(key: tuple[str, str, str], buckets: dict[int, list[float]], step: int) -> MetricSeries:
    name, model, version = key
    points = [
        MetricPointView(
            at=second_text(number * step),
            mean=sum(values) / len(values),
            low=min(values),
            high=max(values),
            count=len(values),
        )
        for number, values in sorted(buckets.items())
    ]
    return MetricSeries(name=name, model=model, version=version, points=points)


async def _newest(
    deps: Deps, workspace: str, query: StatsQuery, since: Timestamp
) -> tuple[list[MetricPoint], bool]:
    filters = [Filter("at", ">=", since)]
    filters += [
        Filter(field, "==", value)
        for field, value in (("name", query.name), ("model", query.model))
        if value is not None
    ]
    points: list[MetricPoint] = []
    cursor: str | None = None
    while len(points) < MAX_READ:
        page = await deps.store.find(
            workspace,
            METRIC_POINTS,
            *filters,
            order=Order("at", descending=True),
            limit=_PAGE,
            cursor=cursor,
        )
        points += page.items
        cursor = page.next_cursor
        if cursor is None:
            return points, False
        await asyncio.sleep(0)
    return points, True
