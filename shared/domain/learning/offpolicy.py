"""What another policy would have earned on the traffic that was logged, before anyone applies it.

Each logged choice knows the probability with which it was made. A choice that another policy would
have made too stands for 1 / probability requests: that is inverse propensity scoring, here
normalised by the sum of the weights (SNIPS; Swaminathan, Joachims, "The Self-Normalized Estimator
for Counterfactual Learning", NIPS 2015). The doubly robust estimate (DR; Dudik, Langford, Li,
"Doubly Robust Policy Evaluation and Learning", ICML 2011) starts from the models' means and weighs
only what they get wrong, so it is right where either the means or the probabilities are.

The choice of a policy is a function of (pattern, neighbourhood), so all of this follows from sums
by (pattern, neighbourhood, model), and no row is read again. Intervals are normal ones by the
variance of the estimates' own terms, with Student's t at the effective sample size. They take
requests to be independent: where those of a session are alike they are too narrow.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from shared.domain.learning.config import ModelId, OffPolicyConfig
from shared.domain.learning.figures import (
    RatingKey,
)
from shared.domain.learning.offpolicy_figures import (
    Estimates,
    Interval,
    OffPolicy,
    PolicyEstimate,
    in_words,
)
from shared.domain.learning.offpolicy_terms import (
    FIGURES,
    Chosen,
    Name,
    NoCost,
    Terms,
    mean_reward,
    terms_of,
)
from shared.domain.learning.state import LearningState, without_epochs
from shared.domain.learning.stats import t_quantile

Chooser = Callable[[str, str], ModelId | None]
"""(pattern, cell) to the model that a policy takes; None where it leaves that open."""

_LEVEL = 0.975
"""One-sided level of each end of an interval: together they cover 95 %."""


class _Context(NamedTuple):
    """One (pattern, cell): how much was logged there (n and the sum of squares), by model."""

    pattern: str
    cell: str
    n: float
    n_squared: float
    models: Mapping[ModelId, RatingKey]


def compare(
    state: LearningState, current: Chooser, proposed: Chooser, config: OffPolicyConfig
) -> OffPolicy:
    """Returns both policies' estimates on the evidence in `state`, and their difference.

    The proposed policy was learned from the same ratings, so its figures lean to the good side by
    as much as luck had a say in what was chosen; the fewer choices changed, the less.
    """
    state = without_epochs(state)
    contexts = _contexts(state)
    whole = math.fsum(one.n for one in contexts)
    terms = _terms_by_key(state)
    old, new = _taken(terms, contexts, current), _taken(terms, contexts, proposed)
    before = _estimate(old, contexts, whole, config)
    after = _estimate(new, contexts, whole, config)
    difference = _difference(old, new, contexts, before, after)
    return OffPolicy(
        logged=whole,
        current=before,
        proposed=after,
        difference=difference,
        words=in_words(before, after, difference),
    )


def _unit(state: LearningState) -> int:
    """Returns what a rating typically weighs for its age, so that counts are in such ratings."""
    once = sum(one.once.weighted for one in state.logged.values())
    twice = sum(one.twice.weighted for one in state.logged.values())
    return max(1, twice // once) if once > 0 else 1


def _contexts(state: LearningState) -> list[_Context]:
    unit = _unit(state)
    groups: dict[tuple[str, str], dict[ModelId, RatingKey]] = defaultdict(dict)
    for key in sorted(state.logged):
        once, twice = state.logged[key]
        if min(once.weighted, once.weight, twice.weight_squared) > 0:
            groups[key.pattern, key.cell][ModelId(key.provider, key.model)] = key
    return [
        _Context(
            pattern,
            cell,
            sum(state.logged[key].once.weighted for key in models.values()) / unit,
            sum(state.logged[key].twice.weighted for key in models.values()) / unit**2,
            models,
        )
        for (pattern, cell), models in groups.items()
    ]


class _Taken(NamedTuple):
    """What a policy takes in each context, in the same order; None without support."""

    terms: list[Mapping[Name, Terms] | None]
    models: list[ModelId | None]


def _terms_by_key(state: LearningState) -> Callable[[RatingKey], Mapping[Name, Terms]]:
    """Returns what tells the terms of a group; both policies mostly take the same ones."""
    unit, means = _unit(state), mean_reward(state)
    known: dict[RatingKey, Mapping[Name, Terms]] = {}

    def told(key: RatingKey) -> Mapping[Name, Terms]:
        if key not in known:
            chosen = Chosen(key, state.logged[key], unit)
            known[key] = {name: terms_of(name, chosen, means) for name in FIGURES}
        return known[key]

    return told


def _taken(
    terms_by_key: Callable[[RatingKey], Mapping[Name, Terms]],
    contexts: Iterable[_Context],
    policy: Chooser,
) -> _Taken:
    terms: list[Mapping[Name, Terms] | None] = []
    models: list[ModelId | None] = []
    for context in contexts:
        model = policy(context.pattern, context.cell)
        key = context.models.get(model) if model is not None else None
        models.append(model)
        terms.append(None if key is None else terms_by_key(key))
    return _Taken(terms, models)


def _estimate(
    taken: _Taken, contexts: list[_Context], whole: float, config: OffPolicyConfig
) -> PolicyEstimate:
    supported = math.fsum(
        one.n for one, terms in zip(contexts, taken.terms, strict=True) if terms is not None
    )
    support = supported / whole if whole > 0 else 0.0
    weights = [terms["quality"] for terms in taken.terms if terms is not None]
    squares = math.fsum(one.ww for one in weights)
    effective = math.fsum(one.w for one in weights) ** 2 / squares if squares > 0 else 0.0
    refused = _refusal(whole, support, effective, config)
    if refused:
        return PolicyEstimate(effective=effective, support=support, refused=refused)
    found = {name: _figures(name, taken, contexts, effective) for name in FIGURES}
    return PolicyEstimate(effective=effective, support=support, refused="", **found)


def _refusal(whole: float, support: float, effective: float, config: OffPolicyConfig) -> str:
    if whole <= 0:
        return "No rating has a logged probability yet."
    if support < config.min_support:
        return (
            f"Only {support:.0%} of the requests were of kinds in which the model that it takes "
            f"was ever tried by chance; {config.min_support:.0%} is needed."
        )
    if effective < config.min_effective:
        return (
            f"Too few rated requests went to the models that it takes: they count as "
            f"{effective:.0f}, and {config.min_effective:g} are needed."
        )
    return ""


def _figures(
    name: Name, taken: _Taken, contexts: list[_Context], effective: float
) -> Estimates | None:
    pairs = [
        (context, terms[name])
        for context, terms in zip(contexts, taken.terms, strict=True)
        if terms is not None and not isinstance(terms[name], NoCost)
    ]
    if math.fsum(one.w for _, one in pairs) <= 0:
        return None
    snips, snips_error = _snips([one for _, one in pairs])
    dr, dr_error = _doubly_robust(pairs)
    half = t_quantile(_LEVEL, effective)
    return Estimates(
        snips=_interval(snips, half * snips_error, name), dr=_interval(dr, half * dr_error, name)
    )


_RANGE: Mapping[Name, tuple[float, float]] = {
    "quality": (1.0, 5.0),
    "correctness": (0.0, 1.0),
    "cost_usd": (0.0, math.inf),
}


def _interval(mean: float, half: float, name: Name) -> Interval:
    """Returns the interval, cut at what the figure can be."""
    least, most = _RANGE[name]
    low, mean, high = (min(most, max(least, one)) for one in (mean - half, mean, mean + half))
    return Interval(mean=mean, low=low, high=high)


def _snips(rows: list[Terms]) -> tuple[float, float]:
    """Returns sum(w r) / sum(w) and its standard error.

    By the delta method (Owen, "Monte Carlo theory, methods and examples", 2013, section 9.2).
    """
    weight = math.fsum(one.w for one in rows)
    mean = math.fsum(one.wr for one in rows) / weight
    squares = math.fsum(one.squared_about(mean) for one in rows)
    return mean, math.sqrt(max(0.0, squares)) / weight


def _doubly_robust(pairs: list[tuple[_Context, Terms]]) -> tuple[float, float]:
    """Returns the mean of q(chosen) + w (r - q) over all logged rows, and its standard error."""
    whole = math.fsum(context.n for context, _ in pairs)
    mean = math.fsum(context.n * one.q + one.wr - one.q * one.w for context, one in pairs) / whole
    squares = math.fsum(
        (one.q - mean) ** 2 * context.n_squared
        + 2 * (one.q - mean) * one.twice_residual
        + one.residual_squared
        for context, one in pairs
    )
    return mean, math.sqrt(max(0.0, squares)) / whole


def _difference(
    old: _Taken,
    new: _Taken,
    contexts: list[_Context],
    before: PolicyEstimate,
    after: PolicyEstimate,
) -> PolicyEstimate:
    """Returns proposed less current: what both take alike cancels, so this is surer than either."""
    refused = after.refused or before.refused
    effective = min(before.effective, after.effective)
    support = min(before.support, after.support)
    if refused:
        return PolicyEstimate(effective=effective, support=support, refused=refused)
    found = {}
    for name in FIGURES:
        rows = [
            (context, first[name], second[name], one != other)
            for context, first, second, one, other in zip(
                contexts, old.terms, new.terms, old.models, new.models, strict=True
            )
            if first is not None
            and second is not None
            and not isinstance(first[name], NoCost)
            and not isinstance(second[name], NoCost)
        ]
        found[name] = _gap(rows, effective)
    return PolicyEstimate(effective=effective, support=support, refused="", **found)


def _gap(rows: list[tuple[_Context, Terms, Terms, bool]], effective: float) -> Estimates | None:
    whole = math.fsum(context.n for context, *_ in rows)
    if whole <= 0:
        return None
    changed = [(context, one, two) for context, one, two, differs in rows if differs]
    gap = (
        math.fsum(
            context.n * (two.q - one.q) + two.residual - one.residual
            for context, one, two in changed
        )
        / whole
    )
    same = math.fsum(context.n_squared for context, _, _, differs in rows if not differs)
    squares = gap * gap * same + math.fsum(
        (two.q - one.q - gap) ** 2 * context.n_squared
        + 2 * (two.q - one.q - gap) * (two.twice_residual - one.twice_residual)
        + one.residual_squared
        + two.residual_squared
        for context, one, two in changed
    )
    half = t_quantile(_LEVEL, effective) * math.sqrt(max(0.0, squares)) / whole
    first, _ = _snips([one for _, one, _, _ in rows])
    second, _ = _snips([two for _, _, two, _ in rows])
    error = _snips_gap_error(rows, first, second)
    snips_half = t_quantile(_LEVEL, effective) * error
    snips = second - first
    return Estimates(
        snips=Interval(mean=snips, low=snips - snips_half, high=snips + snips_half),
        dr=Interval(mean=gap, low=gap - half, high=gap + half),
    )


def _snips_gap_error(
    rows: list[tuple[_Context, Terms, Terms, bool]], first: float, second: float
) -> float:
    """Returns the standard error of the difference of two normalised estimates on shared rows."""
    w1 = math.fsum(one.w for _, one, _, _ in rows)
    w2 = math.fsum(two.w for _, _, two, _ in rows)
    squares = 0.0
    for _, one, two, differs in rows:
        if differs:
            squares += one.squared_about(first) / w1**2 + two.squared_about(second) / w2**2
        else:
            scale, shift = 1 / w2 - 1 / w1, second / w2 - first / w1
            squares += scale**2 * one.wwrr - 2 * scale * shift * one.wwr + shift**2 * one.ww
    return math.sqrt(max(0.0, squares))
