"""What tests of serving have in common: snapshots made current by hand, and decisions read back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shared.adapters.provider_openai import OpenAIProvider
from shared.domain.feedback import ROUTING_DECISIONS, RoutingDecision
from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.ranking import ModelFigures, PatternPolicy
from shared.domain.learning.routing import RoutingPolicy
from shared.domain.learning.runs import LEARNING_HEADS, SNAPSHOTS, LearningHead, SnapshotInfo
from shared.domain.learning.snapshot import Snapshot, Totals, checksum, snapshot_id, to_bytes
from shared.domain.learning.trust import TrustCard
from tests.fakes.openai_server import OpenAIServer
from tests.support.system import WORKSPACE, System

SMALL, MEDIUM, LARGE = (
    ModelId("local", "small"),
    ModelId("local", "medium"),
    ModelId("other", "large"),
)
CODE = "Write a Python function that returns the n-th Fibonacci number."


def figures(model: ModelId, *, tier: str = "HIGH", confidence: float = 0.9) -> ModelFigures:
    """Returns figures of a model that has proved itself."""
    return ModelFigures(
        provider=model.provider,
        model=model.model,
        n=40,
        n_effective=40,
        mean_quality=4.5,
        quality_lower=4.3,
        correctness=0.95,
        correctness_lower=0.9,
        mean_cost_usd=0.001,
        mean_latency_ms=800,
        tier=tier,
        value=0.9,
        confidence=confidence,
        holds_up=tier != "LOW",
        why="the evidence of a test",
    )


def snapshot(
    ranking: dict[str, list[ModelId]] | None = None,
    *,
    default: ModelId | None = None,
    trust: tuple[TrustCard, ...] = (),
) -> Snapshot:
    """Returns a snapshot whose patterns go to the first model of each ranking."""
    rows = tuple(
        PatternPolicy(
            pattern=pattern,
            choice=models[0],
            why=f"{models[0]} is best for {pattern}.",
            ranking=tuple(figures(model) for model in models),
        )
        for pattern, models in sorted((ranking or {}).items())
    )
    return Snapshot(
        config=LearningConfig(default_model=default),
        ratings_watermark=len(rows),
        outcomes_watermark=0,
        as_of="2026-01-01",
        policy=RoutingPolicy(default_model=default, rows=rows),
        trust=trust,
        patterns=(),
        totals=Totals(
            ratings=40,
            mean_quality=4.5,
            correctness=0.95,
            groups=1,
            recommendations=0,
            completed=0,
            approval_rate=None,
            agents=0,
        ),
    )


async def store_snapshot(system: System, made: Snapshot, *, workspace: str = WORKSPACE) -> str:
    """Stores a snapshot as a run does, without making it current, and returns its id."""
    data = to_bytes(made)
    name = snapshot_id(workspace, data)
    key = f"{workspace}/snapshots/{name}.json"
    await system.deps.blobs.put(key, data)
    info = SnapshotInfo(
        id=name,
        parent_id=None,
        run_id="run_test",
        blob_key=key,
        state_key=key,
        checksum=checksum(data),
        ratings_watermark=made.ratings_watermark,
        outcomes_watermark=made.outcomes_watermark,
        created_at=system.clock.now_text(),
    )

    async def write(tx: Any) -> None:
        tx.create(SNAPSHOTS, info)

    await system.store.transact(workspace, write)
    return name


async def point_at(system: System, name: str | None, *, workspace: str = WORKSPACE) -> None:
    """Moves the pointer to the current snapshot."""
    head = LearningHead(id="head", current_id=name, current_since=system.clock.now_text())

    async def write(tx: Any) -> None:
        tx.put(LEARNING_HEADS, head)

    await system.store.transact(workspace, write)


async def make_current(system: System, made: Snapshot, *, workspace: str = WORKSPACE) -> str:
    """Stores a snapshot, makes it current and returns its id."""
    name = await store_snapshot(system, made, workspace=workspace)
    await point_at(system, name, workspace=workspace)
    return name


async def decision_of(
    system: System, request_id: str, *, workspace: str = WORKSPACE
) -> RoutingDecision:
    """Returns a decision as it is on record."""
    found = await system.store.get(workspace, ROUTING_DECISIONS, request_id)
    assert found is not None
    return found


async def decisions_of(system: System, *, workspace: str = WORKSPACE) -> list[RoutingDecision]:
    """Returns all decisions of a workspace."""
    return (await system.store.find(workspace, ROUTING_DECISIONS, limit=500)).items


@asynccontextmanager
async def providers(system: System, server: OpenAIServer) -> AsyncIterator[None]:
    """Lets both providers of the catalogue be the local server."""
    made = {name: OpenAIProvider(name, server.base_url, "key") for name in ("local", "other")}
    system.deps.providers.update(made)
    try:
        yield
    finally:
        for one in made.values():
            await one.close()
