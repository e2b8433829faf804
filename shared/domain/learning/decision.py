"""One routing decision: the policy's choice, or with a small known probability a random candidate.

The hot path of the serving function: no I/O, no allocation to speak of. Every decision knows its
propensity, the probability with which it was made, because that is what lets a later run learn from
it without bias.
"""

from collections.abc import Sequence
from typing import NamedTuple

from shared.domain.learning.config import ModelId
from shared.domain.learning.routing import RoutingPolicy
from shared.errors import InvalidInput


class Choice(NamedTuple):
    """Where a request goes.

    `propensity` is in (0, 1], `confidence` in 0..1, 0 for a model without ratings here.
    `explored` says that chance made the choice, and that it differs from what the policy would have
    chosen.
    """

    provider: str
    model: str
    propensity: float
    explored: bool
    confidence: float
    reason: str


def decide(
    policy: RoutingPolicy,
    pattern: str,
    candidates: Sequence[ModelId],
    *,
    u: float,
    exploration_rate: float,
) -> Choice:
    """Returns the choice for one request.

    Epsilon-greedy (Sutton, Barto, "Reinforcement Learning", 2nd ed., section 2.2): with probability
    1 - exploration_rate the best allowed model, else one of the candidates, each as likely. The
    best one's propensity is therefore 1 - rate + rate / k among k candidates, every other's rate /
    k.

    Args:
        policy: the current table.
        pattern: of the prompt.
        candidates: the models that may answer (known, allowed and affordable), in the operator's
            order.
        u: a uniform random number in [0, 1).
        exploration_rate: 0..1.

    Raises:
        InvalidInput: there is no candidate.
    """
    models = list(dict.fromkeys(candidates))
    greedy, reason = _best(policy, pattern, models)
    chosen, share = greedy, exploration_rate / len(models)
    if u >= 1 - exploration_rate:
        position = int((u - (1 - exploration_rate)) / share) if share else 0
        chosen = models[min(position, len(models) - 1)]
    row = policy.by_pattern.get(pattern)
    confidence = row.confidence_of.get(chosen, 0.0) if row else 0.0
    if chosen != greedy:
        reason = f"Exploring: {chosen.provider}/{chosen.model} gets a try."
        return Choice(*chosen, share, True, confidence, reason)  # noqa: FBT003 - a field in its place
    return Choice(*chosen, 1 - exploration_rate + share, False, confidence, reason)  # noqa: FBT003


def _best(policy: RoutingPolicy, pattern: str, models: Sequence[ModelId]) -> tuple[ModelId, str]:
    if not models:
        msg = "No model may answer this request: loosen candidates or max_cost."
        raise InvalidInput(msg)
    row = policy.by_pattern.get(pattern)
    if row is not None:
        for place, model in enumerate(row.qualified):
            if model in models:
                return model, row.why if place == 0 else _PLACE
    default = policy.default_model
    if default is not None and default in models:
        return default, _DEFAULT
    return models[0], _FIRST


_PLACE = "The best proven model among those that this request allows."
_DEFAULT = "No model has proved itself for this pattern yet: the configured default."
_FIRST = (
    "No model has proved itself for this pattern and no default is allowed: the first candidate."
)


def fallback_order(
    policy: RoutingPolicy, pattern: str, candidates: Sequence[ModelId], first: ModelId
) -> list[ModelId]:
    """Returns the candidates in the order in which to try them, each once.

    `first` (the decision) is in front, then the proven models by the policy's ranking, the default,
    and the rest in the operator's order.
    """
    row = policy.by_pattern.get(pattern)
    ranked = [first, *(row.qualified if row else ()), policy.default_model, *candidates]
    allowed = {first, *candidates}
    return list(dict.fromkeys(model for model in ranked if model is not None and model in allowed))
