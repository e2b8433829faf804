"""What is believed of each model where evidence is thin: every estimate leans on the one above it.

    (neighbourhood +) pattern -> model -> prior

The value of a model in a pattern is thought to be the model's own standing plus what the pattern is
like (the additive model of two-way layouts; Gelman et al., "Bayesian Data Analysis", 3rd ed.,
chapters 5 and 15), and the group's own ratings take over as they come: with n ratings of mean y,
believed is (n y + k a) / (n + k), where a is the additive prior and k its strength in ratings. What
a neighbourhood makes better or worse is learned over all patterns together and added (`cells`).
Invariant: little evidence never moves a belief far, and none leaves it where its parent is.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeVar

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.cells import (
    Belief,
    CellBelief,
    CellKey,
    GroupKey,
    Observed,
    cell_beliefs,
)
from shared.domain.learning.config import BeliefConfig, ModelId

_ROUNDS = 6
"""Of backfitting: with so many, effects move by less than a thousandth on every set tried."""

_EFFECT_STRENGTH = 20.0
"""Ratings that "a pattern is as hard as any other" is worth."""

_SPREAD_PRIOR = 0.25
"""Variance of a value before any is seen: that of a coin."""

_STRENGTHS = 5.0, 2000.0
"""Bounds of a strength that is estimated."""


class GroupBelief(Learned):
    """What is believed of a model in a pattern, all neighbourhoods together."""

    pattern: str
    provider: str
    model: str
    value: Figure
    spread: Figure
    output_tokens: Figure | None


class ModelBelief(Learned):
    """What is believed of a model in a pattern of middling difficulty that it was not tried in.

    `n` is the effective number of its ratings in all patterns.
    """

    provider: str
    model: str
    n: Figure
    value: Figure
    spread: Figure
    output_tokens: Figure | None


class Beliefs(Learned):
    """All beliefs of a snapshot.

    `strength` is how many ratings the additive prior was worth. `value` and `spread` are those of a
    model that was never tried anywhere; one with fewer than `new_until` ratings is new.
    """

    value: Figure = 0.5
    spread: Figure = 0.158114
    strength: Figure | None = None
    new_until: Figure = 15.0
    models: tuple[ModelBelief, ...] = ()
    effects: tuple[tuple[str, Figure], ...] = ()
    groups: tuple[GroupBelief, ...] = ()
    cells: tuple[CellBelief, ...] = ()

    @cached_property
    def _groups(self) -> dict[tuple[str, ModelId], Belief]:
        return {
            (one.pattern, ModelId(one.provider, one.model)): Belief(
                one.value, one.spread, one.output_tokens
            )
            for one in self.groups
        }

    @cached_property
    def _cells(self) -> dict[str, tuple[CellBelief, dict[ModelId, float]]]:
        return {
            one.cell: (one, {ModelId(provider, model): own for provider, model, own in one.models})
            for one in self.cells
        }

    @cached_property
    def _models(self) -> dict[ModelId, ModelBelief]:
        return {ModelId(one.provider, one.model): one for one in self.models}

    @cached_property
    def _effects(self) -> dict[str, float]:
        return dict(self.effects)

    def is_new(self, model: ModelId) -> bool:
        """Returns whether a model has had too few tries to be judged."""
        known = self._models.get(model)
        return known is None or known.n < self.new_until

    def of(self, pattern: str, cell: str, model: ModelId) -> Belief:
        """Returns the belief of the nearest level that has seen the model, moved by its cell."""
        found = self._groups.get((pattern, model)) or self._unseen(pattern, model)
        known = self._cells.get(cell)
        if known is None:
            return found
        shared, models = known
        tokens = found.output_tokens
        return Belief(
            _in_range(found.value + models.get(model, shared.value)),
            found.spread,
            None if tokens is None else tokens * shared.length,
        )

    def _unseen(self, pattern: str, model: ModelId) -> Belief:
        effect, known = self._effects.get(pattern, 0.0), self._models.get(model)
        value, spread = (known.value, known.spread) if known else (self.value, self.spread)
        tokens = known.output_tokens if known else None
        return Belief(_in_range(value + effect), spread, tokens)


def build_beliefs(
    groups: Mapping[GroupKey, Observed],
    cells: Mapping[CellKey, Observed],
    config: BeliefConfig,
) -> Beliefs:
    """Returns what to believe after these ratings; the same for any order of the mappings.

    Args:
        groups: the ratings by pattern and model, all neighbourhoods together; n above 0.
        cells: those by pattern, neighbourhood and model, of groups that are in `groups`; none where
            prompts have no neighbourhoods.
        config: the prior and the strengths.
    """
    if not groups:
        spread = math.sqrt(_SPREAD_PRIOR / config.prior_weight)
        return Beliefs(value=config.prior_value, spread=spread, new_until=config.new_until)
    rows = [(key, groups[key]) for key in sorted(groups)]
    variance = _pooled_variance([one for _, one in rows])
    fit = _backfitted(rows, config)
    strength = config.strength or _estimated_strength(rows, fit, variance)
    models = _model_beliefs(rows, fit, config, variance)
    found = _group_beliefs(rows, fit, models, strength, variance)
    return Beliefs(
        value=fit.grand,
        spread=math.sqrt(variance / config.prior_weight),
        strength=strength,
        new_until=config.new_until,
        models=tuple(models[model].shown(model, variance / strength) for model in sorted(models)),
        effects=tuple(sorted(fit.effects.items())),
        groups=tuple(
            GroupBelief(
                pattern=pattern,
                provider=model.provider,
                model=model.model,
                value=one.value,
                spread=one.spread,
                output_tokens=one.output_tokens,
            )
            for (pattern, model), one in found.items()
        ),
        cells=cell_beliefs(cells, found, config.neighbourhood_strength),
    )


class _Parent(NamedTuple):
    """A model's ratings in all patterns: how many, what it is worth, how sure that is, tokens."""

    n: float
    value: float
    spread: float
    output_tokens: float | None

    def shown(self, model: ModelId, elsewhere: float) -> ModelBelief:
        """Returns the belief for patterns without ratings; `elsewhere` is their variance."""
        return ModelBelief(
            provider=model.provider,
            model=model.model,
            n=self.n,
            value=self.value,
            spread=math.sqrt(self.spread**2 + elsewhere),
            output_tokens=self.output_tokens,
        )


