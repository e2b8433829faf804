"""What each request leaves behind: a count, its latency, and a log line where it went wrong."""

import json
import logging
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.openmetrics import exposition
from prometheus_client.samples import Sample

from shared.domain.traffic import Traffic

K = TypeVar("K", bound=Hashable)

REGISTRY = CollectorRegistry()
"""Every metric of this process."""

ProcessCollector(registry=REGISTRY)  # memory, CPU and files of the process, read when asked

_REQUESTS = Counter(
    "whetstone_requests",
    "Requests answered.",
    ["function", "method", "route", "status"],
    registry=REGISTRY,
)
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)

_SECONDS = Histogram(
    "whetstone_request_seconds",
    "Time to answer a request, in seconds.",
    ["function", "method", "route"],
    buckets=_BUCKETS_S,
    registry=REGISTRY,
)

_SEVERITY = {
    "WARNING": "WARNING",
    "ERROR": "ERROR",
    "CRITICAL": "CRITICAL",
    "INFO": "INFO",
    "DEBUG": "DEBUG",
}
_line = json.JSONEncoder(default=str).encode
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class RouteMeter:
    """Counts the requests of one route."""

    def __init__(self, function: str, method: str, route: str) -> None:
        self._labels = (function, method, route)
        self._seconds = _SECONDS.labels(*self._labels)
        self._counts: dict[int, Counter] = {}

    def observe(self, status: int, seconds: float) -> None:
        """Counts one answer."""
        count = self._counts.get(status)
        if count is None:
            count = self._counts[status] = _REQUESTS.labels(*self._labels, str(status))
        count.inc()
        self._seconds.observe(seconds)


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


def route_traffic() -> dict[tuple[str, str, str], Traffic]:
    """Returns this process's traffic since its start, by (function, method, route)."""
    errors: dict[tuple[str, str, str], int] = {}
    for sample in _samples(_REQUESTS, "_total"):
        if sample.labels["status"].startswith("5"):
            where = _route(sample.labels)
            errors[where] = errors.get(where, 0) + int(sample.value)
    return {
        where: _traffic(buckets, errors.get(where, 0))
        for where, buckets in _buckets(_SECONDS, _route).items()
    }


def search_traffic() -> dict[tuple[str, bool], Traffic]:
    """Returns this process's searches since its start, by (tier, whether anything was found)."""
    found = _buckets(_SEARCHES, lambda labels: (labels["tier"], labels["found"] == "yes"))
    return {where: _traffic(buckets, 0) for where, buckets in found.items()}


def _route(labels: Mapping[str, str]) -> tuple[str, str, str]:
    return labels["function"], labels["method"], labels["route"]


def _samples(metric: Counter | Histogram, suffix: str) -> list[Sample]:
    return [
        sample
        for family in metric.collect()
        for sample in family.samples
        if sample.name.endswith(suffix)
    ]


def _buckets(
    metric: Histogram, key: Callable[[Mapping[str, str]], K]
) -> dict[K, list[tuple[float, int]]]:
    found: dict[K, list[tuple[float, int]]] = {}
    for sample in _samples(metric, "_bucket"):
        bound = float(sample.labels["le"])
        found.setdefault(key(sample.labels), []).append((bound, int(sample.value)))
    return found


def _traffic(cumulated: list[tuple[float, int]], errors: int) -> Traffic:
    """Returns traffic from buckets that each count all requests up to their bound."""
    bounds = tuple(bound for bound, _ in cumulated)
    upto = [0, *(count for _, count in cumulated)]
    counts = tuple(after - before for before, after in pairwise(upto))
    return Traffic(upto[-1], errors, bounds, counts)


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
