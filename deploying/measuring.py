"""What the revisions did: a small port, and its adapter over Cloud Monitoring's REST API.

Requests and latencies are Cloud Run's own (`run.googleapis.com/request_count` and
`request_latencies`, by `revision_name`). Ratings are counted from the log line `feedback.rated`,
which names the revision that made the routing decision (terraform/canary.tf has the metric). Times
are those at which the requests ended; figures are complete some three minutes later.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import httpx

from deploying.console import DeployError
from deploying.judging import Ratings
from shared.domain.traffic import Traffic

API = "https://monitoring.googleapis.com"
LAG_S = 240.0
"""Seconds after which Cloud Monitoring has what happened: sampled each minute, then visible up to
three minutes later."""

_LEAST_PERIOD_S = 60
_TIMEOUT_S = 30.0
_SCORES = (1, 2, 3, 4, 5)


class Measurements(Protocol):
    """What is known of a revision."""

    def traffic(self, service: str, revision: str, since: datetime, until: datetime) -> Traffic:
        """Returns the requests of a revision in [since, until).

        Raises:
            DeployError: it cannot be asked.
        """

    def ratings(self, revision: str, since: datetime, until: datetime) -> Ratings:
        """Returns the ratings in [since, until) of what a revision routed. Raises as `traffic`."""


@dataclass(frozen=True, slots=True)
class CloudMonitoring:
    """Reads Cloud Monitoring.

    Args:
        project: the project's id.
        name: what the names of all resources begin with.
        token: returns an access token that is good now.
        http: the client.
        api: where the API is.
    """

    project: str
    name: str
    token: Callable[[], str]
    http: httpx.Client
    api: str = API

    def traffic(self, service: str, revision: str, since: datetime, until: datetime) -> Traffic:
        """See `Measurements.traffic`."""
        where = (
            'resource.type="cloud_run_revision"'
            f' AND resource.labels.service_name="{service}"'
            f' AND resource.labels.revision_name="{revision}"'
        )
        counted = 'metric.type="run.googleapis.com/request_count" AND ' + where
        by_class = {"aggregation.groupByFields": "metric.labels.response_code_class"}
        requests = errors = 0
        for series in self._series(counted, since, until, by_class):
            n = sum(int(one["value"]["int64Value"]) for one in series["points"])
            requests += n
            if series.get("metric", {}).get("labels", {}).get("response_code_class") == "5xx":
                errors += n
        timed = 'metric.type="run.googleapis.com/request_latencies" AND ' + where
        bounds, counts = _summed(self._series(timed, since, until))
        in_seconds = tuple(bound / 1000 for bound in bounds)
        return Traffic(requests, errors, in_seconds, counts)

    def ratings(self, revision: str, since: datetime, until: datetime) -> Ratings:
        """See `Measurements.ratings`."""
        rated = (
            f'metric.type="logging.googleapis.com/user/{self.name}/feedback_quality"'
            ' AND resource.type="cloud_run_revision"'
            f' AND metric.labels.routed_by="{revision}"'
        )
        bounds, counts = _summed(self._series(rated, since, until))
        by_score = dict.fromkeys(_SCORES, 0)
        for lower, count in zip((0.0, *bounds), counts, strict=False):
            if count:
                by_score[max(1, min(5, round(lower)))] += count
        return Ratings((by_score[1], by_score[2], by_score[3], by_score[4], by_score[5]))

    def _series(
        self,
        wanted: str,
        since: datetime,
        until: datetime,
        more: Mapping[str, str] | None = None,
    ) -> Iterable[Mapping[str, Any]]:
        period = max(_LEAST_PERIOD_S, round((until - since).total_seconds()))
        query = {
            "filter": wanted,
            "interval.startTime": _text(since),
            "interval.endTime": _text(until),
            "aggregation.alignmentPeriod": f"{period}s",
            "aggregation.perSeriesAligner": "ALIGN_DELTA",
            "aggregation.crossSeriesReducer": "REDUCE_SUM",
            **(more or {}),
        }
        while True:
            answer = self._get(query)
            yield from answer.get("timeSeries", [])
            if not answer.get("nextPageToken"):
                return
            query["pageToken"] = answer["nextPageToken"]

    def _get(self, query: Mapping[str, str]) -> dict[str, Any]:
        url = f"{self.api}/v3/projects/{self.project}/timeSeries"
        headers = {"Authorization": f"Bearer {self.token()}"}
        try:
            answer = self.http.get(url, params=query, headers=headers, timeout=_TIMEOUT_S)
        except httpx.HTTPError as error:
            raise DeployError(f"Cloud Monitoring does not answer: {error}") from None
        if not answer.is_success:
            said = f"{answer.status_code}: {answer.text[:400]}"
            raise DeployError(f"Cloud Monitoring answered {said}")
        return dict(answer.json())


def upper_bounds(options: Mapping[str, Any]) -> tuple[float, ...]:
    """Returns the upper bounds of a distribution's buckets, the last one infinite.

    `BucketOptions` of the API: linear, exponential or explicit.

    Raises:
        DeployError: they are of another kind.
    """
    if linear := options.get("linearBuckets"):
        start, width = float(linear.get("offset", 0)), float(linear["width"])
        finite = [start + width * i for i in range(int(linear["numFiniteBuckets"]) + 1)]
    elif growing := options.get("exponentialBuckets"):
        scale, factor = float(growing["scale"]), float(growing["growthFactor"])
        finite = [scale * factor**i for i in range(int(growing["numFiniteBuckets"]) + 1)]
    elif "explicitBuckets" in options:
        finite = [float(bound) for bound in options["explicitBuckets"]["bounds"]]
    else:
        raise DeployError(f"Cloud Monitoring has buckets of an unknown kind: {sorted(options)}")
    return (*finite, math.inf)


def _summed(
    found: Iterable[Mapping[str, Any]],
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Returns bounds and counts of all points together; both empty where there are none."""
    bounds: tuple[float, ...] = ()
    counts: list[int] = []
    for series in found:
        for point in series["points"]:
            value = point["value"].get("distributionValue", {})
            if not int(value.get("count", 0)):
                continue
            mine = upper_bounds(value["bucketOptions"])
            if bounds and mine != bounds:
                raise DeployError("Cloud Monitoring has two kinds of buckets for one metric")
            bounds, counts = mine, counts or [0] * len(mine)
            for i, count in enumerate(value.get("bucketCounts", [])):
                counts[i] += int(count)
    return bounds, tuple(counts)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
