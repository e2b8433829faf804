import pytest

from shared.domain.feedback import RECOMMENDATIONS
from shared.services import agent_history as module
from shared.services.agent_history import agent_history, team_means
from tests.support.learning import ADMIN, recommended, run, settled
from tests.support.system import WORKSPACE, play


async def decided(system, rec_id, status, quality):
    known = await system.store.get(WORKSPACE, RECOMMENDATIONS, rec_id)
    changed = known.model_copy(update={"status": status, "quality_score": quality})

    async def write(tx):
        tx.put(RECOMMENDATIONS, changed)

    await system.store.transact(WORKSPACE, write)


def test_recommendations_are_counted_by_when_they_were_made(tmp_path):
    async def scenario(system):
        for number, (status, quality) in enumerate(
            [("approved", 80.0), ("partial", 60.0), ("rejected", 10.0), (None, None)]
        ):
            rec_id = await recommended(system, workflow_id=f"wf-{number}")
            await decided(system, rec_id, status, quality)
            system.clock.advance(3 * 3_600 if number == 1 else 60)
        await recommended(system, "a2")
        found = await agent_history(system.deps, ADMIN, "a1")
        counts = [(one.approved, one.partial, one.rejected, one.waiting) for one in found.buckets]
        assert [sum(column) for column in zip(*counts, strict=True)] == [1, 1, 1, 1]
        assert (found.read, found.truncated) == (4, False)
        first, last = found.buckets[0], found.buckets[-1]
        assert (first.approval_rate, first.mean_quality) == (0.75, 70.0)
        assert (last.approval_rate, last.waiting) == (0.0, 1)
        assert len(found.buckets) <= module.BUCKETS
        assert any(sum(one) == 0 for one in counts), "the pause is there as well"

    play(tmp_path, scenario)


def test_calibration_holds_stated_confidence_against_what_came_true(tmp_path):
    async def scenario(system):
        for number, (stated, status) in enumerate(
            [(0.92, "approved"), (0.98, "rejected"), (1.0, "partial"), (0.15, "rejected")]
        ):
            rec_id = await recommended(system, workflow_id=f"wf-{number}", confidence_score=stated)
            await decided(system, rec_id, status, 50.0)
        low, high = (await agent_history(system.deps, ADMIN, "a1")).calibration
        assert (low.stated, low.approval_rate, low.n) == (0.15, 0.0, 1)
        assert high.stated == pytest.approx((0.92 + 0.98 + 1.0) / 3)
        assert (high.approval_rate, high.n) == (0.5, 3)
        assert high.low < 0.5 < high.high

    play(tmp_path, scenario)


def test_only_the_newest_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_READ", 2)
    monkeypatch.setattr(module, "_PAGE", 1)

    async def scenario(system):
        for number in range(4):
            await recommended(system, workflow_id=f"wf-{number}")
            system.clock.advance(1)
        found = await agent_history(system.deps, ADMIN, "a1")
        assert (found.read, found.truncated) == (2, True)
        assert found.buckets[-1].at > found.buckets[0].at

    play(tmp_path, scenario)


def test_an_agent_that_never_recommended_has_an_empty_history(tmp_path):
    async def scenario(system):
        found = await agent_history(system.deps, ADMIN, "nobody")
        assert (found.read, found.buckets, found.calibration, found.strength) == (0, [], [], None)

    play(tmp_path, scenario)


def test_strength_compares_an_agent_with_the_others(tmp_path):
    async def scenario(system):
        await settled(system, 60, agent_id="good")
        assert (await agent_history(system.deps, ADMIN, "good")).strength is None
        await settled(system, 60, agent_id="bad", points=0)
        await run(system)
        assert (await agent_history(system.deps, ADMIN, "good")).strength == "very strong"
        assert (await agent_history(system.deps, ADMIN, "bad")).strength is None

    play(tmp_path, scenario)


def test_means_weigh_agents_by_what_they_completed(tmp_path):
    async def scenario(system):
        nothing = await team_means(system.deps, ADMIN)
        assert (nothing.agents, nothing.overall, nothing.approval_rate) == (0, None, None)
        await settled(system, 30, agent_id="good")
        await settled(system, 10, agent_id="bad", points=0)
        await run(system)
        found = await team_means(system.deps, ADMIN)
        assert found.agents == 2
        assert found.approval_rate == pytest.approx(0.75)
        assert found.mean_quality == pytest.approx(60.0)

    play(tmp_path, scenario)
