"""What each request leaves behind: a count, its latency, and one JSON log line where something went wrong."""

import json
import logging
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.openmetrics import exposition

REGISTRY = CollectorRegistry()
"""Every metric of this process."""

_REQUESTS = Counter(
    "whetstone_requests", "Requests answered.", ["function", "method", "route", "status"], registry=REGISTRY
)
_SECONDS = Histogram(
    "whetstone_request_seconds",
    "Time to answer a request, in seconds.",
    ["function", "method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
    registry=REGISTRY,
)

_SEVERITY = {"WARNING": "WARNING", "ERROR": "ERROR", "CRITICAL": "CRITICAL", "INFO": "INFO", "DEBUG": "DEBUG"}
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


def openmetrics() -> tuple[bytes, str]:
    """Returns every metric as OpenMetrics text, and its media type."""
    return exposition.generate_latest(REGISTRY), exposition.CONTENT_TYPE_LATEST


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON in Cloud Logging's layout: a static event name, data in fields."""

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
        return json.dumps(line, default=str)


def configure_logging(level: str) -> None:
    """Sends every log record as JSON to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
