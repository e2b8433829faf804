"""A group's ratings as means with their uncertainty: what policy and evaluation judge by."""

from math import sqrt
from typing import NamedTuple

from shared.domain.learning.cells import Observed
from shared.domain.learning.config import ModelId
from shared.domain.learning.figures import (
    Evidence,
    RatingFigures,
    RatingKey,
)
from shared.domain.learning.stats import Sample, effective_size, sample

USD_PER_NANO = 1e-9
QUALITY_MIN, QUALITY_SPAN, QUALITY_MAX = 1.0, 4.0, 5.0
QUALITY_PRIOR_VARIANCE = 1.0
"""Spread of 1..5 ratings before any is seen: one point."""
CORRECT_PRIOR_VARIANCE = 0.25
"""Spread of a 0/1 flag before any is seen: that of a coin."""


class Standing(NamedTuple):
    """A model's evidence in one pattern, as samples. `value` is what models are compared by."""

    id: ModelId
    n: int
    quality: Sample
    correctness: Sample
    value: Sample
    cost_usd: float | None
    latency_ms: float | None
    output_tokens: float | None


def observed(found: Standing) -> Observed:
    """Returns a standing as beliefs take it."""
    return Observed(found.value.n, found.value.mean, found.value.variance, found.output_tokens)


def standing(key: RatingKey, evidence: Evidence[RatingFigures]) -> Standing | None:
    """Returns a group's means and their uncertainty, None where all its ratings were taken back.

    The sums hold no product of quality and correctness, so the spread of `value` is bounded from
    above by (sd of correctness + sd of quality / 4) / 2, which is exact where the two go together,
    as they mostly do.
    """
    sums, weight = evidence.decayed, evidence.decayed.n
    n = effective_size(weight, evidence.squares.all)
    if evidence.raw.n <= 0 or n <= 0:
        return None
    points, share = sums.quality / weight, sums.correct / weight
    quality_variance = (weight * sums.quality_squared - sums.quality**2) / weight**2
    quality = sample(n, points, quality_variance, QUALITY_PRIOR_VARIANCE)
    correctness = sample(n, share, share * (1 - share), CORRECT_PRIOR_VARIANCE)
    spread = (sqrt(correctness.variance) + sqrt(quality.variance) / QUALITY_SPAN) / 2
    mean = (share + (points - QUALITY_MIN) / QUALITY_SPAN) / 2
    return Standing(
        ModelId(key.provider, key.model),
        evidence.raw.n,
        quality,
        correctness,
        Sample(n, mean, spread * spread),
        sums.cost_nanousd / sums.costed * USD_PER_NANO if sums.costed > 0 else None,
        sums.latency_ms / sums.timed if sums.timed > 0 else None,
        sums.output_tokens / sums.tokened if sums.tokened > 0 else None,
    )
