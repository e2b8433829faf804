import pytest

from shared.domain.access import WORKSPACES, Workspace
from shared.domain.records import SYSTEM_WORKSPACE
from shared.services.requesting import LOOK_EVERY_S, request_everywhere, request_where_enough
from tests.support.learning import evidence, run, settled
from tests.support.system import WORKSPACE, play


async def enough(system):
    system.clock.advance(LOOK_EVERY_S)
    return await request_where_enough(system.deps, WORKSPACE)


async def asked(system):
    told = [one for one in await system.drain() if one.type == "learning.requested"]
    return [(one.workspace, one.data["reason"]) for one in told]


def test_evidence_asks_once_for_each_watermark(tmp_path):
    async def scenario(system):
        await system.change_settings(runs_after_feedback=10)
        await evidence(system, 6)
        await settled(system, 3)
        assert not await enough(system)
        await evidence(system, 1)
        assert await enough(system)
        await evidence(system, 20)
        assert not await enough(system)
        assert await asked(system) == [(WORKSPACE, "evidence")]
        await run(system)
        await evidence(system, 9)
        assert not await enough(system)
        await evidence(system, 1)
        assert await enough(system)

    play(tmp_path, scenario)


def test_it_looks_only_now_and_then(tmp_path):
    async def scenario(system):
        await system.change_settings(runs_after_feedback=5)
        assert not await enough(system)
        await evidence(system, 5)
        assert not await request_where_enough(system.deps, WORKSPACE)
        assert await enough(system)

    play(tmp_path, scenario)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_last_event_of_a_burst_asks(tmp_path, rows):
    async def scenario(system):
        await system.change_settings(runs_after_feedback=30)
        answers = []
        for _ in range(30 // rows + 3):
            await evidence(system, rows)
            answers.append(await request_where_enough(system.deps, WORKSPACE, rows))
        assert answers == [False] * (30 // rows - 1) + [True] + [False] * 3

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "shut",
    [
        {"mode": "collect"},
        {"mode": "manual"},
        {"learning_stopped": True},
        {"hold": "rolled back"},
        {"read_only": True},
    ],
    ids=lambda one: next(iter(one)),
)
def test_where_it_would_be_blocked_nothing_is_asked_until_the_gate_opens(tmp_path, shut):
    async def scenario(system):
        await system.change_settings(runs_after_feedback=1, **shut)
        await evidence(system, 5)
        assert not await enough(system)
        opened = {"mode": "automatic", "learning_stopped": False, "hold": None, "read_only": False}
        await system.change_settings(**opened)
        assert await enough(system)

    play(tmp_path, scenario)


def test_the_schedule_asks_everywhere_but_where_nothing_may_be_written(tmp_path):
    async def scenario(system):
        names = [WORKSPACE, "other", "third"]

        async def make(tx):
            for name in names:
                tx.put(WORKSPACES, Workspace(id=name, created_at=system.clock.now_text()))

        await system.store.transact(SYSTEM_WORKSPACE, make)
        await system.change_settings(workspace="third", read_only=True)
        assert (await request_everywhere(system.deps)).workspaces == 2
        assert sorted(await asked(system)) == [(WORKSPACE, "schedule"), ("other", "schedule")]

    play(tmp_path, scenario)
