"""What is believed of each model where evidence is thin: every estimate leans on the one above it.

    neighbourhood -> pattern -> model -> prior

The value of a model in a pattern is thought to be the model's own standing plus what the pattern is
like (the additive model of two-way layouts; Gelman et al., "Bayesian Data Analysis", 3rd ed.,
chapters 5 and 15), and the group's own ratings take over as they come: with n ratings of mean y,
believed is (n y + k a) / (n + k), where a is the additive prior and k its strength in ratings.
Invariant: little evidence never moves a belief far, and none leaves it where its parent is.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple, TypeVar

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.config import BeliefConfig, ModelId

_ROUNDS = 6
"""Of backfitting: with so many, effects move by less than a thousandth on every set tried."""

_EFFECT_STRENGTH = 20.0
"""Ratings that "a pattern is as hard as any other" is worth."""

_SPREAD_PRIOR = 0.25
"""Variance of a value before any is seen: that of a coin."""

_STRENGTHS = 5.0, 2000.0
"""Bounds of a strength that is estimated."""


class Observed(NamedTuple):
    """A group's ratings: effective number, mean value 0..1, variance of one, tokens an answer."""

    n: float
    value: float
    variance: float
    output_tokens: float | None


class Belief(NamedTuple):
    """What is believed: value 0..1, the standard deviation of that, tokens of an answer."""

    value: float
    spread: float
    output_tokens: float | None


