"""What another policy would have earned on the traffic that was logged, before anyone applies it.

Each logged choice knows the probability with which it was made. A choice that another policy would
have made too stands for 1 / probability requests: that is inverse propensity scoring, here
normalised by the sum of the weights (SNIPS; Swaminathan, Joachims, "The Self-Normalized Estimator
for Counterfactual Learning", NIPS 2015). The doubly robust estimate (DR; Dudik, Langford, Li,
"Doubly Robust Policy Evaluation and Learning", ICML 2011) starts from the models' means and weighs
only what they get wrong, so it is right where either the means or the probabilities are.

The choice of a policy is a function of (pattern, neighbourhood), so all of this follows from sums
by (pattern, neighbourhood, model), and no row is read again. Requests of one session go together,
so what an estimate may be off by is told as for clusters (Liang, Zeger, Biometrika 73, 1986;
Cameron, Miller, "A Practitioner's Guide to Cluster-Robust Inference", JHR 50, 2015), by bundles of
whole sessions: what each adds to the estimate, and how much that differs.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from shared.domain.learning.bundles import BUNDLES
from shared.domain.learning.config import ModelId, OffPolicyConfig
from shared.domain.learning.figures import RatingKey
from shared.domain.learning.offpolicy_estimators import (
    Both,
    Context,
    Estimators,
    Rows,
    Told,
    squares_of,
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


def compare(
    state: LearningState, current: Chooser, proposed: Chooser, config: OffPolicyConfig
) -> OffPolicy:
    """Returns both policies' estimates on the evidence in `state`, and their difference.

    The proposed policy was learned from the same ratings, so its figures lean to the good side by
    as much as luck had a say in what was chosen; the fewer choices changed, the less.
    """
    state = without_epochs(state)
    unit = _unit(state)
    contexts = _contexts(state, unit)
    whole = math.fsum(one.n for one in contexts)
    terms = _terms_by_key(state, unit)
    old, new = _taken(terms, contexts, current), _taken(terms, contexts, proposed)
    estimators = Estimators()
    before = _estimate(old, contexts, whole, config, estimators)
    after = _estimate(new, contexts, whole, config, estimators)
    difference = _difference(old, new, contexts, before, after, estimators)
    return OffPolicy(
        logged=whole,
        current=before,
        proposed=after,
        difference=difference,
        words=in_words(before, after, difference),
    )


def _unit(state: LearningState) -> int:
    """Returns what a rating typically weighs for its age, so that counts are in such ratings."""
    once = sum([one.decayed.n for one in state.ratings.values()])
    twice = sum([one.squares.all for one in state.ratings.values()])
    return max(1, twice // once) if once > 0 else 1


def _contexts(state: LearningState, unit: int) -> list[Context]:
    groups: dict[tuple[str, str], dict[ModelId, RatingKey]] = defaultdict(dict)
    for key in sorted(state.logged):
        whole = state.logged[key].whole
        if min(whole.weighted, whole.weight) > 0:
            groups[key.pattern, key.cell][ModelId(key.provider, key.model)] = key
    return [
        Context(
            pattern,
            cell,
            sum([state.logged[key].whole.weighted for key in models.values()]) / unit,
            _counts(state, models.values(), unit),
            models,
        )
        for (pattern, cell), models in groups.items()
    ]


def _counts(state: LearningState, keys: Iterable[RatingKey], unit: int) -> dict[int, float]:
    """Returns how much these groups logged, by bundle."""
    sums: dict[int, int] = defaultdict(int)
    for key in keys:
        for bundle, figures in state.logged[key].bundles.items():
            sums[bundle] += figures.weighted
    return {bundle: count / unit for bundle, count in sums.items()}


def _terms_by_key(state: LearningState, unit: int) -> Callable[[RatingKey], Mapping[Name, Terms]]:
    """Returns what tells the terms of a group; both policies mostly take the same ones."""
    means = mean_reward(state)
    known: dict[RatingKey, Mapping[Name, Terms]] = {}

    def told(key: RatingKey) -> Mapping[Name, Terms]:
        if key not in known:
            chosen = Chosen(key, state.logged[key], unit)
            known[key] = {name: terms_of(name, chosen, means) for name in FIGURES}
        return known[key]

    return told


_Taken = Sequence[Mapping[Name, Terms] | None]
"""What a policy takes in each context, in the same order; None without support."""


def _taken(
    terms_by_key: Callable[[RatingKey], Mapping[Name, Terms]],
    contexts: Iterable[Context],
    policy: Chooser,
) -> _Taken:
    terms: list[Mapping[Name, Terms] | None] = []
    for context in contexts:
        model = policy(context.pattern, context.cell)
        key = context.models.get(model) if model is not None else None
        terms.append(None if key is None else terms_by_key(key))
    return terms


def _estimate(
    taken: _Taken,
    contexts: Sequence[Context],
    whole: float,
    config: OffPolicyConfig,
    estimators: Estimators,
) -> PolicyEstimate:
    supported = math.fsum(
        one.n for one, terms in zip(contexts, taken, strict=True) if terms is not None
    )
    support = supported / whole if whole > 0 else 0.0
    effective = _effective([terms["quality"] for terms in taken if terms is not None])
    refused = _refusal(whole, support, effective, config)
    if refused:
        return PolicyEstimate(effective=effective, support=support, refused=refused)
    found = {
        name: _estimates(estimators.told(_known(name, taken, contexts)), effective, name)
        for name in FIGURES
    }
    return PolicyEstimate(effective=effective, support=support, refused="", **found)


def _effective(rows: Iterable[Terms]) -> float:
    """Returns how many sessions of equal weight the rows are worth: (sum w)**2 / sum of w**2.

    `w` is here the weight of a session (Kish, "Survey Sampling", 1965, 8.2; for clusters Carter,
    Schnepel, Steigerwald, Review of Economics and Statistics 99, 2017). The bundles tell the sum of
    their squares to a quarter of it: that is one standard error. No more than there are rows.
    """
    count, weight, by_bundle = 0.0, 0.0, [0.0] * BUNDLES
    for one in rows:
        count, weight = count + one.n, weight + one.whole.w
        for bundle, sums in one.bundles.items():
            by_bundle[bundle] += sums.w
    squares = squares_of(by_bundle)
    return min(count, weight * weight / squares) if squares > 0 else 0.0


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
            "Too few sessions with rated requests went to the models that it takes: they count as "
            f"{effective:.0f}, and {config.min_effective:g} are needed."
        )
    return ""


def _known(name: Name, taken: _Taken, contexts: Iterable[Context]) -> Rows:
    return [
        (context, terms[name])
        for context, terms in zip(contexts, taken, strict=True)
        if terms is not None and not isinstance(terms[name], NoCost)
    ]


_RANGE: Mapping[Name, tuple[float, float]] = {
    "quality": (1.0, 5.0),
    "correctness": (0.0, 1.0),
    "cost_usd": (0.0, math.inf),
}
_ANY = -math.inf, math.inf


def _interval(told: Told, effective: float, within: tuple[float, float]) -> Interval:
    """Returns the interval, cut at what the figure can be.

    By Student's t. The squares vary as those of BUNDLES sums do, and as those of the sessions in
    them do; the two relative variances, 2 / degrees of freedom each, add. The sessions have told
    the mean too, which takes one of them off.
    """
    left = max(1.0, effective - 1)
    freedom = 1 / (1 / (BUNDLES - 1) + 1 / left)
    half = t_quantile(_LEVEL, freedom) * math.sqrt(squares_of(told.shares) * (left + 1) / left)
    least, most = within
    ends = told.mean - half, told.mean, told.mean + half
    low, mean, high = (min(most, max(least, one)) for one in ends)
    return Interval(mean=mean, low=low, high=high)


def _estimates(both: Both | None, effective: float, name: Name) -> Estimates | None:
    if both is None:
        return None
    snips, dr = both
    within = _RANGE[name]
    return Estimates(snips=_interval(snips, effective, within), dr=_interval(dr, effective, within))


def _difference(
    old: _Taken,
    new: _Taken,
    contexts: Sequence[Context],
    before: PolicyEstimate,
    after: PolicyEstimate,
    estimators: Estimators,
) -> PolicyEstimate:
    """Returns proposed less current: what both take alike cancels, so this is surer than either."""
    effective = min(before.effective, after.effective)
    support = min(before.support, after.support)
    refused = after.refused or before.refused
    if refused:
        return PolicyEstimate(effective=effective, support=support, refused=refused)
    found = {}
    for name in FIGURES:
        one, two = (
            estimators.told(_known(name, _beside(name, taken, other), contexts))
            for taken, other in ((old, new), (new, old))
        )
        found[name] = None if one is None or two is None else _gap(one, two, effective)
    return PolicyEstimate(effective=effective, support=support, refused="", **found)


def _gap(old: Both, new: Both, effective: float) -> Estimates:
    snips, dr = (
        _interval(two.less(one), effective, _ANY) for one, two in zip(old, new, strict=True)
    )
    return Estimates(snips=snips, dr=dr)


def _beside(name: Name, taken: _Taken, other: _Taken) -> _Taken:
    """Returns what a policy takes where the figure is known of what the other takes too."""
    pairs = zip(taken, other, strict=True)
    return [one if _is_known(name, two) else None for one, two in pairs]


def _is_known(name: Name, terms: Mapping[Name, Terms] | None) -> bool:
    return terms is not None and not isinstance(terms[name], NoCost)
