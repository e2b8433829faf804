"""Which models may answer a request, and what they would cost.

Prices are those of the request, else those of the catalogue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.learning.config import ModelId
from shared.domain.models import Price
from shared.errors import InvalidInput
from shared.messages.serving import Candidate
from shared.services.serving.current import View


@dataclass(frozen=True, slots=True)
class Tokens:
    """How long a request is and its answer will be, in tokens, by estimate."""

    input: int
    output: int


@dataclass(frozen=True, slots=True)
class Allowed:
    """The models that may answer, in the caller's order, and every price that is known."""

    models: tuple[ModelId, ...]
    prices: Mapping[ModelId, Price]

    def cost_usd(self, model: ModelId, tokens: Tokens) -> float | None:
        """Returns what a request costs with a model, in US dollars; None without a price."""
        price = self.prices.get(model)
        return None if price is None else price.cost_usd(tokens.input, tokens.output)


def allowed_models(
    view: View, candidates: Sequence[Candidate] | None, max_cost: float | None, tokens: Tokens
) -> Allowed:
    """Returns the models that a request allows.

    Raises:
        InvalidInput: there is none: no candidates, or all above `max_cost`.
    """
    allowed = Allowed(view.models, view.prices) if candidates is None else _given(view, candidates)
    if not allowed.models:
        raise InvalidInput.field(
            "/candidates", "no model is configured: name the models that may answer"
        )
    return allowed if max_cost is None else _affordable(allowed, max_cost, tokens)


def _given(view: View, candidates: Sequence[Candidate]) -> Allowed:
    own: dict[ModelId, Price] = {}
    models: dict[ModelId, None] = {}
    for place, one in enumerate(candidates):
        model = ModelId(one.provider, one.model)
        models[model] = None
        if one.usd_per_m_input is not None and one.usd_per_m_output is not None:
            own[model] = Price(one.usd_per_m_input, one.usd_per_m_output)
        elif one.usd_per_m_input is not None or one.usd_per_m_output is not None:
            raise InvalidInput.field(f"/candidates/{place}", "give both prices, or none")
    return Allowed(tuple(models), {**view.prices, **own} if own else view.prices)


def _affordable(allowed: Allowed, max_cost: float, tokens: Tokens) -> Allowed:
    """Keeps the models whose estimate is known and not above `max_cost`."""
    costs = {model: allowed.cost_usd(model, tokens) for model in allowed.models}
    known = {model: cost for model, cost in costs.items() if cost is not None}
    models = tuple(model for model, cost in known.items() if cost <= max_cost)
    if models:
        return Allowed(models, allowed.prices)
    if not known:
        raise InvalidInput.field("/max_cost", "none of the candidates has a price to compare with")
    cheapest = min(known, key=lambda model: known[model])
    raise InvalidInput.field(
        "/max_cost",
        f"the cheapest candidate, {cheapest}, costs about {known[cheapest]:.9f} USD",
    )