class GroupBelief(Learned):
    """What is believed of a model in a pattern, and there in a neighbourhood (`cell` "": all)."""

    pattern: str
    provider: str
    model: str
    cell: str = ""
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

    @cached_property
    def _groups(self) -> dict[tuple[str, str, ModelId], Belief]:
        return {
            (one.pattern, one.cell, ModelId(one.provider, one.model)): Belief(
                one.value, one.spread, one.output_tokens
            )
            for one in self.groups
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
        """Returns the belief of the nearest level that has seen the model."""
        found = self._groups.get((pattern, cell, model)) or self._groups.get((pattern, "", model))
        if found is not None:
            return found
        effect, known = self._effects.get(pattern, 0.0), self._models.get(model)
        value, spread = (known.value, known.spread) if known else (self.value, self.spread)
        tokens = known.output_tokens if known else None
        return Belief(min(1.0, max(0.0, value + effect)), spread, tokens)


GroupKey = tuple[str, ModelId]
CellKey = tuple[str, str, ModelId]


def build_beliefs(
    groups: Mapping[GroupKey, Observed],
    cells: Mapping[CellKey, Observed],
    config: BeliefConfig,
) -> Beliefs:
    """Returns what to believe after these ratings; the same for any order of the mappings.

    Args:
        groups: the ratings by pattern and model, all neighbourhoods together; n above 0.
        cells: those by pattern, neighbourhood and model; none where prompts have no neighbourhoods.
        config: the prior and the strengths.
    """
    if not groups:
        spread = math.sqrt(_SPREAD_PRIOR / config.prior_weight)
        return Beliefs(value=config.prior_value, spread=spread, new_until=config.new_until)
    order = sorted(groups)
    total = math.fsum(groups[key].n for key in order)
    variance = _pooled_variance([groups[key] for key in order])
    fit = _backfitted([(key, groups[key]) for key in order], total, config)
    strength = config.strength or _estimated_strength(groups, fit, variance)
    weights = _sums((model, groups[pattern, model].n) for pattern, model in order)
    tokens = _token_means([(key[1], groups[key]) for key in order])
    spreads = {
        model: math.sqrt(variance / (weight + config.prior_weight))
        for model, weight in weights.items()
    }
    found: dict[CellKey, Belief] = {}
    for pattern, model in order:
        parent = Belief(fit.prior(pattern, model), spreads[model], tokens[model])
        found[pattern, "", model] = _updated(groups[pattern, model], parent, strength, variance)
    for key in sorted(cells):
        parent = found[key[0], "", key[2]]
        found[key] = _updated(cells[key], parent, config.neighbourhood_strength, variance)
    return Beliefs(
        value=fit.grand,
        spread=math.sqrt(variance / config.prior_weight),
        strength=strength,
        new_until=config.new_until,
        models=tuple(
            ModelBelief(
                provider=model.provider,
                model=model.model,
                n=weights[model],
                value=fit.models[model],
                spread=math.sqrt(spreads[model] ** 2 + variance / strength),
                output_tokens=tokens[model],
            )
            for model in sorted(weights)
        ),
        effects=tuple(sorted(fit.effects.items())),
        groups=tuple(
            GroupBelief(
                pattern=pattern,
                provider=model.provider,
                model=model.model,
                cell=cell,
                value=found[pattern, cell, model].value,
                spread=found[pattern, cell, model].spread,
                output_tokens=found[pattern, cell, model].output_tokens,
            )
            for pattern, cell, model in sorted(found)
        ),
    )


def _updated(seen: Observed, parent: Belief, strength: float, variance: float) -> Belief:
    """Returns the parent's belief after the ratings seen.

    The spread has two parts: what the ratings leave open, and the parent's own as far as it counts.
    """
    whole = seen.n + strength
    lean = strength / whole
    value = min(1.0, max(0.0, (seen.n * seen.value + strength * parent.value) / whole))
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
        return min(1.0, max(0.0, self.models[model] + self.effects[pattern]))


def _backfitted(rows: list[tuple[GroupKey, Observed]], total: float, config: BeliefConfig) -> _Fit:
    """Fits value = model + effect of the pattern, in turns (Breiman, Friedman, JASA 80, 1985).

    Models lean on the grand mean by `prior_weight`, effects on 0 by _EFFECT_STRENGTH.
    """
    seen = math.fsum(one.n * one.value for _, one in rows)
    grand = (seen + config.prior_weight * config.prior_value) / (total + config.prior_weight)
    models = {model: grand for (_, model), _ in rows}
    effects = {pattern: 0.0 for (pattern, _), _ in rows}
    by_model = _sums((model, one.n) for (_, model), one in rows)
    by_pattern = _sums((pattern, one.n) for (pattern, _), one in rows)
    for _ in range(_ROUNDS):
        left = _sums((m, one.n * (one.value - effects[p])) for (p, m), one in rows)
        models = {
            m: (left[m] + config.prior_weight * grand) / (by_model[m] + config.prior_weight)
            for m in models
        }
        left_of = _sums((p, one.n * (one.value - models[m])) for (p, m), one in rows)
        effects = {p: left_of[p] / (by_pattern[p] + _EFFECT_STRENGTH) for p in effects}
    return _Fit(grand, models, effects)


def _estimated_strength(groups: Mapping[GroupKey, Observed], fit: _Fit, variance: float) -> float:
    """Returns the strength that the groups' own scatter about the additive prior speaks for.

    The method of moments (DerSimonian, Laird, "Meta-analysis in clinical trials", Controlled
    Clinical Trials 7, 1986): of the scatter, what chance explains is taken off; the rest is t**2,
    and the strength is variance / t**2, within _STRENGTHS.
    """
    low, high = _STRENGTHS
    sizes = [groups[key].n for key in sorted(groups)]
    total = math.fsum(sizes)
    free = len(groups) - len(fit.models) - len(fit.effects) + 1
    if total <= 0 or free <= 0:
        return 100.0
    scatter = math.fsum(
        groups[key].n * (groups[key].value - fit.prior(*key)) ** 2 for key in sorted(groups)
    )
    scale = (total - math.fsum(n * n for n in sizes) / total) * free / len(groups)
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


K = TypeVar("K")


def _sums(rows: Iterable[tuple[K, float]]) -> dict[K, float]:
    sums: dict[K, float] = defaultdict(float)
    for key, amount in rows:
        sums[key] += amount
    return dict(sums)
