"""Replaying a log judges what was learned on ratings that came later, a slice at a time."""

from itertools import pairwise

import pytest

from shared.domain.learning.config import LearningConfig, TierRule
from shared.errors import InvalidInput
from shared.services import replaying
from shared.services.deps import Options
from shared.services.replaying import replay
from tests.support.logged import logged
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
