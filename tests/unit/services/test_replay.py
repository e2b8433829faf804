"""Promise 5: learning is a fold. However the log was read, the same evidence is the same bytes."""

import asyncio
import json
import shutil
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.domain.feedback import OutcomeEvidence, RatingEvidence
from shared.domain.learning.bundles import BUNDLES, NO_BUNDLE
from shared.domain.learning.config import LearningConfig
from shared.domain.learning.runs import SNAPSHOTS
from shared.services.deps import Options
from tests.support.learning import head, run
from tests.support.system import WORKSPACE, System, play

DAY = 20_454

rating_rows = st.builds(
    RatingEvidence,
    at=st.just("2026-01-01T12:00:00.000000Z"),
    day=st.integers(DAY - 90, DAY),
    feedback_id=st.just("fb_1"),
    request_id=st.just("req_1"),
    rater=st.just("ada"),
    pattern=st.sampled_from(["code", "math"]),
    provider=st.just("local"),
    model=st.sampled_from(["small", "medium", "large"]),
    snapshot_id=st.sampled_from(["", "snap_a"]),
    sign=st.just(1),
    quality=st.integers(1, 5),
    correct=st.integers(0, 1),
    cost_nanousd=st.integers(0, 10**9),
    costed=st.just(1),
    latency_ms=st.integers(0, 10_000),
    timed=st.just(1),
    propensity=st.just(0.5),
    cell=st.sampled_from(["", "1"]),
    weight=st.sampled_from([0, 256, 512, 5120]),
    input_tokens=st.integers(0, 1000),
    output_tokens=st.integers(0, 1000),
    tokened=st.integers(0, 1),
    standing=st.sampled_from([0, 1, 4]),
    epoch=st.integers(0, 1),
    bundle=st.sampled_from([NO_BUNDLE, 0, 1, BUNDLES + 1]),
)


def states(root: Path) -> Path:
    """Returns where the sums behind the snapshots are kept."""
    return root / "blobs" / "objects" / "learning" / WORKSPACE / "states"


def both(row: RatingEvidence, later: RatingEvidence) -> list[RatingEvidence]:
    """Returns a rating that was replaced by another of the same request."""
    changed = replace(
        row, day=later.day, quality=later.quality, correct=later.correct, feedback_id="fb_2"
    )
    return [row, replace(row, sign=-1), changed]


ratings = st.lists(
    st.one_of(rating_rows.map(lambda row: [row]), st.builds(both, rating_rows, rating_rows)),
    max_size=25,
).map(lambda groups: [row for group in groups for row in group])

outcomes = st.lists(
    st.builds(
        OutcomeEvidence,
        at=st.just("2026-01-01T12:00:00.000000Z"),
        day=st.just(DAY),
        second=st.integers(DAY * 86_400, DAY * 86_400 + 86_399),
        recommendation_id=st.just("rec_1"),
        workflow_id=st.just("wf-1"),
        agent_id=st.sampled_from(["a1", "a2"]),
        recommendation_type=st.sampled_from(["discount", "upgrade"]),
        completed=st.just(1),
        points=st.integers(0, 2),
        quality=st.integers(0, 1000),
        timely=st.integers(0, 1),
        agreed=st.integers(0, 1),
        confident=st.integers(0, 1),
        confidence_millis=st.integers(0, 1000),
        evaluator=st.sampled_from(["ann", "ben"]),
        ease_millis=st.integers(-1000, 1000),
    ),
    max_size=15,
)


async def append(system: System, rows: list[Any]) -> None:
    async def write(tx: Any) -> None:
        tx.append(*rows)

    if rows:
        await system.store.transact(WORKSPACE, write)


async def learned(system: System) -> tuple[str, bytes, bytes]:
    """Returns the id, the bytes and the sums of the current snapshot."""
    at = await head(system)
    info = await system.store.get(WORKSPACE, SNAPSHOTS, at.current_id)
    blobs = system.deps.blobs
    return (
        at.current_id,
        (await blobs.get(info.blob_key)).data,
        (await blobs.get(info.state_key)).data,
    )


