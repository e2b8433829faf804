"""What a policy is worth on the evidence, before and after a run, and whether quality fell.

The direct method (Dudik, Langford, Li: "Doubly Robust Policy Evaluation and Learning", ICML 2011,
section 2): a policy's figures are those of the models that it chooses, weighted by each pattern's
share of the traffic. Traffic whose chosen model was never rated counts for nothing, and `coverage`
says how much has evidence.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from pydantic import JsonValue

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.config import LearningConfig
from shared.domain.learning.figures import (
    Evidence,
    RatingFigures,
    RatingKey,
)
from shared.domain.learning.routing import RoutingPolicy
from shared.domain.learning.standings import (
    QUALITY_MAX,
    QUALITY_MIN,
    QUALITY_PRIOR_VARIANCE,
    Standing,
    standing,
)
from shared.domain.learning.state import (
    LearningState,
    combine,
    pooled,
)
from shared.domain.learning.stats import Sample, normal_quantile, sample, welch
from shared.domain.learning.sums import QualitySums

_INTERVAL_LEVEL = 0.95
"""One-sided level of each end of an interval: together they cover 90 %."""


class Estimate(Learned):
    """A mean with the ends of its two-sided 90 % interval, within what the figure can be."""

    mean: Figure
    low: Figure
    high: Figure


class PolicyFigures(Learned):
    """What is expected of a request under a policy.

    `coverage` is the share (0..1) of the traffic whose chosen model has ratings, `cost_coverage`
    that whose chosen model's cost is known; the estimates are over that part, None where it is
    empty. `quality` is 1..5, cost in USD.
    """

    quality: Estimate | None = None
    correctness: Estimate | None = None
    cost_usd: float | None = None
    coverage: Figure = 0.0
    cost_coverage: Figure = 0.0
    patterns: int = 0
    chosen: int = 0

    def figures(self) -> dict[str, JsonValue]:
        """Returns the figures as JSON, for the record of a run."""
        document: dict[str, JsonValue] = self.model_dump(mode="json")
        return document


class _Part(NamedTuple):
    """One pattern's share of the traffic, and what the policy's choice has shown there."""

    share: float
    found: Standing


class Evaluation:
    """The evidence by pattern, with each one's share of the traffic; policies are held against it.

    Args:
        state: the sums of the evidence.
    """

    def __init__(self, state: LearningState) -> None:
        self._groups: dict[str, dict[RatingKey, Evidence[RatingFigures]]] = defaultdict(dict)
        evidence_of = pooled(state)
        for key in sorted(evidence_of):
            if evidence_of[key].decayed.n > 0:
                self._groups[key.pattern][key] = evidence_of[key]
        self._weights = {
            name: sum([one.decayed.n for one in rows.values()])
            for name, rows in self._groups.items()
        }
        self._whole = sum(self._weights.values())

    def of(self, policy: RoutingPolicy | None) -> PolicyFigures:
        """Returns what is expected of a policy.

        Where it leaves a pattern open (no choice and no default), and for no policy at all, the
        traffic counts as it was routed.
        """
        parts, chosen = [], 0
        for pattern, rows in self._groups.items():
            row = policy.by_pattern.get(pattern) if policy else None
            chosen += row is not None and row.choice is not None
            choice = policy.choice(pattern) if policy else None
            key = RatingKey(pattern, *choice) if choice else next(iter(rows))
            evidence = rows.get(key) if choice else _pooled(rows.values())
            found = standing(key, evidence) if evidence else None
            if found:
                parts.append(_Part(self._weights[pattern] / self._whole, found))
        costed = [part for part in parts if part.found.cost_usd is not None]
        return PolicyFigures(
            quality=_estimate(
                [(part.share, part.found.quality) for part in parts], QUALITY_MIN, QUALITY_MAX
            ),
            correctness=_estimate([(part.share, part.found.correctness) for part in parts], 0, 1),
            cost_usd=_mean_cost(costed),
            coverage=sum(part.share for part in parts),
            cost_coverage=sum(part.share for part in costed),
            patterns=len(self._groups),
            chosen=chosen,
        )


def _pooled(rows: Iterable[Evidence[RatingFigures]]) -> Evidence[RatingFigures]:
    first, *rest = rows
    for row in rest:
        first = combine(first, row)
    return first


def _estimate(parts: list[tuple[float, Sample]], least: float, most: float) -> Estimate | None:
    """Returns the share-weighted mean; patterns are independent, so their variances add.

    `least` and `most` are what a single rating can say: the interval ends there.
    """
    covered = sum(share for share, _ in parts)
    if covered <= 0:
        return None
    mean = sum(share * one.mean for share, one in parts) / covered
    error = math.sqrt(sum((share * one.standard_error) ** 2 for share, one in parts)) / covered
    half = normal_quantile(_INTERVAL_LEVEL) * error
    return Estimate(mean=mean, low=max(least, mean - half), high=min(most, mean + half))


def _mean_cost(parts: list[_Part]) -> float | None:
    covered = sum(part.share for part in parts)
    if covered <= 0:
        return None
    return round(sum(part.share * (part.found.cost_usd or 0.0) for part in parts) / covered, 9)


class Regression(Learned):
    """Whether mean quality fell from `before` to `after`.

    `drop` is relative to before, positive for a fall. `fell` only where the fall is larger than
    configured, statistically significant, and both sides have enough ratings; `words` says which of
    these is missing.
    """

    fell: bool
    before: Figure | None
    after: Figure | None
    n_before: int
    n_after: int
    drop: Figure
    p_value: Figure
    words: str


def regression(before: QualitySums, after: QualitySums, config: LearningConfig) -> Regression:
    """Returns whether ratings of what `after` routed are worse than of what `before` did.

    Welch's one-sided test at `config.regression.alpha`, and a relative fall above
    `config.regression.drop`.
    """
    rules, least = config.regression, min(before.n, after.n)
    if least < max(1, rules.min_n):
        words = (
            f"Too few ratings to tell: {before.n} before and {after.n} after, {rules.min_n} needed."
        )
        return _no_test(before, after, words)
    old, new = _sample(before), _sample(after)
    drop, test = (old.mean - new.mean) / old.mean, welch(old, new)
    large, real = drop > rules.drop, test.p_value < rules.alpha
    figures = f"({-drop:+.1%}, p = {test.p_value:.2g})"
    change = f"Mean quality went from {old.mean:.2f} to {new.mean:.2f} {figures}"
    if large and real:
        words = f"{change}: a real fall of more than {rules.drop:.0%}."
    elif large:
        words = f"{change}: a large fall, but it may be chance."
    else:
        words = f"{change}: no fall of more than {rules.drop:.0%}."
    return Regression(
        fell=large and real,
        before=old.mean,
        after=new.mean,
        n_before=before.n,
        n_after=after.n,
        drop=drop,
        p_value=test.p_value,
        words=words,
    )


def _no_test(before: QualitySums, after: QualitySums, words: str) -> Regression:
    return Regression(
        fell=False,
        before=before.quality / before.n if before.n > 0 else None,
        after=after.quality / after.n if after.n > 0 else None,
        n_before=before.n,
        n_after=after.n,
        drop=0.0,
        p_value=1.0,
        words=words,
    )


def _sample(sums: QualitySums) -> Sample:
    mean = sums.quality / sums.n
    variance = (sums.n * sums.quality_squared - sums.quality**2) / sums.n**2
    return sample(sums.n, mean, variance, QUALITY_PRIOR_VARIANCE)
