"""Replaying a log judges what was learned on ratings that came later, a slice at a time."""

from dataclasses import replace
from itertools import pairwise

import pytest

from shared.domain.learning.config import DriftConfig, LearningConfig, TierRule
from shared.errors import InvalidInput
from shared.services import drifting, replaying
from shared.services.deps import Options
from shared.services.drifting import catch_up
from shared.services.replaying import replay
from tests.support.logged import append, logged, one_of
from tests.support.serving import LARGE
from tests.support.system import WORKSPACE, play

BAR = TierRule(n=5, quality=1, correctness=0)
OPTIONS = Options(learning=LearningConfig(high=BAR, medium=BAR))
WORTHS = (0.000001, 100.0)


def test_what_was_learned_early_is_judged_on_what_came_later(tmp_path):
    async def scenario(system):
        await logged(system.store, 2000)
        found = await replay(system.deps, WORKSPACE, WORTHS)
        assert [step.learned_from for step in found.steps] == list(range(200, 2000, 200))
        for step in found.steps:
            right = step.estimate.correctness.dr
            assert right.low < right.mean < right.high
            assert right.mean > step.logged + 0.05
        cheap, good = (one.estimate for one in found.frontier)
        assert cheap.cost_usd.dr.high < good.cost_usd.dr.low
        assert cheap.correctness.dr.high < good.correctness.dr.low

    play(tmp_path, scenario, options=OPTIONS)


def test_models_of_no_price_are_named_and_an_impossible_share_is_not_told(tmp_path):
    """More right answers are taken back of earlier slices than the last one has ratings."""

    async def scenario(system):
        rows = [one_of(number, 1) for number in range(180)]
        back = [replace(one, sign=-1) for one in rows[:15]]
        await append(system.store, [*rows, *back, *[one_of(900 + n, 0) for n in range(5)]])
        found = await replay(system.deps, WORKSPACE, WORTHS)
        assert found.steps[0].logged == 1.0
        assert found.steps[-1].logged is None
        assert found.unpriced == ()
        await append(system.store, [replace(one_of(1, 1), model="unheard", feedback_id="fb_x")])
        found = await replay(system.deps, WORKSPACE, WORTHS)
        assert [one.model for one in found.unpriced] == ["unheard"]

    play(tmp_path, scenario, options=OPTIONS)


def right(number):
    """The large model is always right and then never, the small one half of the time."""
    return int(number < 600) if number % 2 else int(number % 4 == 0)


async def fallen(system):
    """Has the large model fall; returns the place that proved it, and the replay.

    What was decided once the fall was proven is marked so, as serving does.
    """
    rows = [one_of(number, right(number)) for number in range(800)]
    await append(system.store, rows)
    await catch_up(system.deps, WORKSPACE)
    changed = (await drifting.head_of(system.deps, WORKSPACE)).changed
    later = [one_of(number, right(number)) for number in range(800, 1200)]
    marked = [
        replace(row, epoch=int(changed > 0 and row.provider == LARGE.provider)) for row in later
    ]
    await append(system.store, marked)
    return changed, await replay(system.deps, WORKSPACE, ())


@pytest.mark.parametrize("rate", [0.0001, 0.0])
def test_what_a_model_was_before_a_proven_change_counts_little_from_then_on(tmp_path, rate):
    async def scenario(system):
        changed, found = await fallen(system)
        learning = [step for step in found.steps if step.learned_from >= 840]
        found_right = [step.estimate.correctness.dr.mean for step in learning]
        if rate > 0:
            assert 600 < changed < 720
            assert min(found_right) > 0.45
        else:
            assert changed == 0
            assert min(found_right) < 0.05

    drift = DriftConfig(false_alarm_rate=rate)
    learning = LearningConfig(high=BAR, medium=BAR, drift=drift)
    play(tmp_path, scenario, options=Options(learning=learning))


def test_a_long_log_is_read_in_slices_of_bounded_length(tmp_path, monkeypatch):
    monkeypatch.setattr(replaying, "SLICE_ROWS", 30)

    async def scenario(system):
        await logged(system.store, 400)
        found = await replay(system.deps, WORKSPACE, ())
        ends = [step.learned_from for step in found.steps]
        assert len(ends) == 13
        assert max(after - before for before, after in pairwise(ends)) <= 30

    play(tmp_path, scenario, options=OPTIONS)


def test_where_the_log_supports_no_estimate_it_says_why(tmp_path):
    async def scenario(system):
        await logged(system.store, 20)
        found = await replay(system.deps, WORKSPACE, WORTHS)
        assert all(step.estimate.refused for step in found.steps)
        assert all(one.estimate.correctness is None for one in found.frontier)

    play(tmp_path, scenario, options=OPTIONS)


def test_a_log_too_short_to_divide_is_refused(tmp_path):
    async def scenario(system):
        await logged(system.store, 9)
        with pytest.raises(InvalidInput, match="9 ratings"):
            await replay(system.deps, WORKSPACE, WORTHS)

    play(tmp_path, scenario, options=OPTIONS)
