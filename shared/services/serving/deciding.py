"""How requests that are alike are decided: computed once for each kind, kept with the view.

Alike are requests of one pattern, neighbourhood, length, set of models and prices. A new snapshot
is a new view and starts anew; a moved preference is a new kind. So the operator's trade-off works
at once, and a decision costs a look into a dictionary and one random number.
"""

import math

from shared.domain.learning.config import ModelId
from shared.domain.learning.decision import Odds, odds
from shared.domain.learning.preference import Preference
from shared.services.serving.candidates import Allowed, Tokens
from shared.services.serving.current import View

MAX_KINDS = 4096
"""Kinds of requests that a view keeps; all are forgotten when there are more."""

_STEPS = 4.0
"""Lengths within a step of 2 ** (1/4) count as one: a predicted cost is off by at most 10 %."""


def odds_for(
    view: View, allowed: Allowed, pattern: str, cell: str, tokens: Tokens, exploration_rate: float
) -> Odds:
    """Returns the odds of a request.

    Raises:
        InvalidInput: no model may answer it.
    """
    settings = view.settings
    preference = Preference(settings.answer_worth_usd, settings.quality_floor)
    size = round(_STEPS * math.log2(max(1, tokens.input))) if preference.asks else 0
    models = allowed.models
    prices = allowed.prices
    own = None if prices is view.prices else tuple([prices.get(model) for model in models])
    kind = (pattern, cell, size, models, own, tokens.output, preference, exploration_rate)
    found = view.odds.get(kind)
    if found is None:
        length = round(2 ** (size / _STEPS))
        found = odds(
            view.policy,
            pattern,
            models,
            exploration_rate=exploration_rate,
            cell=cell,
            preference=preference,
            costs=_costs(view, allowed, pattern, cell, Tokens(length, tokens.output))
            if preference.asks
            else None,
        )
        if len(view.odds) >= MAX_KINDS:
            view.odds.clear()
        view.odds[kind] = found
    return found


def _costs(
    view: View, allowed: Allowed, pattern: str, cell: str, tokens: Tokens
) -> dict[ModelId, float]:
    """Returns what each model of known price is predicted to cost, in US dollars.

    The prompt's length times the price, and the mean length of the model's answers times theirs;
    where nothing was answered yet, the length that the caller expects.
    """
    costs = {}
    for model in allowed.models:
        answer = view.policy.belief(pattern, cell, model).output_tokens
        length = tokens.output if answer is None else round(answer)
        cost = allowed.cost_usd(model, Tokens(tokens.input, length))
        if cost is not None:
            costs[model] = cost
    return costs
