"""A disabled agent has two ways back: better outcomes, or a person who lets it be heard again."""

import asyncio

import pytest

from shared.domain.access import IdempotencyKey
from shared.domain.operations import ALERTS
from shared.errors import Conflict, NotFound
from shared.messages.base import PageParams
from shared.messages.learning import ReinstateAgent
from shared.messages.serving_reading import BoostParams
from shared.services import trusting
from shared.services.reinstating import reinstate
from shared.services.serving import boosting
from tests.support.learning import ADMIN, recommended, run, settled
from tests.support.system import WORKSPACE, play

AGAIN = ReinstateAgent(reason="its prompt was repaired")
ASKED = BoostParams(recommendation_type="discount")


async def failing(system, n=20):
    await recommended(system, "a1", workflow_id="wf-0")
    await settled(system, n, points=0)
    await run(system)


async def alerts(system):
    found = (await system.store.find(WORKSPACE, ALERTS)).items
    return {one.state for one in found if one.rule == "agent_disabled"}


async def heard(system):
    system.clock.advance(5)
    return not (await boosting.boost(system.deps, ADMIN, "a1", ASKED)).disabled


def test_a_reinstated_agent_is_heard_and_its_alert_resolved(tmp_path):
    async def scenario(system):
        await failing(system)
        assert not await heard(system)
        assert await alerts(system) == {"open"}
        done = await reinstate(system.deps, ADMIN, "a1", AGAIN, None)
        assert (done.n, done.judged_at_n) == (20, 30)
        assert await heard(system)
        assert await alerts(system) == {"resolved"}
        [view] = (await trusting.agents(system.deps, ADMIN, PageParams())).items
        assert view.on_probation
        assert view.trust.disabled
        assert view.reinstated_at == done.reinstated_at
        [record] = [
            one
            for one in (await system.store.audit_chain(WORKSPACE, 0, 500))
            if one.action == "agent.reinstated"
        ]
        assert (record.actor, record.data["reason"]) == (ADMIN.subject, AGAIN.reason)

    play(tmp_path, scenario)


def test_probation_ends_with_enough_new_outcomes_and_then_trust_decides(tmp_path):
    async def scenario(system):
        await failing(system)
        await reinstate(system.deps, ADMIN, "a1", AGAIN, None)
        await settled(system, 9, points=0)
        await run(system)
        assert await heard(system)
        await settled(system, 1, points=0)
        await run(system)
        assert not await heard(system)
        assert "open" in await alerts(system)

    play(tmp_path, scenario)


def test_a_disabled_agent_earns_its_way_back_by_better_outcomes(tmp_path):
    async def scenario(system):
        await failing(system, 10)
        assert not await heard(system)
        await settled(system, 10)
        await run(system)
        assert await heard(system)
        assert await alerts(system) == {"resolved"}

    play(tmp_path, scenario)


def test_only_a_known_agent_that_is_disabled_and_not_on_probation_is_reinstated(tmp_path):
    async def scenario(system):
        with pytest.raises(NotFound):
            await reinstate(system.deps, ADMIN, "nobody", AGAIN, None)
        await recommended(system, "a1", workflow_id="wf-0")
        with pytest.raises(Conflict, match="not disabled"):
            await reinstate(system.deps, ADMIN, "a1", AGAIN, None)
        await settled(system, 20, points=0)
        await run(system)
        key = IdempotencyKey(id="k", fingerprint="f")
        first = await reinstate(system.deps, ADMIN, "a1", AGAIN, key)
        assert await reinstate(system.deps, ADMIN, "a1", AGAIN, key) == first
        with pytest.raises(Conflict, match="until 30 outcomes"):
            await reinstate(system.deps, ADMIN, "a1", AGAIN, None)

    play(tmp_path, scenario)


def test_two_who_reinstate_at_once_leave_one_probation(tmp_path):
    async def scenario(system):
        await failing(system)
        found = await asyncio.gather(
            *(reinstate(system.deps, ADMIN, "a1", AGAIN, None) for _ in range(2)),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in found) == ["AgentReinstated", "Conflict"]

    play(tmp_path, scenario)
