"""Agents' recommendations: recorded with the agent's confidence, settled by an outcome later."""

import hashlib

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.feedback import AGENTS, OUTCOMES, RECOMMENDATIONS, Agent, Recommendation
from shared.errors import Conflict, InvalidInput
from shared.messages.submitting import RecommendationSubmitted, SubmitRecommendation
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.unit import audited, once, writable

MOST_TYPES = 500
"""Types of recommendations of one agent, at most: each costs room in its record and its trust."""


async def submit_recommendation(
    deps: Deps, caller: Caller, command: SubmitRecommendation, key: IdempotencyKey | None
) -> RecommendationSubmitted:
    """Stores a recommendation, and its agent where it was not known.

    Raises:
        InvalidInput: its agent would have more than `MOST_TYPES` types of recommendations.
        Conflict: an outcome has settled the workflow: nothing would ever settle this one.
    """
    await writable(deps, caller.workspace)
    recommendation_id = deps.ids.new("rec")
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> RecommendationSubmitted:
        settled = await tx.get(OUTCOMES, command.workflow_id)
        if settled is not None:
            detail = f"workflow {settled.id} was settled at {settled.recorded_at}"
            facts = {"outcome_id": settled.outcome_id}
            raise Conflict(f"{detail} and takes no more recommendations", facts=facts)
        agent = await tx.get(AGENTS, command.agent_id)
        seen = _seen(agent, command, now)
        if seen is not agent:
            tx.put(AGENTS, seen)
        tx.create(RECOMMENDATIONS, _recommendation(recommendation_id, caller, command, now))
        tx.audit(
            audited(
                caller,
                now,
                "recommendation.submitted",
                recommendation_id,
                agent_id=command.agent_id,
            )
        )
        return RecommendationSubmitted(recommendation_id=recommendation_id)

    return await once(deps, caller, key, RecommendationSubmitted, work)


def _seen(agent: Agent | None, command: SubmitRecommendation, now: str) -> Agent:
    """Returns the agent as it is known from now on.

    Itself where nothing is new, so that busy agents cost no write.
    """
    kind = command.recommendation_type
    if agent is None:
        return Agent(
            id=command.agent_id,
            name=command.agent_name,
            recommendation_types=[kind],
            first_seen_at=now,
            last_seen_at=now,
        )
    if agent.name == command.agent_name and kind in agent.recommendation_types:
        return agent
    kinds = sorted({*agent.recommendation_types, kind})
    if len(kinds) > MOST_TYPES and kind not in agent.recommendation_types:
        detail = f"agent {agent.id} has {MOST_TYPES} types already; name one of those"
        raise InvalidInput.field("/recommendation_type", detail)
    return agent.model_copy(
        update={"name": command.agent_name, "recommendation_types": kinds, "last_seen_at": now}
    )


def _recommendation(
    recommendation_id: str, caller: Caller, command: SubmitRecommendation, now: str
) -> Recommendation:
    return Recommendation(
        id=recommendation_id,
        **command.model_dump(),
        content_hash=hashlib.sha256(" ".join(command.content.lower().split()).encode()).hexdigest(),
        submitted_by=caller.subject,
        created_at=now,
    )
