"""Figures of the review queue from counters, so that no statistic ever scans entries.

The times to a decision are counted in buckets that grow by a fifth. A quantile is read as the
geometric middle of its bucket, so it is off by at most sqrt(1.2) - 1 = 9.6 %.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.entries import Decision, Entry

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
"""Counters of decisions, one a submitter: by verdict, and by band of confidence and verdict."""

BANDS = 5
"""Bands of stated confidence, each 0.2 wide."""

_BAND = "band"

STRENGTH = 5
"""How many decisions a stated confidence is worth; see `borne_out`."""

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


def increments(decision: Decision, entry: Entry, times: int = 1) -> dict[str, dict[str, int]]:
    """Returns what one decision adds to which counters; with `times` −1 what undoing it adds."""
    verdict = decision.verdict
    return {
        TOTALS: {verdict: times},
        SECONDS: {bucket(decision.seconds_to_decision): times},
        f"{DAYS}{decision.decided_at[:10]}": {verdict: times},
        f"{SUBMITTERS}{entry.submitter}": {
            verdict: times,
            f"{_BAND}{band(entry.confidence_score)}.{verdict}": times,
        },
    }


def band(confidence_score: float) -> int:
    """Returns in which of `BANDS` equal parts of 0..1 a stated confidence lies, from 0."""
    return min(int(confidence_score * BANDS), BANDS - 1)


def by_band(fields: Mapping[str, int]) -> list[Verdicts]:
    """Returns the decisions in a submitter's counter by band of stated confidence."""
    return [
        verdicts(
            {
                name.removeprefix(f"{_BAND}{number}."): count
                for name, count in fields.items()
                if name.startswith(f"{_BAND}{number}.")
            }
        )
        for number in range(BANDS)
    ]


def borne_out(decided: Sequence[Verdicts], stated: float) -> float | None:
    """Returns what a submitter's stated confidence is to be taken for, 0..1; None: at its word.

    The share of its decided entries of about that confidence that were approved, shrunk to what it
    states as by `STRENGTH` decisions that bore it out (a beta posterior's mean; Gelman et al.,
    "Bayesian Data Analysis", 3rd ed., section 2.4), in thousandths.

    Args:
        decided: the submitter's decisions by band of stated confidence.
        stated: its confidence, 0..1.
    """
    seen = decided[band(stated)]
    if seen.total == 0:
        return None
    return round((seen.approved + STRENGTH * stated) / (seen.total + STRENGTH), 3)


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