async def learn(root: Path, *batches: list[Any], seed: int = 0, **options: Any) -> Any:
    """Runs after each batch and returns what was learned."""
    async with System(root, seed=seed, **options) as system:
        for batch in batches:
            await append(system, batch)
            done = await run(system)
            assert done.status == "succeeded", done.error
        return await learned(system)


def split(rows: list[Any], cuts: list[int]) -> list[list[Any]]:
    ends = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    return [rows[start:end] for start, end in pairwise(ends)]


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.generate],
)
@given(ratings, outcomes, st.lists(st.integers(0, 100), min_size=1, max_size=4), st.randoms())
def test_any_batches_lead_to_the_bytes_of_a_rebuild_from_the_log(rated, settled, cuts, chance):
    rows = [*rated, *settled]
    order = sorted(range(len(rows)), key=lambda at: (chance.random(), at))
    mixed = [rows[at] for at in order]  # take-backs may even come before what they take back
    with tempfile.TemporaryDirectory() as folder:
        whole, steps = Path(folder, "whole"), Path(folder, "steps")
        at_once = asyncio.run(learn(whole, mixed))
        in_steps = asyncio.run(learn(steps, *split(mixed, cuts)))
        assert in_steps == at_once
        shutil.rmtree(states(steps))
        assert asyncio.run(learn(steps, [], seed=1)) == at_once


def test_lost_sums_are_rebuilt_and_kept_again(tmp_path):
    async def scenario(system):
        await append(system, [RATING] * 12)
        await run(system)
        before = await learned(system)
        [state] = states(tmp_path).iterdir()
        state.write_bytes(b"damaged")
        again = await run(system)
        assert again.ratings_read == 12
        assert await learned(system) == before
        assert (await run(system)).ratings_read == 0

    play(tmp_path, scenario)


def test_another_half_life_weighs_all_evidence_anew(tmp_path):
    old = replace(RATING, day=DAY - 60, quality=1, correct=0)
    rows = [old] * 12 + [RATING] * 12
    short = Options(learning=LearningConfig(half_life_days=2))
    first = asyncio.run(learn(tmp_path / "a", rows))
    changed = asyncio.run(learn(tmp_path / "a", [], seed=1, options=short))
    assert changed[0] != first[0]
    assert changed == asyncio.run(learn(tmp_path / "b", rows, options=short))
    back = asyncio.run(learn(tmp_path / "a", [], seed=2))
    assert back == first


def test_no_new_evidence_leads_to_the_same_snapshot(tmp_path):
    async def scenario(system):
        await append(system, [RATING] * 12)
        await run(system)
        first = await learned(system)
        await system.drain()
        system.clock.advance(days=30)
        done = await run(system)
        assert (done.status, done.snapshot_id, done.ratings_read) == ("succeeded", first[0], 0)
        assert await learned(system) == first
        assert await system.drain() == []

    play(tmp_path, scenario)


def test_changes_are_evidence_that_any_batches_and_a_rebuild_find_alike(tmp_path):
    good = [replace(RATING, feedback_id=f"fb_{at}") for at in range(300)]
    bad = [replace(RATING, feedback_id=f"fb_x{at}", quality=1, correct=0) for at in range(40)]
    rows = [*good, *bad, *[replace(one, epoch=1) for one in good[:50]]]
    at_once = asyncio.run(learn(tmp_path / "whole", rows))
    in_steps = asyncio.run(learn(tmp_path / "steps", *split(rows, [7, 305, 311, 330])))
    assert in_steps == at_once
    assert json.loads(at_once[1])["changed"]
    shutil.rmtree(states(tmp_path / "steps"))
    assert asyncio.run(learn(tmp_path / "steps", [], seed=1)) == at_once


RATING = RatingEvidence(
    at="2026-01-01T12:00:00.000000Z",
    day=DAY,
    feedback_id="fb_1",
    request_id="req_1",
    rater="ada",
    pattern="code",
    provider="local",
    model="small",
    snapshot_id="",
    sign=1,
    quality=5,
    correct=1,
    cost_nanousd=1_000_000,
    costed=1,
    latency_ms=700,
    timed=1,
    propensity=0.5,
)
