"""What the operator wants of cost and quality, applied when a request is decided.

Moving it needs no training: a snapshot has what is believed of each model's quality and length of
answers; prices and the preference come in here. Models are judged by the lower bound of what is
believed of them, so that one of which little is known is not taken for its luck.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.domain.learning.config import ModelId
from shared.domain.learning.routing import RoutingPolicy
from shared.domain.learning.spelling import above, at_least_in_100, in_100, per_1000
from shared.domain.learning.stats import normal_quantile


class Preference(NamedTuple):
    """At most one of the two is set.

    `answer_worth_usd` is what a perfect answer is worth above a useless one: a dearer model is
    taken where its gain in value (0..1) times that exceeds what it costs more. `quality_floor` asks
    for the cheapest model that proves this value, 0..1. With neither, the snapshot's own order
    holds: the cheapest whose quality holds up against the best.
    """

    answer_worth_usd: float | None = None
    quality_floor: float | None = None

    @property
    def asks(self) -> bool:
        """Whether either is set."""
        return self.answer_worth_usd is not None or self.quality_floor is not None

    def price_of(self, model: ModelId, costs: Mapping[ModelId, float]) -> float:
        """Returns a model's cost in units of value; 0 where nobody said what an answer is worth.

        A model of unknown cost counts as the dearest.
        """
        worth = self.answer_worth_usd
        if worth is None or not costs:
            return 0.0
        cost = costs.get(model)
        return (max(costs.values()) if cost is None else cost) / worth


NO_PREFERENCE = Preference()


def preferred(
    policy: RoutingPolicy,
    pattern: str,
    cell: str,
    models: Sequence[ModelId],
    preference: Preference,
    costs: Mapping[ModelId, float],
) -> tuple[ModelId, str]:
    """Returns which of the models the preference takes, and why; equally good ones by order."""
    z = normal_quantile(policy.confidence_level)
    proven = {}
    for model in models:
        belief = policy.belief(pattern, cell, model)
        proven[model] = belief.value - z * belief.spread
    most = max(models, key=lambda one: proven[one])
    floor = preference.quality_floor
    if floor is None:
        best = max(models, key=lambda one: proven[one] - preference.price_of(one, costs))
        return best, _balanced(best, most, proven, preference, costs)
    reaching = [model for model in models if proven[model] >= floor]
    if not reaching:
        wanted = f"{100 * floor:g} of 100 that is asked for"
        told = _scores(most, proven)
        return most, f"No proven model surely reaches the score of {wanted}; {told}."
    cheapest = min(reaching, key=lambda one: costs.get(one, float("inf")))
    least, wanted = above(proven[cheapest], floor)
    told = f"{cheapest} scores at least {least} of 100{_costs(cheapest, costs)}"
    why = f"the cheapest that surely reaches the score of {wanted} of 100 that is asked for."
    return cheapest, f"{told}: {why}"


def _balanced(
    best: ModelId,
    most: ModelId,
    proven: Mapping[ModelId, float],
    preference: Preference,
    costs: Mapping[ModelId, float],
) -> str:
    """Returns what was weighed where an answer has a worth: the score against what it costs."""
    told = f"{_scores(best, proven)}{_costs(best, costs)}"
    worth = f"where a perfect answer is worth ${preference.answer_worth_usd:g}"
    if len(proven) == 1:
        return f"{told}: no other model that may answer has proved itself here."
    if proven[most] <= proven[best]:
        known = costs.get(best, math.inf)
        if not any(costs.get(other, math.inf) < known for other in proven):
            return f"{told}: the highest score, and none of the proven models costs less."
        return f"{told}: the highest score, and {worth}, what a cheaper model saves is less."
    points = in_100(proven[most] - proven[best])
    more = "1 point more" if points == 1 else f"{points} points more"
    are = "is not worth what it costs" if points == 1 else "are not worth what they cost"
    return f"{told}; {worth}, {more} of {most}{_costs(most, costs, 'unknown cost')} {are}."


def _scores(model: ModelId, proven: Mapping[ModelId, float]) -> str:
    """Returns a model's score: half for right answers, half for ratings."""
    return f"{model} scores at least {max(0, at_least_in_100(proven[model]))} of 100"


def _costs(model: ModelId, costs: Mapping[ModelId, float], unknown: str = "") -> str:
    known = costs.get(model)
    if known is None:
        return f" ({unknown})" if unknown else ""
    return f" at {per_1000(known)} per 1,000 requests"
