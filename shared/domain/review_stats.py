"""Figures of the review queue from counters, so that no statistic ever scans entries.

The times to a decision are counted in buckets that grow by a fifth. A quantile is read as the
geometric middle of its bucket, so it is off by at most sqrt(1.2) - 1 = 9.6 %.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.entries import Verdict
from shared.domain.times import Timestamp

GROWTH = 1.2
SHORTEST_S = 0.001
"""Shorter times count as this one, in seconds."""

_LARGEST = 200

TOTALS = "review"
"""Counter of entries by state (how many are in it now) and of decisions by verdict (ever)."""

SECONDS = "decisions.seconds"
"""Counter of decisions by bucket of the seconds from submission to decision."""

DAYS = "decisions.day:"
"""Counters of decisions by verdict, one a day."""

SUBMITTERS = "decisions.submitter:"
"""Counters of decisions by verdict, one a submitter."""

DAYS_SHOWN = 90
SUBMITTERS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How many decisions there were of each kind."""

    approved: int = 0
    rejected: int = 0
    revision_requested: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.approved + self.rejected + self.revision_requested

    @property
    def approval_rate(self) -> float:
        """Approved over all, 0..1; 0 where there are none."""
        return self.approved / self.total if self.total else 0.0


def increments(
    verdict: Verdict, submitter: str, seconds: float, at: Timestamp
) -> dict[str, dict[str, int]]:
    """Returns what one decision adds to which counters."""
    return {
        TOTALS: {verdict: 1},
        SECONDS: {bucket(seconds): 1},
        f"{DAYS}{at[:10]}": {verdict: 1},
        f"{SUBMITTERS}{submitter}": {verdict: 1},
    }


def verdicts(fields: Mapping[str, int]) -> Verdicts:
    """Returns the decisions in a counter."""
    return Verdicts(
        fields.get("approve", 0), fields.get("reject", 0), fields.get("request_revision", 0)
    )


def bucket(seconds: float) -> str:
    """Returns the bucket of a time in seconds, three digits; buckets sort by time."""
    if seconds <= SHORTEST_S:
        return "000"
    number = math.ceil(math.log(seconds / SHORTEST_S) / math.log(GROWTH))
    return f"{min(number, _LARGEST):03d}"


def quantile(buckets: Mapping[str, int], share: float) -> float | None:
    """Returns the time in seconds that `share` (0..1) of the counted ones do not exceed.

    By nearest rank, within 9.6 % of the true one; None where nothing was counted.
    """
    total = sum(buckets.values())
    if total == 0:
        return None
    rank = max(1, math.ceil(share * total))
    seen = 0
    for name in sorted(buckets):
        seen += buckets[name]
        if seen >= rank:
            return _middle(int(name))
    return None


def _middle(number: int) -> float:
    if number == 0:
        return SHORTEST_S
    return float(SHORTEST_S * GROWTH ** (number - 0.5))
