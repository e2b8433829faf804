import pytest

from shared.domain.feedback import ROUTING_DECISIONS
from shared.domain.learning.config import LearningConfig
from shared.domain.models import Catalogue
from shared.errors import InvalidInput
from shared.messages.serving_reading import MetricsParams
from shared.services.deps import Options
from shared.services.serving import recent
from shared.services.serving import watching as module
from shared.services.serving.watching import routing_history, try_prompt
from tests.support.learning import routed
from tests.support.serving import CODE, LARGE, MEDIUM, SMALL, make_current, snapshot
from tests.support.system import WORKSPACE, caller, play

WHO = caller("grace", role="viewer")
DAY = MetricsParams(window="1d")
OPTIONS = Options(learning=LearningConfig(exploration_rate=0.3, default_model=LARGE))


def test_decisions_are_counted_by_model_and_time(tmp_path):
    async def scenario(system):
        costs = {"cost_usd": 0.25, "baseline_cost_usd": 1.0}
        await routed(system, "req_1", **costs)
        system.clock.advance(3_600)
        await routed(system, "req_2", estimated_cost_usd=0.5, baseline_cost_usd=1.0)
        await routed(system, "req_3", model="large", failed=True, **costs)
        _, found = await routing_history(system.deps, WHO, DAY)
        names = [(one.model, one.total) for one in found.models]
        assert names == [("small", 2), ("large", 1)]
        small = found.models[0].decisions
        assert (small[0], small[-1], sum(small)) == (1, 1, 2)
        assert (found.cost_usd[0], found.cost_usd[-1]) == (0.25, 0.5)
        assert sum(found.baseline_cost_usd) == 2.0, "what failed is not priced"
        assert len(found.times) == len(small) <= module.BUCKETS

    play(tmp_path, scenario)


def test_decisions_before_the_window_do_not_count(tmp_path):
    async def scenario(system):
        await routed(system, "req_1")
        system.clock.advance(2 * 86_400)
        _, found = await routing_history(system.deps, WHO, DAY)
        assert (found.read, found.times, found.models) == (0, [], [])

    play(tmp_path, scenario)


def test_only_the_newest_decisions_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(recent, "MAX_DECISIONS", 2)
    monkeypatch.setattr(recent, "_PAGE", 1)

    async def scenario(system):
        for number in range(3):
            await routed(system, f"req_{number}")
            system.clock.advance(1)
        figures, found = await routing_history(system.deps, WHO, DAY)
        assert (found.read, found.truncated) == (2, True)
        assert (figures.decisions, figures.truncated) == (2, True), "from the same reading"

    play(tmp_path, scenario)


def test_a_prompt_is_tried_without_leaving_a_record(tmp_path):
    async def scenario(system):
        await make_current(system, snapshot({"code": [SMALL, MEDIUM]}))
        found = await try_prompt(system.deps, WHO, CODE)
        assert (found.pattern, found.model) == ("code", SMALL)
        assert found.reason == "local/small is best for code."
        assert (await system.store.find(WORKSPACE, ROUTING_DECISIONS)).items == []

    play(tmp_path, scenario, options=OPTIONS)


def test_each_candidate_says_how_likely_a_real_request_goes_to_it(tmp_path):
    async def scenario(system):
        await make_current(system, snapshot({"code": [MEDIUM, SMALL]}))
        found = await try_prompt(system.deps, WHO, CODE)
        assert [one.model for one in found.candidates] == [MEDIUM, SMALL, LARGE]
        assert [one.chosen for one in found.candidates] == [True, False, False]
        chances = [one.propensity for one in found.candidates]
        assert sum(chances) == pytest.approx(1)
        assert chances[0] >= 0.7
        assert all(chance > 0 for chance in chances)
        assert found.candidates[2].figures is None
        assert found.candidates[0].figures.tier == "HIGH"
        assert found.baseline_cost_usd == found.candidates[2].estimated_cost_usd

    play(tmp_path, scenario, options=OPTIONS)


def test_without_models_there_is_nothing_to_try(tmp_path):
    async def scenario(system):
        with pytest.raises(InvalidInput):
            await try_prompt(system.deps, WHO, CODE)

    play(tmp_path, scenario, catalogue=Catalogue({}))
