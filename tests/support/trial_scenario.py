"""What is tried out and which model has changed, for the pages that show it."""

import random
from dataclasses import replace

from shared.domain.feedback import RatingEvidence
from shared.domain.learning.trials import label
from shared.domain.times import day_number
from shared.messages.trials import NewArm, StartExperiment, TrialView
from shared.services import canarying, drifting, experimenting
from shared.services.snapshots import head_of
from tests.support.learning import ADMIN, run
from tests.support.system import WORKSPACE, System

LARGE_COST, SMALL_COST = 2_000_000, 100_000


async def ratings(system: System, count: int, share: float, *, seed: int = 1, **more) -> None:
    """Appends ratings of which about a share is right."""
    chance, now = random.Random(seed), system.clock.now_text()
    row = RatingEvidence(
        at=now,
        day=day_number(now),
        feedback_id="",
        request_id="",
        rater="ada",
        pattern="math",
        provider="local",
        model="small",
        snapshot_id="",
        sign=1,
        quality=5,
        correct=1,
        cost_nanousd=SMALL_COST,
        costed=1,
        latency_ms=700,
        timed=1,
        propensity=0.5,
    )
    rows = []
    for number in range(count):
        right = chance.random() < share
        fields = {
            "feedback_id": f"fb_{seed}_{number}",
            "request_id": f"req_{seed}_{number}",
            "quality": 5 if right else 2,
        }
        rows.append(replace(row, **fields, correct=int(right), **more))

    async def write(tx) -> None:
        tx.append(*rows)

    await system.store.transact(WORKSPACE, write)


async def changed(system: System) -> None:
    """Has a model fall, and what looks for that notice it."""
    await ratings(system, 250, 0.9, seed=2)
    await ratings(system, 120, 0.3, seed=3)
    await drifting.look(system.deps, WORKSPACE)


async def changed_back(system: System) -> None:
    """Has the ratings that proved the fall taken back."""
    await ratings(system, 120, 0.3, seed=3, sign=-1)
    await drifting.look(system.deps, WORKSPACE)


async def experiment(system: System) -> TrialView:
    """Runs an experiment long enough that something is known."""
    command = StartExperiment(
        name="Is the large model worth its price?",
        arms=[
            NewArm(name="small", share=0.1, provider="local", model="small"),
            NewArm(name="large", share=0.1, provider="other", model="large"),
        ],
        guardrails=[{"metric": "correctness", "limit": 0.2}],
    )
    started = await experimenting.start(system.deps, ADMIN, command, None)
    system.clock.advance(7_200)
    sides = (("small", 0.6, SMALL_COST), ("large", 0.9, LARGE_COST))
    for seed, (arm, share, cost) in enumerate(sides, 10):
        more = {"arm": label(started.trial_id, arm), "cost_nanousd": cost, "pattern": "summary"}
        await ratings(system, 150, share, seed=seed, **more)
    await experimenting.look(system.deps, WORKSPACE, await head_of(system.deps, WORKSPACE))
    return started


async def canary(system: System) -> TrialView:
    """Has a run's snapshot tried on a fifth of the traffic, too shortly to be judged."""
    await system.change_settings(canary_share=0.2)
    await run(system)
    status = await canarying.status(system.deps, ADMIN)
    assert status.running is not None
    trial = status.running
    system.clock.advance(1_800)
    for seed, (arm, share) in enumerate((("current", 0.7), ("candidate", 0.8)), 20):
        more = {"arm": label(trial.trial_id, arm), "pattern": "summary"}
        await ratings(system, 25, share, seed=seed, **more)
    await canarying.look(system.deps, WORKSPACE, await head_of(system.deps, WORKSPACE))
    return trial
