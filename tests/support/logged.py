"""Rated requests of two models in the evidence log, each model drawn half of the time."""

import random
from collections.abc import Sequence

from shared.domain.feedback import RatingEvidence
from shared.domain.learning.bundles import bundle_of
from shared.domain.times import day_number
from shared.ports import Store, Transaction
from tests.support.serving import LARGE, SMALL
from tests.support.system import WORKSPACE

NOW = "2026-01-01T12:00:00.000000Z"
RIGHT = (0.5, 0.9)
"""How often the small and the large model are right."""


async def logged(store: Store, count: int, workspace: str = WORKSPACE) -> None:
    """Stores rated requests, each model drawn half of the time; the large one is better."""
    chance = random.Random(5)
    rows = [one_of(number, int(chance.random() < RIGHT[number % 2])) for number in range(count)]
    await append(store, rows, workspace)


async def append(store: Store, rows: Sequence[RatingEvidence], workspace: str = WORKSPACE) -> None:
    """Stores ratings in this order."""
    for start in range(0, len(rows), 500):

        async def write(tx: Transaction, start: int = start) -> None:
            for row in rows[start : start + 500]:
                tx.append(row)

        await store.transact(workspace, write)


def one_of(number: int, correct: int) -> RatingEvidence:
    """Returns the rating of one request; every other one went to the large model."""
    model, cost = ((SMALL, 1_000_000), (LARGE, 5_000_000))[number % 2]
    return RatingEvidence(
        at=NOW,
        day=day_number(NOW),
        feedback_id=f"fb_{number}",
        request_id=f"req_{number}",
        rater="ada",
        pattern="code",
        provider=model.provider,
        model=model.model,
        snapshot_id="",
        sign=1,
        quality=5 if correct else 2,
        correct=correct,
        cost_nanousd=cost,
        costed=1,
        latency_ms=1,
        timed=1,
        propensity=0.5,
        weight=512,
        input_tokens=100,
        output_tokens=100,
        tokened=1,
        bundle=bundle_of(f"req_{number}", 0),
    )
