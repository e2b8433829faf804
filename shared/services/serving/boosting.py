"""Boost: how much an agent's recommendations should count, from the trust that it has earned."""

from shared.domain.access import Caller
from shared.domain.feedback import AGENTS
from shared.domain.learning.trust import ALL_TYPES, TrustCard, neutral
from shared.errors import NotFound
from shared.messages.serving_reading import BoostAnswer, BoostParams
from shared.services.deps import Deps
from shared.services.serving.current import current_view


async def boost(deps: Deps, caller: Caller, agent_id: str, params: BoostParams) -> BoostAnswer:
    """Returns an agent's boost for a type of recommendation.

    Where it has no outcome of that type yet, its overall one; where it has none at all, a neutral
    one.

    Raises:
        NotFound: the agent has never recommended anything here. Not neutral, because a misspelt id
            would then look like an agent without a record.
    """
    view = await current_view(deps, caller.workspace)
    overall = view.cards.get((agent_id, ALL_TYPES))
    card = view.cards.get((agent_id, params.recommendation_type)) or overall
    if card is None:
        if await deps.store.get(caller.workspace, AGENTS, agent_id) is None:
            raise NotFound(f"no agent {agent_id} has recommended anything in this workspace")
        card = neutral(agent_id)
    disabled = card.disabled or (overall is not None and overall.disabled)
    if disabled and await _on_probation(deps, caller, agent_id, overall or card):
        disabled = False
    return BoostAnswer(
        agent_id=agent_id,
        recommendation_type=params.recommendation_type,
        boost=card.boost,
        priority=card.priority,
        trust=card.overall,
        n=card.n,
        disabled=disabled,
        reason=_reason(card, params.recommendation_type, disabled=disabled),
        snapshot_id=view.snapshot_id,
    )


async def _on_probation(deps: Deps, caller: Caller, agent_id: str, overall: TrustCard) -> bool:
    """Returns whether a person has lifted that the agent is disabled, and it still counts."""
    agent = await deps.store.get(caller.workspace, AGENTS, agent_id)
    outcomes = deps.options.learning.trust.min_n
    return agent is not None and agent.on_probation(overall.n, outcomes)


def _reason(card: TrustCard, asked: str, *, disabled: bool) -> str:
    if disabled:
        return "Disabled: its trust is below the bar; a person should look before it is heard."
    if card.n == 0:
        return "Neutral: none of its recommendations has an outcome that was learned from yet."
    where = (
        f"of type {asked}" if card.recommendation_type == asked != ALL_TYPES else "over all types"
    )
    rate = "" if card.approval_rate is None else f", {card.approval_rate:.0%} approved"
    return f"{card.n} recommendations {where} with an outcome{rate}; trend {card.trend.direction}."
