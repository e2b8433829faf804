import pytest

from shared.domain.learning.trust import TrustCard
from shared.errors import NotFound
from shared.messages.serving_reading import BoostParams
from shared.messages.submitting import SubmitRecommendation
from shared.services.recommending import submit_recommendation
from shared.services.serving.boosting import boost
from tests.support.serving import make_current, snapshot
from tests.support.system import caller, play

WHO = caller("key:a", scopes=("serve",))


def card(kind="", **more):
    fields = {"approval_rate": 0.9, "boost": 0.3, "priority": "CRITICAL", "overall": 0.8, "n": 40}
    return TrustCard(agent_id="pricing", recommendation_type=kind, **{**fields, **more})


async def ask(system, agent_id="pricing", kind="", who=WHO):
    return await boost(system.deps, who, agent_id, BoostParams(recommendation_type=kind))


async def recommend(system, agent_id):
    command = SubmitRecommendation(
        agent_id=agent_id,
        agent_name="Agent",
        correlation_id="c",
        workflow_id="w",
        recommendation_type="discount",
        content="Offer 10 %.",
        confidence_score=0.8,
    )
    await submit_recommendation(system.deps, caller(scopes=("submit",)), command, None)


def test_the_boost_is_that_of_the_card_for_the_type(tmp_path):
    async def scenario(system):
        lower = card("refund", boost=-0.3, priority="LOW", overall=0.4, n=12, approval_rate=0.25)
        name = await make_current(system, snapshot(trust=(card(), lower)))
        answer = await ask(system, kind="refund")
        assert (answer.boost, answer.priority, answer.trust, answer.n) == (-0.3, "LOW", 0.4, 12)
        assert answer.reason == (
            "12 recommendations of type refund with an outcome, 25% approved; trend stable."
        )
        assert answer.snapshot_id == name
        overall = await ask(system)
        assert (overall.boost, overall.priority, overall.n) == (0.3, "CRITICAL", 40)

    play(tmp_path, scenario)


def test_without_an_outcome_of_the_type_the_overall_card_counts(tmp_path):
    async def scenario(system):
        await make_current(system, snapshot(trust=(card(),)))
        answer = await ask(system, kind="never seen")
        assert (answer.boost, answer.recommendation_type) == (0.3, "never seen")
        assert "over all types" in answer.reason

    play(tmp_path, scenario)


@pytest.mark.parametrize("kind", ["", "refund"])
def test_an_agent_that_is_disabled_over_all_is_disabled_in_each_type(tmp_path, kind):
    async def scenario(system):
        await make_current(system, snapshot(trust=(card(disabled=True), card("refund"))))
        answer = await ask(system, kind=kind)
        assert answer.disabled
        assert answer.reason.startswith("Disabled")

    play(tmp_path, scenario)


def test_an_agent_without_outcomes_is_neutral(tmp_path):
    async def scenario(system):
        await recommend(system, "fresh")
        answer = await ask(system, "fresh", "discount")
        assert (answer.boost, answer.priority, answer.trust, answer.n) == (0.0, "NORMAL", 0.5, 0)
        assert (answer.disabled, answer.snapshot_id) == (False, None)
        assert answer.reason.startswith("Neutral")

    play(tmp_path, scenario)


def test_an_agent_that_never_recommended_anything_is_not_found(tmp_path):
    async def scenario(system):
        with pytest.raises(NotFound):
            await ask(system, "misspelt")

    play(tmp_path, scenario)


def test_agents_of_another_workspace_are_not_found(tmp_path):
    async def scenario(system):
        await recommend(system, "fresh")
        await make_current(system, snapshot(trust=(card(),)))
        theirs = caller("key:b", scopes=("serve",), workspace="other")
        for agent_id in ("fresh", "pricing"):
            with pytest.raises(NotFound):
                await ask(system, agent_id, who=theirs)

    play(tmp_path, scenario)