Rows = Sequence[tuple[GroupKey, Observed]]


def _model_beliefs(
    rows: Rows, fit: "_Fit", config: BeliefConfig, variance: float
) -> dict[ModelId, _Parent]:
    sizes = _sums((model, one.n) for (_, model), one in rows)
    tokens = _token_means([(model, one) for (_, model), one in rows])
    return {
        model: _Parent(
            n, fit.models[model], math.sqrt(variance / (n + config.prior_weight)), tokens[model]
        )
        for model, n in sizes.items()
    }


def _group_beliefs(
    rows: Rows,
    fit: "_Fit",
    models: Mapping[ModelId, _Parent],
    strength: float,
    variance: float,
) -> dict[GroupKey, Belief]:
    found = {}
    for (pattern, model), seen in rows:
        above = models[model]
        parent = Belief(fit.prior(pattern, model), above.spread, above.output_tokens)
        found[pattern, model] = _updated(seen, parent, strength, variance)
    return found


def _updated(seen: Observed, parent: Belief, strength: float, variance: float) -> Belief:
    """Returns the parent's belief after the ratings seen.

    The spread has two parts: what the ratings leave open, and the parent's own as far as it counts.
    """
    whole = seen.n + strength
    lean = strength / whole
    value = _in_range((seen.n * seen.value + strength * parent.value) / whole)
    spread = math.sqrt(variance / whole + (lean * parent.spread) ** 2)
    tokens = parent.output_tokens
    if seen.output_tokens is not None:
        tokens = (
            seen.output_tokens if tokens is None else _blend(seen.output_tokens, tokens, seen.n)
        )
    return Belief(value, spread, tokens)


def _blend(own: float, parents: float, n: float) -> float:
    """Leans the length of answers on the parent's as if that were worth five answers."""
    return (n * own + 5 * parents) / (n + 5)


class _Fit(NamedTuple):
    grand: float
    models: dict[ModelId, float]
    effects: dict[str, float]

    def prior(self, pattern: str, model: ModelId) -> float:
        return _in_range(self.models[model] + self.effects[pattern])


def _backfitted(rows: Rows, config: BeliefConfig) -> _Fit:
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
    return _Fit(
        grand,
        dict(zip(column_of, models, strict=True)),
        dict(zip(row_of, effects, strict=True)),
    )


def _estimated_strength(rows: Rows, fit: _Fit, variance: float) -> float:
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


def _pooled_variance(rows: list[Observed]) -> float:
    """Returns the variance of one value about its group's mean, with ten prior ones of a coin."""
    sizes = math.fsum(one.n for one in rows)
    seen = math.fsum(one.n * min(one.variance, _SPREAD_PRIOR) for one in rows)
    return (seen + 10 * _SPREAD_PRIOR) / (sizes + 10)


def _token_means(rows: list[tuple[ModelId, Observed]]) -> dict[ModelId, float | None]:
    known = [(model, one.n, one.output_tokens) for model, one in rows if one.output_tokens]
    sizes = _sums((model, n) for model, n, _ in known)
    sums = _sums((model, n * (tokens or 0.0)) for model, n, tokens in known)
    return {model: sums[model] / sizes[model] if model in sizes else None for model, _ in rows}


def _in_range(value: float) -> float:
    return min(1.0, max(0.0, value))


K = TypeVar("K")


def _sums(rows: Iterable[tuple[K, float]]) -> dict[K, float]:
    sums: dict[K, float] = defaultdict(float)
    for key, amount in rows:
        sums[key] += amount
    return dict(sums)
