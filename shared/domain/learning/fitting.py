"""Fits what models and patterns are worth to the ratings of all groups: model + effect of pattern.

The additive model of two-way layouts, and what the groups' scatter about it says of how much a
group's own ratings are to be believed.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import mul
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
    place_of = {pattern: at for at, pattern in enumerate(dict.fromkeys(p for (p, _), _ in rows))}
    number_of = {model: at for at, model in enumerate(dict.fromkeys(m for (_, m), _ in rows))}
    patterns = _sides((place_of[p], number_of[m], one) for (p, m), one in rows)
    sides = _sides((number_of[m], place_of[p], one) for (p, m), one in rows)
    total = math.fsum(one.n for one in sides)
    seen = math.fsum(one.seen for one in sides)
    weight = config.prior_weight
    grand = (seen + weight * config.prior_value) / (total + weight)
    models, effects = [grand] * len(sides), [0.0] * len(patterns)
    for _ in range(_ROUNDS):
        models = [(one.left(effects) + weight * grand) / (one.n + weight) for one in sides]
        effects = [one.left(models) / (one.n + _EFFECT_STRENGTH) for one in patterns]
    return Fit(
        grand,
        dict(zip(number_of, models, strict=True)),
        dict(zip(place_of, effects, strict=True)),
    )


class _Side(NamedTuple):
    """The groups of one model, or of one pattern: `others` are the numbers of what they go with.

    `sizes` has their ratings, `n` counts them all; `seen` is the sum of their values.
    """

    others: list[int]
    sizes: list[float]
    n: float
    seen: float

    def left(self, explained: Sequence[float]) -> float:
        """Returns what the other side's worth leaves of the sum of values."""
        return self.seen - math.fsum(map(mul, self.sizes, [explained[at] for at in self.others]))


def _sides(groups: Iterable[tuple[int, int, Observed]]) -> list[_Side]:
    """Returns the side of each number from 0 on; `groups` have its number and the other's."""
    found: dict[int, list[tuple[int, Observed]]] = defaultdict(list)
    for number, other, one in groups:
        found[number].append((other, one))
    return [
        _Side(
            [other for other, _ in found[number]],
            [one.n for _, one in found[number]],
            math.fsum(one.n for _, one in found[number]),
            math.fsum(one.n * one.value for _, one in found[number]),
        )
        for number in range(len(found))
    ]


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
