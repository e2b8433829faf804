import asyncio

import pytest

from shared.domain.access import IdempotencyKey
from shared.domain.feedback import AGENTS, OUTCOMES, RECOMMENDATIONS
from shared.domain.learning.runs import TRUST_ROWS, TrustRow
from shared.domain.learning.trust import TrustCard
from shared.errors import Conflict, InvalidInput
from shared.messages.rating import RecordOutcome
from shared.services import outcomes
from tests.support.learning import ADMIN, recommended, rows
from tests.support.system import WORKSPACE, play

LOG = (
    "SELECT recommendation_id, completed, points, quality, timely, agreed, confident,"
    " confidence_millis FROM evidence_outcomes ORDER BY seq"
)


async def settle(system, *named, workflow_id="wf-1", score=80.0, key=None, feedback=""):
    command = RecordOutcome.model_validate(
        {
            "workflow_id": workflow_id,
            "overall_quality_score": score,
            "recommendations": list(named),
            "feedback": feedback,
        }
    )
    return await outcomes.record_outcome(system.deps, ADMIN, command, key)


def named(recommendation_id, status="approved", **more):
    return {"recommendation_id": recommendation_id, "status": status, **more}


def test_an_outcome_settles_what_it_names_and_misses_the_rest(tmp_path):
    async def scenario(system):
        first = await recommended(system, "a1", content="A")
        second = await recommended(system, "a2", content="B", confidence_score=0.2)
        third = await recommended(system, "a3", content="C")
        answer = await settle(
            system, named(first, quality_score=91.25), named(second, "partial"), score=70
        )
        assert (answer.settled, answer.missed) == ([first, second], [third])
        log = {row[0]: row[1:] for row in rows(system, LOG)}
        assert log[first] == (1, 2, 912, 1, 0, 1, 900)
        assert log[second] == (1, 1, 700, 1, 0, 0, 200)
        assert log[third] == (0, 0, 0, 1, 0, 1, 900)
        stored = await system.store.get_many(WORKSPACE, RECOMMENDATIONS, [first, second, third])
        assert [one.status for one in stored] == ["approved", "partial", None]
        assert [one.quality_score for one in stored] == [91.25, 70, None]
        assert stored[0].outcome_id == answer.outcome_id
        assert (await system.store.get(WORKSPACE, OUTCOMES, "wf-1")).missed == [third]

    play(tmp_path, scenario)


def test_a_rejected_recommendation_earns_no_points(tmp_path):
    async def scenario(system):
        await settle(system, named(await recommended(system), "rejected"))
        assert [row[1:4] for row in rows(system, LOG)] == [(1, 0, 800)]

    play(tmp_path, scenario)


def test_timely_counts_from_the_workflows_first_recommendation(tmp_path):
    async def scenario(system):
        first = await recommended(system, "a1", content="A")
        system.clock.advance(300)
        second = await recommended(system, "a2", content="B")
        system.clock.advance(1)
        third = await recommended(system, "a3", content="C")
        await settle(system, *map(named, (first, second, third)))
        assert [row[4] for row in rows(system, LOG)] == [1, 1, 0]

    play(tmp_path, scenario)


def test_only_another_agent_with_the_same_content_and_type_agrees(tmp_path):
    async def scenario(system):
        ids = [
            await recommended(system, "a1", content="Offer  10 %."),
            await recommended(system, "a2", content="offer 10 %."),
            await recommended(system, "a3", content="Offer 20 %."),
            await recommended(system, "a3", content="Offer 20 %."),
            await recommended(system, "a4", content="Offer 10 %.", recommendation_type="refund"),
        ]
        await recommended(system, "a5", content="Offer 20 %.", workflow_id="wf-2")
        await settle(system, *map(named, ids))
        agreed = {row[0]: row[5] for row in rows(system, LOG)}
        assert [agreed[one] for one in ids] == [1, 1, 0, 0, 0]

    play(tmp_path, scenario)


def test_the_same_outcome_again_gets_the_first_answer(tmp_path):
    async def scenario(system):
        one = await recommended(system)
        first = await settle(system, named(one))
        system.clock.advance(60)
        assert await settle(system, named(one)) == first
        assert rows(system, "SELECT COUNT(*) FROM evidence_outcomes") == [(1,)]

    play(tmp_path, scenario)


def test_another_outcome_of_the_same_workflow_conflicts(tmp_path):
    async def scenario(system):
        one = await recommended(system)
        first = await settle(system, named(one))
        with pytest.raises(Conflict) as lost:
            await settle(system, named(one, "rejected"))
        assert lost.value.facts == {"outcome_id": first.outcome_id}
        assert (await system.store.get(WORKSPACE, RECOMMENDATIONS, one)).status == "approved"

    play(tmp_path, scenario)


