"""Fits what models and patterns are worth to the ratings of all groups: model + effect of pattern.

The additive model of two-way layouts, and what the groups' scatter about it says of how much a
group's own ratings are to be believed.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

from shared.domain.learning.cells import GroupKey, Observed
from shared.domain.learning.config import BeliefConfig, ModelId

_ROUNDS = 6
"""Of backfitting: with so many, effects move by less than a thousandth on every set tried."""

_EFFECT_STRENGTH = 20.0
"""Ratings that "a pattern is as hard as any other" is worth."""

SPREAD_PRIOR = 0.25
"""Variance of a value before any is seen: that of a coin."""

PRIOR_STRENGTH = 100.0
"""Ratings that a model's standing elsewhere is thought to be worth before any evidence on that."""

_STRENGTHS = 5.0, 2000.0
"""Bounds of a strength that is estimated."""

_LEAST_FREE = 1e-6
"""Degrees of freedom below which groups say nothing of their scatter: rounding left them."""


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
    place_of: dict[str, int] = {}
    number_of: dict[ModelId, int] = {}
    patterns: dict[int, _Side] = defaultdict(_Side)
    sides: dict[int, _Side] = defaultdict(_Side)
    for (pattern, model), one in rows:
        place = place_of.setdefault(pattern, len(place_of))
        number = number_of.setdefault(model, len(number_of))
        patterns[place].add(number, one)
        sides[number].add(place, one)
    weight = config.prior_weight
    total = math.fsum([one.n for one in sides.values()])
    seen = math.fsum([one.seen for one in sides.values()])
    grand = (seen + weight * config.prior_value) / (total + weight)
    models, effects = [grand] * len(sides), [0.0] * len(patterns)
    for _ in range(_ROUNDS):
        models = [(one.left(effects) + weight * grand) / (one.n + weight) for one in sides.values()]
        effects = [one.left(models) / (one.n + _EFFECT_STRENGTH) for one in patterns.values()]
    return Fit(
        grand,
        dict(zip(number_of, models, strict=True)),
        dict(zip(place_of, effects, strict=True)),
    )


class _Side:
    """The groups of one model, or of one pattern.

    `others` are the numbers of what they go with, `sizes` their ratings, `n` all of them; `seen` is
    the sum of their values.
    """

    def __init__(self) -> None:
        self.others: list[int] = []
        self.sizes: list[float] = []
        self.n = 0.0
        self.seen = 0.0

    def add(self, other: int, one: Observed) -> None:
        """Takes a group in."""
        self.others.append(other)
        self.sizes.append(one.n)
        self.n += one.n
        self.seen += one.n * one.value

    def left(self, explained: Sequence[float]) -> float:
        """Returns what the other side's worth leaves of the sum of values."""
        return self.seen - math.fsum(map(mul, self.sizes, [explained[at] for at in self.others]))


def estimated_strength(rows: Rows, fit: Fit, variance: float) -> float:
    """Returns the strength that the groups' own scatter about the additive prior speaks for.

    The method of moments for t**2, the variance between groups (DerSimonian, Laird, "Meta-analysis
    in clinical trials", Controlled Clinical Trials 7, 1986; its general form: DerSimonian, Kacker,
    Contemporary Clinical Trials 28, 2007): the scatter is expected to be variance * sum(1 - h) +
    t**2 * sum(n (1 - h)), h being how much of a group its own row and column absorb. As few ratings
    tell little of t**2, it leans on what PRIOR_STRENGTH says of it, each by its precision. The
    strength is variance / t**2, within _STRENGTHS.
    """
    free, weight, scatter = _scattered(rows, fit)
    if free < _LEAST_FREE:
        return PRIOR_STRENGTH
    prior = variance / PRIOR_STRENGTH
    seen = (scatter - free * variance) / weight
    noise = 2 * free * (variance / weight) ** 2
    between = (prior**2 * seen + noise * prior) / (prior**2 + noise)
    low, high = _STRENGTHS
    return min(high, max(low, variance / between)) if between > 0 else high


def _scattered(rows: Rows, fit: Fit) -> tuple[float, float, float]:
    """Returns sum(1 - h), sum(n (1 - h)) and the scatter about the fit, within each pattern.

    h is n / ratings of the model + n / ratings of the pattern - n / all, exact where the ratings of
    all patterns spread over the models alike. It matters where they do not: where one model has
    nearly all ratings of a pattern, the pattern's effect follows that model wherever it goes.
    """
    models: dict[ModelId, float] = defaultdict(float)
    patterns: dict[str, float] = defaultdict(float)
    off: dict[str, float] = defaultdict(float)
    squares = []
    for (pattern, model), one in rows:
        models[model] += one.n
        patterns[pattern] += one.n
        left = one.value - fit.prior(pattern, model)
        off[pattern] += one.n * left
        squares.append(one.n * left * left)
    total = math.fsum(models.values())
    open_ = [
        max(0.0, 1 - one.n / models[model] - one.n / patterns[pattern] + one.n / total)
        for (pattern, model), one in rows
    ]
    followed = math.fsum(off[pattern] ** 2 / n for pattern, n in patterns.items())
    return (
        math.fsum(open_),
        math.fsum(one.n * share for (_, one), share in zip(rows, open_, strict=True)),
        math.fsum(squares) - followed,
    )


def pooled_variance(rows: Rows) -> float:
    """Returns the variance of one value about its group's mean, with ten prior ones of a coin."""
    sizes = math.fsum([one.n for _, one in rows])
    seen = math.fsum([one.n * min(one.variance, SPREAD_PRIOR) for _, one in rows])
    return (seen + 10 * SPREAD_PRIOR) / (sizes + 10)


class OfModel:
    """A model's ratings in all patterns: `n` in effect, and the mean length of its answers."""

    def __init__(self) -> None:
        self.n = 0.0
        self._tokens = 0.0
        self._tokened = 0.0

    def add(self, one: Observed) -> None:
        """Takes a group in."""
        self.n += one.n
        if one.output_tokens:
            self._tokens += one.n * one.output_tokens
            self._tokened += one.n

    @property
    def output_tokens(self) -> float | None:
        """The mean; None where no length is known."""
        return self._tokens / self._tokened if self._tokened > 0 else None


def of_models(rows: Rows) -> dict[ModelId, OfModel]:
    """Returns what was seen of each model in all patterns together."""
    found: dict[ModelId, OfModel] = defaultdict(OfModel)
    for (_, model), one in rows:
        found[model].add(one)
    return dict(found)


def in_range(value: float) -> float:
    """Returns a value that lies in 0..1."""
    return min(1.0, max(0.0, value))
