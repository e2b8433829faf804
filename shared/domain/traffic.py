"""What a process counts of its own requests, and the figures that follow from the counts."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traffic:
    """Counts of requests.

    Args:
        requests: how many were answered.
        errors: how many of them with 5xx.
        bounds: upper bounds of the latency buckets in seconds, ascending; the last is infinite.
        counts: requests in each bucket, not cumulated.
    """

    requests: int
    errors: int
    bounds: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def error_share(self) -> float:
        """Errors over requests, 0..1; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0

    def since(self, before: "Traffic | None") -> "Traffic":
        """Returns what was added to `before`; all of it where that is None."""
        if before is None:
            return self
        counts = tuple(now - then for now, then in zip(self.counts, before.counts, strict=True))
        requests, errors = self.requests - before.requests, self.errors - before.errors
        return Traffic(requests, errors, self.bounds, counts)

    def quantile_s(self, share: float) -> float | None:
        """Returns the latency in seconds that `share` (0..1) of the requests do not exceed.

        Estimated as Prometheus' `histogram_quantile` does: linear within the bucket; the last
        finite bound where it falls into the infinite bucket. None without requests.
        """
        total = sum(self.counts)
        if not total:
            return None
        rank, below, lower = share * total, 0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if count and below + count >= rank:
                if math.isinf(bound):
                    return lower
                return lower + (bound - lower) * max(0.0, rank - below) / count
            below += count
            lower = lower if math.isinf(bound) else bound
        return lower


def total(parts: Iterable[Traffic]) -> Traffic | None:
    """Returns the sum of traffic counted in equal buckets; None of nothing."""
    whole: Traffic | None = None
    for part in parts:
        if whole is None:
            whole = part
            continue
        counts = tuple(one + two for one, two in zip(whole.counts, part.counts, strict=True))
        requests, errors = whole.requests + part.requests, whole.errors + part.errors
        whole = Traffic(requests, errors, whole.bounds, counts)
    return whole


def percentile(ordered: list[float], share: float) -> float:
    """Returns a percentile of ascending values, linear between neighbours (Hyndman–Fan type 7).

    Args:
        ordered: ascending, at least one.
        share: 0..1.
    """
    at = (len(ordered) - 1) * share
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
