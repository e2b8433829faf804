"""One routing decision: the policy's choice, or with known odds a model that is being explored.

The hot path of the serving function: no I/O, no allocation to speak of. What a decision depends on
besides chance are `Odds`, which the caller keeps for requests that are alike; every decision knows
its propensity, the probability with which it was made, because that is what lets a later run learn
from it without bias.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.domain.learning.config import ModelId
from shared.domain.learning.exploring import shares, with_new
from shared.domain.learning.preference import NO_PREFERENCE, Preference, preferred
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


class Best(NamedTuple):
    """What a policy chooses for one kind of request, unless chance decides, and why."""

    greedy: ModelId
    reason: str


class Odds(NamedTuple):
    """How one kind of request is decided: `models` with their propensities, which sum to 1.

    `greedy` is the policy's choice and stands first; `confidence` is by model, where it was rated.
    """

    models: tuple[ModelId, ...]
    propensities: tuple[float, ...]
    reason: str
    confidence: Mapping[ModelId, float]

    @property
    def greedy(self) -> ModelId:
        """What the policy chooses."""
        return self.models[0]

    def draw(self, u: float) -> Choice:
        """Returns the choice for one request; `u` is a uniform random number in [0, 1)."""
        place, left = 0, u
        propensities = self.propensities
        while left >= propensities[place] and place + 1 < len(propensities):
            left -= propensities[place]
            place += 1
        chosen = self.models[place]
        confidence = self.confidence.get(chosen, 0.0)
        if place == 0:
            return Choice(*chosen, propensities[0], False, confidence, self.reason)  # noqa: FBT003 - a field in its place
        share = 100 * propensities[place]
        often = f"{share:.0f}" if share >= 1 else "fewer than 1"
        reason = f"By chance ({often} in 100 such requests): {chosen} gets a try."
        return Choice(*chosen, propensities[place], True, confidence, reason)  # noqa: FBT003


def odds(
    policy: RoutingPolicy,
    pattern: str,
    candidates: Sequence[ModelId],
    *,
    exploration_rate: float,
    cell: str = "",
    preference: Preference = NO_PREFERENCE,
    costs: Mapping[ModelId, float] | None = None,
) -> Odds:
    """Returns how requests of this kind are decided.

    With probability 1 - exploration_rate the best allowed model, else one that is drawn as often as
    it may be the best (see `exploring`); the best one may be drawn too.

    Args:
        policy: the current table.
        pattern: of the prompt.
        candidates: the models that may answer (known, allowed and affordable), in the operator's
            order.
        exploration_rate: 0..1; more where a model has changed a short while ago, unless it is 0.
        cell: the neighbourhood of the prompt.
        preference: what the operator wants of cost and quality.
        costs: what the request is predicted to cost with each model, US dollars, where known.

    Raises:
        InvalidInput: there is no candidate.
    """
    models = list(dict.fromkeys(candidates))
    greedy, reason = best(policy, pattern, models, cell=cell, preference=preference, costs=costs)
    models.remove(greedy)
    models.insert(0, greedy)
    row = policy.by_pattern.get(pattern)
    confidence = row.confidence_of if row else {}
    if pattern in policy.shaken and exploration_rate > 0:
        exploration_rate = max(exploration_rate, policy.shaken_rate)
    if exploration_rate <= 0 or len(models) == 1:
        rest = (0.0,) * (len(models) - 1)
        return Odds(tuple(models), (1.0, *rest), reason, confidence)
    drawn = _drawn(policy, pattern, cell, models, preference, costs or {})
    propensities = [exploration_rate * share for share in drawn]
    propensities[0] += 1 - exploration_rate
    return Odds(tuple(models), tuple(propensities), reason, confidence)


def decide(
    policy: RoutingPolicy,
    pattern: str,
    candidates: Sequence[ModelId],
    *,
    u: float,
    exploration_rate: float,
) -> Choice:
    """Returns the choice for one request without a preference; see `odds` and `Odds.draw`.

    Raises:
        InvalidInput: there is no candidate.
    """
    return odds(policy, pattern, candidates, exploration_rate=exploration_rate).draw(u)


def _drawn(
    policy: RoutingPolicy,
    pattern: str,
    cell: str,
    models: Sequence[ModelId],
    preference: Preference,
    costs: Mapping[ModelId, float],
) -> list[float]:
    believed = [policy.belief(pattern, cell, model) for model in models]
    worth = [
        belief.value - preference.price_of(model, costs)
        for model, belief in zip(models, believed, strict=True)
    ]
    boldness = policy.boldness
    drawn = shares(worth, [max(1e-9, boldness * belief.spread) for belief in believed])
    return with_new(drawn, [policy.beliefs.is_new(model) for model in models])


def best(
    policy: RoutingPolicy,
    pattern: str,
    candidates: Sequence[ModelId],
    *,
    cell: str = "",
    preference: Preference = NO_PREFERENCE,
    costs: Mapping[ModelId, float] | None = None,
) -> Best:
    """Returns what the policy chooses for requests of this kind; see `odds`.

    Raises:
        InvalidInput: there is no candidate.
    """
    if not candidates:
        msg = "No model may answer this request: loosen candidates or max_cost."
        raise InvalidInput(msg)
    row = policy.by_pattern.get(pattern)
    if row is not None:
        allowed = [model for model in row.qualified if model in candidates]
        if allowed and preference.asks:
            return Best(*preferred(policy, pattern, cell, allowed, preference, costs or {}))
        if allowed:
            first = row.qualified[0]
            reason = row.why if allowed[0] == first else _next_best(allowed[0], first)
            return Best(allowed[0], reason)
    default = policy.default_model
    if default is not None and default in candidates:
        return Best(default, _DEFAULT.format(default, pattern))
    return Best(candidates[0], _FIRST.format(candidates[0], pattern))


def _next_best(taken: ModelId, first: ModelId) -> str:
    return f"{taken} comes next: {first}, which would be chosen, is not allowed for this request."


_DEFAULT = (
    "{} is the configured default: no model that is allowed has enough good ratings in {} yet."
)
_FIRST = (
    "{} is the first of the models that are allowed: none has enough good ratings in {} yet, and "
    "the default is not among them."
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
