"""What tests of feedback and learning have in common: ratings, recommendations, runs."""

from typing import Any

from shared.domain.feedback import (
    ROUTING_DECISIONS,
    OutcomeEvidence,
    RatingEvidence,
    RoutingDecision,
)
from shared.domain.learning.runs import LEARNING_HEADS, RUNS, LearningHead, TrainingRun
from shared.domain.times import day_number
from shared.messages.rating import RecordFeedback
from shared.messages.submitting import SubmitRecommendation
from shared.messages.training import RunView
from shared.services import rating, recommending, training
from tests.support.system import WORKSPACE, System, caller

ADMIN = caller("ada", role="admin")


async def routed(
    system: System,
    request_id: str = "req_1",
    *,
    workspace: str = WORKSPACE,
    **more: Any,
) -> RoutingDecision:
    """Stores a routing decision, as serving does."""
    fields = {
        "pattern": "code",
        "complexity": 0.5,
        "provider": "local",
        "model": "small",
        "confidence": 0.0,
        "explored": False,
        "propensity": 0.5,
        "snapshot_id": None,
        "reason": "a test",
        "estimated_cost_usd": 0.002,
        "latency_ms": 700,
        "decided_at": system.clock.now_text(),
    }
    decision = RoutingDecision(id=request_id, **{**fields, **more})

    async def write(tx: Any) -> None:
        tx.put(ROUTING_DECISIONS, decision)

    await system.store.transact(workspace, write)
    return decision


async def rate(system: System, request_id: str = "req_1", quality: int = 5, **more: Any) -> Any:
    """Rates a request as ada, an admin."""
    command = RecordFeedback(
        request_id=request_id,
        quality_score=quality,
        is_correct=more.pop("is_correct", quality >= 4),
        **more,
    )
    return await rating.record_feedback(system.deps, ADMIN, command, None)


async def evidence(
    system: System,
    count: int,
    *,
    pattern: str = "code",
    model: str = "small",
    provider: str = "local",
    quality: int = 5,
    snapshot_id: str | None = None,
    cost_nanousd: int = 1_000_000,
    workspace: str = WORKSPACE,
    arm: str = "",
) -> None:
    """Appends equal ratings to the evidence log, as many requests and ratings would."""
    now = system.clock.now_text()
    row = RatingEvidence(
        at=now,
        day=day_number(now),
        feedback_id="fb_x",
        request_id="req_x",
        rater="ada",
        pattern=pattern,
        provider=provider,
        model=model,
        snapshot_id=snapshot_id or "",
        sign=1,
        quality=quality,
        correct=int(quality >= 4),
        cost_nanousd=cost_nanousd,
        costed=1,
        latency_ms=700,
        timed=1,
        propensity=0.5,
        arm=arm,
    )

    await _append(system, workspace, row, count)


async def settled(
    system: System,
    count: int,
    *,
    agent_id: str = "a1",
    points: int = 2,
    completed: int = 1,
    kind: str = "discount",
) -> None:
    """Appends equal outcomes of an agent to the evidence log."""
    now = system.clock.now_text()
    row = OutcomeEvidence(
        at=now,
        day=day_number(now),
        second=day_number(now) * 86_400 + 43_200,
        recommendation_id="rec_x",
        workflow_id="wf_x",
        agent_id=agent_id,
        recommendation_type=kind,
        completed=completed,
        points=points if completed else 0,
        quality=400 * points,
        timely=1,
        agreed=0,
        confident=1,
        confidence_millis=900,
    )

    await _append(system, WORKSPACE, row, count)


async def _append(
    system: System, workspace: str, row: RatingEvidence | OutcomeEvidence, count: int
) -> None:
    for start in range(0, count, 400):

        async def write(tx: Any, size: int = min(400, count - start)) -> None:
            tx.append(*[row] * size)

        await system.store.transact(workspace, write)


async def recommended(
    system: System,
    agent_id: str = "a1",
    *,
    workflow_id: str = "wf-1",
    content: str = "Offer 10 %.",
    confidence_score: float = 0.9,
    recommendation_type: str = "discount",
) -> str:
    """Submits a recommendation and returns its id."""
    command = SubmitRecommendation(
        agent_id=agent_id,
        agent_name=f"Agent {agent_id}",
        correlation_id="case-1",
        workflow_id=workflow_id,
        recommendation_type=recommendation_type,
        content=content,
        confidence_score=confidence_score,
    )
    answer = await recommending.submit_recommendation(system.deps, ADMIN, command, None)
    return answer.recommendation_id


async def run(
    system: System, *, dry_run: bool = False, who: Any = ADMIN, key: Any = None
) -> RunView:
    """Runs (or previews) as a person."""
    return await training.start_run(system.deps, who, "a test", key, dry_run=dry_run)


async def head(system: System, workspace: str = WORKSPACE) -> LearningHead:
    """Returns where learning stands."""
    return await system.store.get(workspace, LEARNING_HEADS, "head") or LearningHead(id="head")


async def runs(system: System, workspace: str = WORKSPACE) -> list[TrainingRun]:
    """Returns every run, newest first."""
    return (await system.store.find(workspace, RUNS, limit=100)).items


def rows(system: System, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Returns what an operator's query finds."""
    return system.store._reading.execute(sql, parameters).fetchall()
