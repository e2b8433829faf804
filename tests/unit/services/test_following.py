import pytest

from shared.domain.learning.runs import LEARNING_HEADS, PERFORMANCE, TRUST_ROWS
from shared.domain.operations import ALERTS
from shared.errors import Unavailable
from shared.services import projecting, snapshots, trusting
from shared.services.following import check_agents, follow_up
from shared.services.projecting import project
from tests.support.learning import ADMIN, evidence, head, recommended, rows, run, settled
from tests.support.system import WORKSPACE, play
from tests.unit.services.test_rolling_back import back, two_snapshots

TRUST = "SELECT agent_id, recommendation_type, n FROM agent_trust_scores ORDER BY 1, 2"
HISTORY = "SELECT snapshot_id, pattern, model, n FROM model_performance_history ORDER BY 1, 2, 3"


async def disabled(system):
    found = (await system.store.find(WORKSPACE, ALERTS)).items
    return sorted((one.key, one.state) for one in found if one.rule == "agent_disabled")


def test_an_operator_reads_what_was_learned_in_tables(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        await settled(system, 20)
        done = await run(system)
        assert rows(system, TRUST) == [("a1", "", 20), ("a1", "discount", 20)]
        assert rows(system, HISTORY) == [(done.snapshot_id, "code", "small", 30)]
        [(category, n)] = rows(system, "SELECT category, n FROM recommendation_patterns")
        assert (category, n) == ("expert", 20)
        assert (await head(system)).projected_id == done.snapshot_id

    play(tmp_path, scenario)


def test_history_gets_only_what_a_run_changed(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        await evidence(system, 30, model="medium")
        first = (await run(system)).snapshot_id
        await evidence(system, 1, model="medium")
        second = (await run(system)).snapshot_id
        assert sorted(rows(system, HISTORY)) == sorted(
            [
                (first, "code", "medium", 30),
                (first, "code", "small", 30),
                (second, "code", "medium", 31),
            ]
        )

    play(tmp_path, scenario)


def test_a_run_reads_the_snapshot_before_it_once_and_its_own_not_at_all(tmp_path, monkeypatch):
    read, opened = snapshots.from_bytes, []

    def noted(data, *, workspace, expected_id):
        opened.append(expected_id)
        return read(data, workspace=workspace, expected_id=expected_id)

    monkeypatch.setattr(snapshots, "from_bytes", noted)

    async def scenario(system):
        await evidence(system, 30)
        first = (await run(system)).snapshot_id
        assert opened == []
        await evidence(system, 30, model="medium")
        await run(system)
        assert opened == [first]

    play(tmp_path, scenario)


def test_rows_that_are_up_to_date_are_not_written(tmp_path):
    async def scenario(system):
        await settled(system, 20)
        await run(system)
        assert await project(system.deps, WORKSPACE) == 0

    play(tmp_path, scenario)


def test_rows_follow_a_rollback(tmp_path):
    async def scenario(system):
        await settled(system, 20)
        first = (await run(system)).snapshot_id
        before = rows(system, TRUST)
        await settled(system, 20, agent_id="a2", points=0)
        await run(system)
        assert len(rows(system, TRUST)) == 4
        await back(system, first)
        assert rows(system, TRUST) == before
        assert (await head(system)).projected_id == first

    play(tmp_path, scenario)


def test_a_projection_that_was_cut_off_is_made_good_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(projecting, "CHUNK", 3)

    async def scenario(system):
        for at in range(5):
            await settled(system, 12, agent_id=f"a{at}")
        await run(system)
        whole = projecting._write
        calls = []

        async def cut_off(*args):
            calls.append(args)
            if len(calls) == 2:
                msg = "the store does not answer"
                raise Unavailable(msg)
            return await whole(*args)

        monkeypatch.setattr(projecting, "_write", cut_off)
        for at in range(5):
            await settled(system, 3, agent_id=f"a{at}", points=0)
        done = await run(system)
        assert done.status == "succeeded"
        assert {row[2] for row in rows(system, TRUST)} == {12, 15}
        monkeypatch.setattr(projecting, "_write", whole)
        await settled(system, 1, agent_id="a9")
        await run(system)
        expected = [(f"a{at}", kind, 15) for at in range(5) for kind in ("", "discount")]
        assert rows(system, TRUST) == [*expected, ("a9", "", 1), ("a9", "discount", 1)]

    play(tmp_path, scenario)


def test_rows_that_may_be_a_mixture_are_swept(tmp_path):
    async def scenario(system):
        await settled(system, 20)
        await run(system)
        await recommended(system, "newcomer")
        await trusting.initialize_trust(system.deps, ADMIN, None)
        stray = await system.store.get(WORKSPACE, TRUST_ROWS, "a1:")
        now = await head(system)

        async def mix_up(tx):
            tx.put(TRUST_ROWS, stray.model_copy(update={"id": "gone:", "agent_id": "gone"}))
            tx.put(LEARNING_HEADS, now.model_copy(update={"projected_id": None}))

        await system.store.transact(WORKSPACE, mix_up)
        await project(system.deps, WORKSPACE)
        assert [row[0] for row in rows(system, TRUST)] == ["a1", "a1", "newcomer"]

    play(tmp_path, scenario)


def test_an_overtaken_projection_stops(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        row = (await system.store.find(WORKSPACE, PERFORMANCE)).items[0]
        changes = [(PERFORMANCE, "x", row.model_copy(update={"id": "x"}))]
        assert not await projecting._write(system.deps, WORKSPACE, first, changes)
        assert await system.store.get(WORKSPACE, PERFORMANCE, "x") is None
        assert await projecting._write(system.deps, WORKSPACE, second, changes)

    play(tmp_path, scenario)


def test_an_agent_that_is_always_wrong_is_disabled_and_people_are_told(tmp_path):
    async def scenario(system):
        await settled(system, 40, agent_id="bad", points=0)
        await settled(system, 40, agent_id="good")
        await run(system)
        keys = [("agent_disabled:bad", "open")]
        assert await disabled(system) == keys
        await run(system)
        assert await disabled(system) == keys
        told = [one for one in await system.drain() if one.type == "alert.raised"]
        assert {one.data["severity"] for one in told} == {"critical"}

    play(tmp_path, scenario)


def test_an_agent_that_is_disabled_in_a_type_only_has_an_alert_for_that(tmp_path):
    async def scenario(system):
        await settled(system, 40, agent_id="half", points=0)
        await settled(system, 200, agent_id="half", kind="refund")
        await run(system)
        assert await disabled(system) == [("agent_disabled:half:discount", "open")]

    play(tmp_path, scenario)


def test_the_alert_of_a_type_ends_in_that_of_all_where_the_agent_is_disabled_wholly(tmp_path):
    async def scenario(system):
        await settled(system, 40, agent_id="half", points=0)
        await settled(system, 200, agent_id="half", kind="refund")
        await run(system)
        await settled(system, 2000, agent_id="half", kind="refund", points=0)
        await run(system)
        assert await disabled(system) == [
            ("agent_disabled:half", "open"),
            ("agent_disabled:half:discount", "resolved"),
        ]
        [told] = [one for one in await system.drain() if one.type == "alert.resolved"]
        assert told.data["reason"].startswith("the agent is disabled in all types")

    play(tmp_path, scenario)


@pytest.mark.parametrize("count", [5, 9])
def test_little_evidence_disables_nobody(tmp_path, count):
    async def scenario(system):
        await settled(system, count, agent_id="bad", points=0)
        await run(system)
        assert await disabled(system) == []

    play(tmp_path, scenario)


def test_trust_that_comes_back_resolves_the_alert(tmp_path):
    async def scenario(system):
        await settled(system, 40, agent_id="bad", points=0)
        await run(system)
        await settled(system, 400, agent_id="bad", points=2)
        await run(system)
        assert {state for _, state in await disabled(system)} == {"resolved"}

    play(tmp_path, scenario)


def test_an_alert_that_a_crash_kept_back_is_raised_by_the_next_look(tmp_path):
    async def scenario(system):
        await settled(system, 40, agent_id="bad", points=0)
        await run(system)
        for one in (await system.store.find(WORKSPACE, ALERTS)).items:

            async def forget(tx, one=one):
                tx.delete(ALERTS, one.id)

            await system.store.transact(WORKSPACE, forget)
        await check_agents(system.deps, WORKSPACE)
        assert len(await disabled(system)) == 1

    play(tmp_path, scenario)


def test_before_the_first_run_there_is_nothing_to_follow(tmp_path):
    async def scenario(system):
        await follow_up(system.deps, WORKSPACE)
        assert rows(system, TRUST) == []
        assert await disabled(system) == []

    play(tmp_path, scenario)
