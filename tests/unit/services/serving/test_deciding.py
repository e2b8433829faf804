"""Requests that are alike are decided alike, and a moved preference counts at once."""

from shared.domain.learning.config import BeliefConfig, LearningConfig, ModelId, TierRule
from shared.messages.serving import Candidate, RouteRequest
from shared.services.deps import Options
from shared.services.serving import deciding
from shared.services.serving.current import current_view
from shared.services.serving.routing import route
from tests.support.learning import evidence, rate, run
from tests.support.serving import CODE, LARGE, SMALL, decision_of
from tests.support.system import WORKSPACE, caller, play

WHO = caller("key:a", scopes=("serve",))
BAR = TierRule(n=5, quality=1, correctness=0)


def options(rate=0.0, **beliefs):
    learning = LearningConfig(
        high=BAR, medium=BAR, exploration_rate=rate, beliefs=BeliefConfig(**beliefs)
    )
    return Options(learning=learning)


async def ask(system, prompt=CODE, **more):
    return await route(system.deps, WHO, RouteRequest(prompt=prompt, **more), None)


async def taught(system):
    await evidence(system, 300, model="small", quality=4)
    await evidence(system, 300, model="large", provider="other", quality=5)
    assert (await run(system)).status == "succeeded"


async def chosen(system):
    system.deps.snapshots_seen.clear()
    system.deps.settings_seen.clear()
    answer = await ask(system)
    return ModelId(answer.provider, answer.model)


def test_the_worth_of_an_answer_moves_routing_without_a_run(tmp_path):
    async def scenario(system):
        await taught(system)
        await system.change_settings(answer_worth_usd=100.0)
        assert await chosen(system) == LARGE
        await system.change_settings(answer_worth_usd=0.000001)
        assert await chosen(system) == SMALL
        await system.change_settings(answer_worth_usd=None, quality_floor=0.95)
        assert await chosen(system) == LARGE

    play(tmp_path, scenario, options=options())


def test_alike_requests_share_their_odds_and_others_do_not(tmp_path):
    async def scenario(system):
        await ask(system)
        await ask(system)
        view = await current_view(system.deps, WORKSPACE)
        assert len(view.odds) == 1
        await ask(system, critical=True)
        own = Candidate(provider="own", model="m", usd_per_m_input=1, usd_per_m_output=1)
        await ask(system, candidates=[own])
        assert len(view.odds) == 3

    play(tmp_path, scenario, options=options(0.5))


def test_kinds_of_requests_do_not_fill_the_memory(tmp_path, monkeypatch):
    async def scenario(system):
        monkeypatch.setattr(deciding, "MAX_KINDS", 3)
        for number in range(8):
            await ask(system, pattern=f"p{number}")
        view = await current_view(system.deps, WORKSPACE)
        assert 0 < len(view.odds) <= 3

    play(tmp_path, scenario, options=options())


def test_critical_requests_and_a_switched_off_exploration_never_explore(tmp_path):
    async def scenario(system):
        answers = [await ask(system, critical=True) for _ in range(20)]
        assert {(one.explored, one.propensity) for one in answers} == {(False, 1.0)}
        await system.change_settings(exploring=False)
        system.deps.snapshots_seen.clear()
        system.deps.settings_seen.clear()
        answers = [await ask(system) for _ in range(20)]
        assert {(one.explored, one.propensity) for one in answers} == {(False, 1.0)}

    play(tmp_path, scenario, options=options(1.0))


def test_the_neighbourhood_is_on_record_and_in_the_evidence(tmp_path):
    async def scenario(system):
        answer = await ask(system)
        cell = (await decision_of(system, answer.request_id)).cell
        assert cell in {"words", "mixed", "figures"}
        await rate(system, answer.request_id)
        upto, _ = await system.deps.analytics.head(WORKSPACE)
        [sums] = await system.deps.analytics.rating_sums(WORKSPACE, 0, upto)
        assert (sums.cell, sums.weighted) == (cell, 1)
        assert sums.weight == round(256 / answer.propensity)

    play(tmp_path, scenario, options=options(0.5))
