"""Fits what models and patterns are worth to the ratings of all groups: model + effect of pattern.

The additive model of two-way layouts, and what the groups' scatter about it says of how much a
group's own ratings are to be believed.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from shared.domain.learning.cells import GroupKey, Observed
from shared.domain.learning.config import BeliefConfig, ModelId

_ROUNDS = 6
"""Of backfitting: with so many, effects move by less than a thousandth on every set tried."""

_EFFECT_STRENGTH = 20.0
"""Ratings that "a pattern is as hard as any other" is worth."""

SPREAD_PRIOR = 0.25
"""Variance of a value before any is seen: that of a coin."""

_STRENGTHS = 5.0, 2000.0
"""Bounds of a strength that is estimated."""


Rows = Sequence[tuple[GroupKey, Observed]]
"""Groups in order of their key; n above 0."""


class Fit(NamedTuple):
    """What a model is worth in a pattern of middling difficulty, and what each pattern adds."""

    grand: float
    models: dict[ModelId, float]
    effects: dict[str, float]

    def prior(self, pattern: str, model: ModelId) -> float:
        """Returns what a group is thought to be worth before its own ratings are seen."""
        return in_range(self.models[model] + self.effects[pattern])


def backfitted(rows: Rows, config: BeliefConfig) -> Fit:
    """Fits value = model + effect of the pattern, in turns (Breiman, Friedman, JASA 80, 1985).

    Models lean on the grand mean by `prior_weight`, effects on 0 by _EFFECT_STRENGTH. Patterns and
    models go by number, as the ratings are gone over many times.
    """
    total = math.fsum(one.n for _, one in rows)
    seen = math.fsum(one.n * one.value for _, one in rows)
    grand = (seen + config.prior_weight * config.prior_value) / (total + config.prior_weight)
    row_of = {pattern: at for at, pattern in enumerate(dict.fromkeys(p for (p, _), _ in rows))}
    column_of = {model: at for at, model in enumerate(dict.fromkeys(m for (_, m), _ in rows))}
    table = [(row_of[p], column_of[m], one.n, one.value) for (p, m), one in rows]
    by_model, by_pattern = [0.0] * len(column_of), [0.0] * len(row_of)
    for row, column, n, _ in table:
        by_model[column] += n
        by_pattern[row] += n
    models, effects = [grand] * len(column_of), [0.0] * len(row_of)
    for _ in range(_ROUNDS):
        left = [0.0] * len(column_of)
        for row, column, n, value in table:
            left[column] += n * (value - effects[row])
        models = [
            (one + config.prior_weight * grand) / (whole + config.prior_weight)
            for one, whole in zip(left, by_model, strict=True)
        ]
        left = [0.0] * len(row_of)
        for row, column, n, value in table:
            left[row] += n * (value - models[column])
        effects = [
            one / (whole + _EFFECT_STRENGTH) for one, whole in zip(left, by_pattern, strict=True)
        ]
    return Fit(
        grand,
        dict(zip(column_of, models, strict=True)),
        dict(zip(row_of, effects, strict=True)),
    )


def estimated_strength(rows: Rows, fit: Fit, variance: float) -> float:
    """Returns the strength that the groups' own scatter about the additive prior speaks for.

    The method of moments (DerSimonian, Laird, "Meta-analysis in clinical trials", Controlled
    Clinical Trials 7, 1986): of the scatter, what chance explains is taken off; the rest is t**2,
    and the strength is variance / t**2, within _STRENGTHS.
    """
    low, high = _STRENGTHS
    sizes = [one.n for _, one in rows]
    total = math.fsum(sizes)
    free = len(rows) - len(fit.models) - len(fit.effects) + 1
    if total <= 0 or free <= 0:
        return 100.0
    scatter = math.fsum(one.n * (one.value - fit.prior(*key)) ** 2 for key, one in rows)
    scale = (total - math.fsum(n * n for n in sizes) / total) * free / len(rows)
    between = (scatter - free * variance) / scale if scale > 0 else 0.0
    return min(high, max(low, variance / between)) if between > 0 else high


def pooled_variance(rows: Rows) -> float:
    """Returns the variance of one value about its group's mean, with ten prior ones of a coin."""
    sizes = math.fsum(one.n for _, one in rows)
    seen = math.fsum(one.n * min(one.variance, SPREAD_PRIOR) for _, one in rows)
    return (seen + 10 * SPREAD_PRIOR) / (sizes + 10)


def token_means(rows: Rows) -> dict[ModelId, float | None]:
    """Returns the mean length of each model's answers; None where no length is known."""
    known = [(model, one.n, one.output_tokens) for (_, model), one in rows if one.output_tokens]
    sizes = summed((model, n) for model, n, _ in known)
    totals = summed((model, n * (tokens or 0.0)) for model, n, tokens in known)
    return {
        model: totals[model] / sizes[model] if model in sizes else None for (_, model), _ in rows
    }


def in_range(value: float) -> float:
    """Returns a value that lies in 0..1."""
    return min(1.0, max(0.0, value))


K = TypeVar("K")


def summed(rows: Iterable[tuple[K, float]]) -> dict[K, float]:
    """Returns the sum of the amounts of each key."""
    totals: dict[K, float] = defaultdict(float)
    for key, amount in rows:
        totals[key] += amount
    return dict(totals)
