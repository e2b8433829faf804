import asyncio

import pytest

from shared.domain.access import SETTINGS, IdempotencyKey
from shared.domain.learning.runs import RUNS, SNAPSHOTS
from shared.errors import Conflict, CorruptData, NotFound, Unavailable
from shared.messages.training import RollBack
from shared.services.rolling_back import OVERTAKEN, roll_back
from tests.support.learning import ADMIN, evidence, head, run
from tests.support.system import WORKSPACE, caller, play
from tests.unit.services.test_leasing import OURSELVES, left_behind


async def back(system, snapshot_id, *, who=ADMIN, key=None):
    return await roll_back(
        system.deps, who, RollBack(snapshot_id=snapshot_id, reason="it was better"), key
    )


async def two_snapshots(system):
    await evidence(system, 30)
    first = (await run(system)).snapshot_id
    await evidence(system, 30, model="medium", cost_nanousd=1)
    system.clock.advance(60)
    return first, (await run(system)).snapshot_id


def test_the_earlier_snapshot_is_current_at_once(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        await system.drain()
        answer = await back(system, first)
        assert (answer.snapshot_id, answer.previous_id) == (first, second)
        now = await head(system)
        assert (now.current_id, now.previous_id, now.tip_id) == (first, second, second)
        [told] = [one for one in await system.drain() if one.type == "learning.rolled_back"]
        assert told.data["reason"] == "it was better"
        [record] = (await system.store.audit_page(WORKSPACE, action="learning.rolled_back")).items
        assert (record.actor, record.subject) == ("ada", first)

    play(tmp_path, scenario)


def test_automatic_runs_wait_until_a_person_runs(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        answer = await back(system, first)
        blocked = await run(system, who=OURSELVES)
        assert blocked.status == "blocked"
        assert answer.hold in blocked.blocked_by[0]
        await evidence(system, 5)
        done = await run(system)
        assert (done.status, done.parent_id) == ("succeeded", second)
        assert (await system.store.get(WORKSPACE, SETTINGS, "settings")).hold is None
        assert (await run(system, who=OURSELVES)).status == "succeeded"

    play(tmp_path, scenario)


def test_the_next_run_goes_on_from_the_tip(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        await back(system, first)
        done = await run(system)
        assert (done.snapshot_id, done.ratings_read) == (second, 0)
        assert done.changes_total > 0
        assert (await head(system)).current_id == second

    play(tmp_path, scenario)


def test_a_rollback_can_be_rolled_back(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        await back(system, first)
        assert (await back(system, second)).previous_id == first

    play(tmp_path, scenario)


def test_what_is_current_cannot_be_rolled_back_to(tmp_path):
    async def scenario(system):
        _, second = await two_snapshots(system)
        with pytest.raises(Conflict):
            await back(system, second)
        assert await system.store.get(WORKSPACE, SETTINGS, "settings") is None

    play(tmp_path, scenario)


def test_an_unknown_or_foreign_snapshot_is_not_found(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        for who, snapshot_id in (
            (ADMIN, "snap_none"),
            (caller("eve", role="admin", workspace="other"), first),
        ):
            with pytest.raises(NotFound):
                await back(system, snapshot_id, who=who)
        assert (await head(system)).current_id == second

    play(tmp_path, scenario)


def test_a_damaged_snapshot_never_becomes_current(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        info = await system.store.get(WORKSPACE, SNAPSHOTS, first)
        await system.deps.blobs.put(info.blob_key, b"{}", if_generation=None)
        with pytest.raises(CorruptData):
            await back(system, first)
        assert (await head(system)).current_id == second

    play(tmp_path, scenario)


def test_a_key_rolls_back_once(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        answer = await back(system, first, key=IdempotencyKey("k", "f"))
        await back(system, second)
        assert await back(system, first, key=IdempotencyKey("k", "f")) == answer
        assert (await head(system)).current_id == second

    play(tmp_path, scenario)


def test_of_racing_rollbacks_to_one_snapshot_one_wins(tmp_path):
    async def scenario(system):
        first, _ = await two_snapshots(system)
        tries = [back(system, first) for _ in range(10)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(one, Conflict) for one in results) == 9

    play(tmp_path, scenario)


def test_a_run_under_way_loses_to_a_rollback(tmp_path):
    async def scenario(system):
        first, _ = await two_snapshots(system)
        running = await left_behind(system)
        await back(system, first)
        assert (await head(system)).lease_run_id is None
        assert (await system.store.get(WORKSPACE, RUNS, running)).error == OVERTAKEN

    play(tmp_path, scenario)


def test_a_read_only_workspace_is_not_rolled_back(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        await system.change_settings(read_only=True)
        with pytest.raises(Unavailable):
            await back(system, first)
        assert (await head(system)).current_id == second

    play(tmp_path, scenario)


def test_every_snapshot_is_kept(tmp_path):
    async def scenario(system):
        made = []
        for _ in range(5):
            await evidence(system, 5)
            made.append((await run(system)).snapshot_id)
            system.clock.advance(1)
        for snapshot_id in made[:-1]:
            assert (await back(system, snapshot_id)).snapshot_id == snapshot_id

    play(tmp_path, scenario)