def test_of_racing_outcomes_one_wins(tmp_path):
    async def scenario(system):
        one = await recommended(system)
        tries = [settle(system, named(one), score=score) for score in range(10)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(not isinstance(one, Exception) for one in results) == 1
        assert sum(isinstance(one, Conflict) for one in results) == 9
        assert rows(system, "SELECT COUNT(*) FROM evidence_outcomes") == [(1,)]

    play(tmp_path, scenario)


def test_a_key_replays_the_answer(tmp_path):
    async def scenario(system):
        one = await recommended(system)
        first = await settle(system, named(one), key=IdempotencyKey("k", "f"))
        again = IdempotencyKey("k", "f")
        assert await settle(system, named(one), key=again) == first
        assert again.replayed

    play(tmp_path, scenario)


def test_a_recommendation_that_is_not_the_workflows_is_named(tmp_path):
    async def scenario(system):
        good = await recommended(system)
        foreign = await recommended(system, workflow_id="wf-2")
        with pytest.raises(InvalidInput) as refused:
            await settle(system, named(good), named(foreign), named("rec_none"))
        assert [one.pointer for one in refused.value.problems] == [
            "/recommendations/1/recommendation_id",
            "/recommendations/2/recommendation_id",
        ]
        assert await system.store.get(WORKSPACE, OUTCOMES, "wf-1") is None
        assert rows(system, "SELECT COUNT(*) FROM evidence_outcomes") == [(0,)]

    play(tmp_path, scenario)


def test_a_recommendation_named_twice_is_refused(tmp_path):
    async def scenario(system):
        one = await recommended(system)
        with pytest.raises(InvalidInput) as refused:
            await settle(system, named(one), named(one, "rejected"))
        assert refused.value.problems[0].pointer == "/recommendations/1/recommendation_id"

    play(tmp_path, scenario)


def test_the_largest_outcome_fits_into_one_transaction(tmp_path):
    async def scenario(system):
        ids = [await recommended(system, content=str(at)) for at in range(296)]
        answer = await settle(system, *map(named, ids[:200]), key=IdempotencyKey("k", "f"))
        assert (len(answer.settled), len(answer.missed)) == (200, 96)

    play(tmp_path, scenario)


def test_a_workflow_too_large_to_settle_is_refused_whole(tmp_path):
    async def scenario(system):
        ids = [await recommended(system, content=str(at)) for at in range(297)]
        with pytest.raises(InvalidInput) as refused:
            await settle(system, *map(named, ids[:200]))
        assert refused.value.problems[0].pointer == "/workflow_id"
        assert rows(system, "SELECT COUNT(*) FROM evidence_outcomes") == [(0,)]

    play(tmp_path, scenario)


def test_more_than_200_named_are_refused_before_anything_is_read():
    many = [named(f"rec_{at}") for at in range(201)]
    with pytest.raises(ValueError, match="recommendations"):
        RecordOutcome.model_validate(
            {"workflow_id": "w", "overall_quality_score": 1, "recommendations": many}
        )


def test_an_outcome_is_audited_and_told(tmp_path):
    async def scenario(system):
        await settle(system, named(await recommended(system)), feedback="well done")
        told = [one for one in await system.drain() if one.type == "outcome.recorded"]
        assert [one.subject for one in told] == ["wf-1"]
        assert (await system.store.audit_page(WORKSPACE, action="outcome.recorded")).items
        assert (await system.store.get(WORKSPACE, OUTCOMES, "wf-1")).feedback == "well done"

    play(tmp_path, scenario)


def test_an_outcome_of_a_workflow_without_recommendations_is_refused_and_blocks_nothing(tmp_path):
    async def scenario(system):
        with pytest.raises(InvalidInput, match="/workflow_id: is of no recommendation") as refused:
            await settle(system)
        assert refused.value.problems[0].pointer == "/workflow_id"
        one = await recommended(system)
        assert (await settle(system, named(one))).settled == [one]

    play(tmp_path, scenario)


EASE = "SELECT agent_id, evaluator, ease_millis FROM evidence_outcomes ORDER BY seq"


async def trusted(system, agent_id, accuracy, n=20):
    card = TrustCard(
        agent_id=agent_id, recommendation_type="discount", n=n, accuracy=accuracy, overall=accuracy
    )
    row = TrustRow(
        id=f"{agent_id}:discount",
        agent_id=agent_id,
        recommendation_type="discount",
        overall=accuracy,
        n=n,
        snapshot_id="snap_1",
        card=card.model_dump(mode="json"),
        updated_at=system.clock.now_text(),
    )

    async def write(tx):
        tx.put(TRUST_ROWS, row)

    await system.store.transact(WORKSPACE, write)


def test_where_trusted_agents_fail_the_workflow_is_taken_to_be_hard(tmp_path):
    async def scenario(system):
        for agent_id in ("a1", "a2"):
            await trusted(system, agent_id, 0.9)
        ids = [
            await recommended(system, agent_id, content=agent_id) for agent_id in ("a1", "a2", "a3")
        ]
        await settle(system, *(named(one, "rejected") for one in ids))
        eases = {row[0]: row[2] for row in rows(system, EASE)}
        assert eases == {"a1": -300, "a2": -300, "a3": -450}
        assert {row[1] for row in rows(system, EASE)} == {ADMIN.subject}

    play(tmp_path, scenario)


def test_nothing_is_said_of_a_workflow_whose_other_agents_are_unknown_or_unsettled(tmp_path):
    async def scenario(system):
        await trusted(system, "a2", 0.9)
        await trusted(system, "a3", 0.5, n=0)
        first = await recommended(system, "a1", content="A")
        await recommended(system, "a2", content="B")
        third = await recommended(system, "a3", content="C")
        await settle(system, named(first, "rejected"), named(third, "rejected"))
        assert {row[2] for row in rows(system, EASE)} == {0}

    play(tmp_path, scenario)


def test_a_recommendation_for_a_settled_workflow_is_refused_and_leaves_nothing(tmp_path):
    async def scenario(system):
        answer = await settle(system, named(await recommended(system, "a1")))
        with pytest.raises(Conflict, match="workflow wf-1 was settled at") as refused:
            await recommended(system, "late")
        assert refused.value.facts == {"outcome_id": answer.outcome_id}
        assert await system.store.get(WORKSPACE, AGENTS, "late") is None
        assert await recommended(system, "late", workflow_id="wf-2")

    play(tmp_path, scenario)
