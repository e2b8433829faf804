"""Cloud Monitoring's `timeSeries.list` for tests, over HTTP, in the API's own form.

Each revision has rates; what it did in an interval is their product with its seconds, so answers
are the same however often they are asked for.
"""

import json
import re
import threading
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

EXPONENTIAL = {"numFiniteBuckets": 20, "growthFactor": 2, "scale": 1}


@dataclass(frozen=True)
class Behaviour:
    """What a revision does each second; `slow` and `errors` are shares of its requests."""

    requests: float = 9.0
    errors: float = 0.001
    slow: float = 0.008
    ratings: tuple[float, float, float, float, float] = (0.002, 0.004, 0.012, 0.036, 0.046)


class MonitoringServer:
    """Serves the series of the revisions that `behaves` has; others have none."""

    def __init__(self, behaves: dict[str, Behaviour]) -> None:
        self.behaves, self.queries, self.fails = behaves, [], False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = {name: one[0] for name, one in parse_qs(urlsplit(self.path).query).items()}
                outer.queries.append(query)
                allowed = self.headers["Authorization"] == "Bearer ya29.stub"
                status = 503 if outer.fails else 200 if allowed else 401
                body = json.dumps(outer._answer(query)).encode() if status == 200 else b"{}"
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, query: dict[str, str]) -> dict[str, Any]:
        start, end = (
            datetime.fromisoformat(query[f"interval.{name}Time"]) for name in ("start", "end")
        )
        seconds = (end - start).total_seconds()
        named = re.search(r'(?:revision_name|routed_by)="([^"]+)"', query["filter"])
        one = self.behaves.get(named[1]) if named else None
        if one is None or seconds <= 0:
            return {}
        n = round(one.requests * seconds)
        if "request_count" in query["filter"]:
            bad = round(n * one.errors)
            return {"timeSeries": [self._counted("2xx", n - bad), self._counted("5xx", bad)]}
        if "request_latencies" in query["filter"]:
            slow = round(n * one.slow)
            counts = [0, 0, 0, 0, 0, 0, n - slow, 0, 0, 0, slow]  # 32..64 ms, and 512..1024 ms
            return {"timeSeries": [self._distributed({"exponentialBuckets": EXPONENTIAL}, counts)]}
        counts = [0, *(round(rate * seconds) for rate in one.ratings)]
        options = {"explicitBuckets": {"bounds": [1, 2, 3, 4, 5]}}
        return {"timeSeries": [self._distributed(options, counts)]}

    @staticmethod
    def _counted(kind: str, n: int) -> dict[str, Any]:
        labels = {"labels": {"response_code_class": kind}}
        return {"metric": labels, "points": [{"value": {"int64Value": str(n)}}]}

    @staticmethod
    def _distributed(options: dict[str, Any], counts: list[int]) -> dict[str, Any]:
        value = {
            "count": str(sum(counts)),
            "bucketOptions": options,
            "bucketCounts": [str(one) for one in counts],
        }
        return {"points": [{"value": {"distributionValue": value}}]}
