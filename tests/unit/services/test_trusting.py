import pytest

from shared.domain.access import IdempotencyKey
from shared.domain.learning.runs import TRUST_ROWS
from shared.errors import InvalidInput, NotFound
from shared.messages.base import PageParams
from shared.messages.learning import PatternsPage
from shared.services import trusting
from tests.support.learning import ADMIN, recommended, run, settled
from tests.support.system import WORKSPACE, caller, play


def test_agents_are_neutral_until_outcomes_say_otherwise(tmp_path):
    async def scenario(system):
        await recommended(system, "a1")
        await recommended(system, "a2")
        before = await trusting.agents(system.deps, ADMIN, PageParams())
        assert [(one.agent_id, one.trust.overall) for one in before.items] == [
            ("a1", 0.5),
            ("a2", 0.5),
        ]
        await settled(system, 30, agent_id="a1")
        await run(system)
        after = await trusting.agents(system.deps, ADMIN, PageParams())
        assert after.items[0].trust.overall > 0.7
        assert after.items[1].trust.overall == 0.5

    play(tmp_path, scenario)


def test_agents_come_in_pages(tmp_path):
    async def scenario(system):
        for at in range(5):
            await recommended(system, f"a{at}")
        first = await trusting.agents(system.deps, ADMIN, PageParams(limit=3))
        rest = await trusting.agents(
            system.deps, ADMIN, PageParams(limit=3, cursor=first.next_cursor)
        )
        found = [one.agent_id for one in (*first.items, *rest.items)]
        assert (found, rest.next_cursor) == ([f"a{at}" for at in range(5)], None)

    play(tmp_path, scenario)


def test_an_agent_has_a_card_for_each_of_its_types(tmp_path):
    async def scenario(system):
        await recommended(system, "a1", recommendation_type="refund")
        await recommended(system, "a1", recommendation_type="discount")
        await settled(system, 30, agent_id="a1")
        done = await run(system)
        found = await trusting.agent(system.deps, ADMIN, "a1")
        assert [(one.recommendation_type, one.n) for one in found.by_type] == [
            ("discount", 30),
            ("refund", 0),
        ]
        assert (found.trust.n, found.snapshot_id) == (30, done.snapshot_id)

    play(tmp_path, scenario)


def test_an_unknown_or_foreign_agent_is_not_found(tmp_path):
    async def scenario(system):
        await recommended(system, "a1")
        for who, agent_id in ((ADMIN, "a2"), (caller(workspace="other"), "a1")):
            with pytest.raises(NotFound):
                await trusting.agent(system.deps, who, agent_id)

    play(tmp_path, scenario)


def test_patterns_come_in_order_in_pages_and_by_category(tmp_path):
    async def scenario(system):
        for agent_id in ("a1", "a2", "a3"):
            await settled(system, 40, agent_id=agent_id)
        await settled(system, 400, agent_id="b1", points=0)
        await run(system)
        everything = await trusting.patterns(system.deps, ADMIN, PatternsPage())
        keys = [one.key for one in everything.items]
        assert keys == [f"expert:discount:a{at}" for at in (1, 2, 3)]
        first = await trusting.patterns(system.deps, ADMIN, PatternsPage(limit=2))
        rest = await trusting.patterns(
            system.deps, ADMIN, PatternsPage(limit=2, cursor=first.next_cursor)
        )
        assert [one.key for one in (*first.items, *rest.items)] == keys
        assert rest.next_cursor is None
        none = await trusting.patterns(system.deps, ADMIN, PatternsPage(category="consensus"))
        assert none.items == []
        with pytest.raises(InvalidInput):
            await trusting.patterns(system.deps, ADMIN, PatternsPage(cursor="nonsense"))

    play(tmp_path, scenario)


def test_before_the_first_run_there_are_no_patterns(tmp_path):
    async def scenario(system):
        found = await trusting.patterns(system.deps, ADMIN, PatternsPage())
        assert (found.items, found.snapshot_id) == ([], None)

    play(tmp_path, scenario)


def test_trust_is_initialized_once_and_never_overwritten(tmp_path):
    async def scenario(system):
        for agent_id in ("a1", "a2", "a3"):
            await recommended(system, agent_id)
        await settled(system, 30, agent_id="a1")
        await run(system)
        learned = await system.store.get(WORKSPACE, TRUST_ROWS, "a1:")
        first = await trusting.initialize_trust(system.deps, ADMIN, None)
        again = await trusting.initialize_trust(system.deps, ADMIN, None)
        assert (first.initialized, first.agents) == (2, 3)
        assert (again.initialized, again.agents) == (0, 3)
        assert await system.store.get(WORKSPACE, TRUST_ROWS, "a1:") == learned
        assert (await system.store.get(WORKSPACE, TRUST_ROWS, "a2:")).overall == 0.5

    play(tmp_path, scenario)


def test_initializing_without_agents_does_nothing_and_a_key_is_told_again(tmp_path):
    async def scenario(system):
        first = await trusting.initialize_trust(system.deps, ADMIN, IdempotencyKey("k", "f"))
        await recommended(system, "a1")
        again = await trusting.initialize_trust(system.deps, ADMIN, IdempotencyKey("k", "f"))
        assert first == again
        assert (first.initialized, first.agents) == (0, 0)

    play(tmp_path, scenario)


def test_what_no_longer_holds_is_listed_as_retired_on_the_first_page(tmp_path):
    async def scenario(system):
        await recommended(system, "a1")
        await settled(system, 300)
        first = await run(system)
        system.clock.advance(250 * 86_400)
        await settled(system, 15, points=1)
        await run(system)
        found = await trusting.patterns(system.deps, ADMIN, PatternsPage())
        assert found.items == []
        assert [(one.key, one.state) for one in found.retired] == [
            ("expert:discount:a1", "retired")
        ]
        assert found.snapshot_id != first.snapshot_id
        only = PatternsPage(category="consensus")
        assert (await trusting.patterns(system.deps, ADMIN, only)).retired == []

    play(tmp_path, scenario)


def test_an_agent_shows_whether_its_confidence_is_borne_out(tmp_path):
    async def scenario(system):
        await recommended(system, "a1")
        await settled(system, 20)
        await settled(system, 20, points=0)
        await run(system)
        shown = await trusting.agent(system.deps, ADMIN, "a1")
        assert shown.trust.calibration.error == pytest.approx(0.4)
        assert shown.trust.calibration.calibrated(0.9) < 0.6
        assert shown.trust.why.startswith("Trusted 0.")
        assert not shown.on_probation

    play(tmp_path, scenario)
