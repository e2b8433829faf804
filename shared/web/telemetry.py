"""What each request leaves behind: a count, its latency, and a log line where it went wrong."""

import json
import logging
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate, pairwise

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition
from prometheus_client.registry import Collector

from shared.domain.traffic import Traffic

REGISTRY = CollectorRegistry()
"""Every metric of this process."""

ProcessCollector(registry=REGISTRY)  # memory, CPU and files of the process, read when asked

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)

_SEVERITY = {
    "WARNING": "WARNING",
    "ERROR": "ERROR",
    "CRITICAL": "CRITICAL",
    "INFO": "INFO",
    "DEBUG": "DEBUG",
}
_line = json.JSONEncoder(default=str).encode
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


Route = tuple[str, str, str]
"""Function, method and path of a route."""


@dataclass(slots=True)
class _Answered:
    """What a route has answered: how often with which status, and in what time."""

    by_status: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    by_bucket: list[int] = field(default_factory=lambda: [0] * (len(_BUCKETS_S) + 1))
    seconds: float = 0.0


_ANSWERED: defaultdict[Route, _Answered] = defaultdict(_Answered)


class RouteMeter:
    """Counts the requests of one route, in plain numbers: what is exported is made when asked."""

    def __init__(self, function: str, method: str, route: str) -> None:
        self._answered = _ANSWERED[function, method, route]

    def observe(self, status: int, seconds: float) -> None:
        """Counts one answer."""
        answered = self._answered
        answered.by_status[status] += 1
        answered.by_bucket[bisect_left(_BUCKETS_S, seconds)] += 1
        answered.seconds += seconds


class _Routes(Collector):
    """Exports what the routes have answered."""

    def collect(self) -> Iterator[Metric]:
        """Returns it as Prometheus has it."""
        labels = ["function", "method", "route"]
        requests = CounterMetricFamily(
            "whetstone_requests", "Requests answered.", labels=[*labels, "status"]
        )
        seconds = HistogramMetricFamily(
            "whetstone_request_seconds", "Time to answer a request, in seconds.", labels=labels
        )
        bounds = [*map(str, map(float, _BUCKETS_S)), "+Inf"]
        for route, answered in _ANSWERED.items():
            for status, count in answered.by_status.items():
                requests.add_metric([*route, str(status)], count)
            cumulated = accumulate(answered.by_bucket)
            buckets = list(zip(bounds, cumulated, strict=True))
            seconds.add_metric(route, buckets, answered.seconds)
        yield requests
        yield seconds


REGISTRY.register(_Routes())

_SEARCHES = Histogram(
    "whetstone_search_seconds",
    "Time to search, in seconds, by the tier that answered and whether anything was found.",
    ["tier", "found"],
    buckets=_BUCKETS_S,
    registry=REGISTRY,
)


def observe_search(tier: str, seconds: float, *, found: bool) -> None:
    """Counts one search by the part of the engine that answered it."""
    _SEARCHES.labels(tier, "yes" if found else "no").observe(seconds)


_INDEX_BYTES = Gauge(
    "whetstone_index_bytes",
    "Size of the largest search index of a workspace, in bytes, at this process's last check.",
    registry=REGISTRY,
)


def observe_index(size_bytes: int) -> None:
    """Keeps how large the largest search index is."""
    _INDEX_BYTES.set(size_bytes)


def route_traffic() -> dict[Route, Traffic]:
    """Returns this process's traffic since its start, by (function, method, route)."""
    bounds = (*_BUCKETS_S, math.inf)
    return {
        route: Traffic(
            sum(answered.by_bucket),
            sum(count for status, count in answered.by_status.items() if status >= 500),
            bounds,
            tuple(answered.by_bucket),
        )
        for route, answered in _ANSWERED.items()
    }


def search_traffic() -> dict[tuple[str, bool], Traffic]:
    """Returns this process's searches since its start, by (tier, whether anything was found)."""
    found: dict[tuple[str, bool], list[tuple[float, int]]] = {}
    for family in _SEARCHES.collect():
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                where = sample.labels["tier"], sample.labels["found"] == "yes"
                bucket = float(sample.labels["le"]), int(sample.value)
                found.setdefault(where, []).append(bucket)
    return {where: _traffic(buckets) for where, buckets in found.items()}


def _traffic(cumulated: list[tuple[float, int]]) -> Traffic:
    """Returns traffic from buckets that each count all requests up to their bound."""
    bounds = tuple(bound for bound, _ in cumulated)
    upto = [0, *(count for _, count in cumulated)]
    counts = tuple(after - before for before, after in pairwise(upto))
    return Traffic(upto[-1], 0, bounds, counts)


def openmetrics() -> tuple[bytes, str]:
    """Returns every metric as OpenMetrics text, and its media type."""
    return exposition.generate_latest(REGISTRY), exposition.CONTENT_TYPE_LATEST


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON in Cloud Logging's layout.

    A static event name, data in fields.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        line: dict[str, object] = {
            "severity": _SEVERITY.get(record.levelname, "DEFAULT"),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({name: value for name, value in record.__dict__.items() if name not in _PLAIN})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _line(line)


def configure_logging(level: str) -> None:
    """Sends every log record as JSON to standard error.

    What no line says is not gathered either: thread, process, and the place in the code.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 -- as its manual has it
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
