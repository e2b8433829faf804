"""What is believed of each model where evidence is thin: every estimate leans on the one above it.

    (neighbourhood +) pattern -> model -> prior

The value of a model in a pattern is thought to be the model's own standing plus what the pattern is
like (the additive model of two-way layouts; Gelman et al., "Bayesian Data Analysis", 3rd ed.,
chapters 5 and 15), and the group's own ratings take over as they come: with n ratings of mean y,
believed is (n y + k a) / (n + k), where a is the additive prior and k its strength in ratings. What
a neighbourhood makes better or worse is learned over all patterns together and added (`cells`).
What is believed of a group follows from its figures in the routing table and from what is kept
here. Invariant: little evidence never moves a belief far, and none leaves it where its parent is.
"""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.bundles import thinning_of
from shared.domain.learning.cells import (
    Belief,
    CellBelief,
    CellKey,
    GroupKey,
    Observed,
    cell_beliefs,
)
from shared.domain.learning.config import BeliefConfig, ModelId
from shared.domain.learning.fitting import (
    SPREAD_PRIOR,
    Fit,
    Rows,
    backfitted,
    estimated_strength,
    in_range,
    of_models,
    pooled_variance,
)


class Seen(NamedTuple):
    """A group's own ratings: effective number above 0, mean value 0..1, tokens of an answer."""

    n: float
    value: float
    output_tokens: float | None


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
    """What groups lean on, in a snapshot.

    `strength` is how many ratings the additive prior was worth, None before any rating; `variance`
    is that of one rating's value. `value` and `spread` are those of a model that was never tried
    anywhere, as if it had `prior_weight` ratings; one with fewer than `new_until` ratings is new.
    """

    value: Figure = 0.5
    spread: Figure = 0.158114
    strength: Figure | None = None
    variance: Figure = SPREAD_PRIOR
    prior_weight: Figure = 10.0
    new_until: Figure = 15.0
    models: tuple[ModelBelief, ...] = ()
    effects: tuple[tuple[str, Figure], ...] = ()
    cells: tuple[CellBelief, ...] = ()

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

    @cached_property
    def thinned(self) -> int:
        """How thinly sessions are looked at where so many ratings count; see bundles."""
        return thinning_of(math.fsum(one.n for one in self.models))

    def is_new(self, model: ModelId) -> bool:
        """Returns whether a model has had too few tries to be judged."""
        known = self._models.get(model)
        return known is None or known.n < self.new_until

    def of(self, pattern: str, model: ModelId, seen: Seen | None) -> Belief:
        """Returns the belief of a model in a pattern, all neighbourhoods together.

        Args:
            pattern: which.
            model: which.
            seen: the model's own ratings there; None without any.
        """
        effect, known = self._effects.get(pattern, 0.0), self._models.get(model)
        if known is None:
            return Belief(in_range(self.value + effect), self.spread, None)
        prior = in_range(known.value + effect)
        if seen is None or self.strength is None:
            return Belief(prior, known.spread, known.output_tokens)
        spread = math.sqrt(self.variance / (known.n + self.prior_weight))
        above = Belief(prior, spread, known.output_tokens)
        return _updated(seen, above, self.strength, self.variance)

    def moved(self, found: Belief, cell: str, model: ModelId) -> Belief:
        """Returns a model's belief as a neighbourhood moves it."""
        known = self._cells.get(cell)
        if known is None:
            return found
        shared, models = known
        tokens = found.output_tokens
        return Belief(
            in_range(found.value + models.get(model, shared.value)),
            found.spread,
            None if tokens is None else tokens * shared.length,
        )


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
        spread = math.sqrt(SPREAD_PRIOR / config.prior_weight)
        return Beliefs(
            value=config.prior_value,
            spread=spread,
            prior_weight=config.prior_weight,
            new_until=config.new_until,
        )
    rows = [(key, groups[key]) for key in sorted(groups)]
    variance = pooled_variance(rows)
    fit = backfitted(rows, config)
    strength = config.strength or estimated_strength(rows, fit, variance)
    found = Beliefs(
        value=fit.grand,
        spread=math.sqrt(variance / config.prior_weight),
        strength=strength,
        variance=variance,
        prior_weight=config.prior_weight,
        new_until=config.new_until,
        models=_model_beliefs(rows, fit, config, variance, strength),
        effects=tuple(sorted(fit.effects.items())),
    )
    believed = {}
    for pattern, model in {(pattern, model) for pattern, _, model in cells}:
        seen = groups[pattern, model]
        own = Seen(seen.n, seen.value, seen.output_tokens)
        believed[pattern, model] = found.of(pattern, model, own)
    moves = cell_beliefs(cells, believed, config.neighbourhood_strength)
    return found.model_copy(update={"cells": moves})


def _model_beliefs(
    rows: Rows, fit: Fit, config: BeliefConfig, variance: float, strength: float
) -> tuple[ModelBelief, ...]:
    """Returns the beliefs for patterns without ratings, which differ by variance / strength."""
    seen = of_models(rows)
    return tuple(
        ModelBelief(
            provider=model.provider,
            model=model.model,
            n=seen[model].n,
            value=fit.models[model],
            spread=math.sqrt(
                variance / (seen[model].n + config.prior_weight) + variance / strength
            ),
            output_tokens=seen[model].output_tokens,
        )
        for model in sorted(seen)
    )


def _updated(seen: Seen, parent: Belief, strength: float, variance: float) -> Belief:
    """Returns the parent's belief after the ratings seen.

    The spread has two parts: what the ratings leave open, and the parent's own as far as it counts.
    """
    whole = seen.n + strength
    lean = strength / whole
    value = in_range((seen.n * seen.value + strength * parent.value) / whole)
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
