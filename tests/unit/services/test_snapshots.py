"""Snapshots as they are kept: read whole or not at all, and mended by the run that makes them."""

import asyncio

import pytest

from shared.domain.learning.runs import SNAPSHOTS
from shared.errors import CorruptData, NotFound
from shared.messages.base import PageParams
from shared.messages.learning import PatternsPage
from shared.messages.training import RollBack
from shared.services import rolling_back, snapshots, training, trusting
from shared.services.serving.current import current_view
from tests.support.learning import ADMIN, evidence, head, run
from tests.support.system import WORKSPACE, caller, play


def damage(root, snapshot_id):
    """Changes one byte in the middle of a snapshot's object."""
    [path] = (root / "blobs").rglob(f"{snapshot_id}*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


async def two_snapshots(system):
    await evidence(system, 12)
    first = await run(system)
    await evidence(system, 12, pattern="math")
    second = await run(system)
    assert first.snapshot_id != second.snapshot_id
    return first.snapshot_id, second.snapshot_id


def test_a_damaged_snapshot_is_told_and_changes_nothing(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        damage(tmp_path, second)
        with pytest.raises(CorruptData):
            await trusting.patterns(system.deps, ADMIN, PatternsPage())
        with pytest.raises(CorruptData):
            await trusting.agents(system.deps, ADMIN, PageParams())
        failed = await run(system)
        assert failed.status == "failed"
        assert second in failed.error
        at = await head(system)
        assert (at.current_id, at.previous_id, at.lease_run_id) == (second, first, None)

    play(tmp_path, scenario)


def test_rolling_back_from_a_damaged_snapshot_works_and_the_next_run_mends_it(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        damage(tmp_path, second)
        command = RollBack(snapshot_id=first, reason="damaged")
        await rolling_back.roll_back(system.deps, ADMIN, command, None)
        at = await head(system)
        assert (at.current_id, at.projected_id) == (first, first)
        done = await run(system)
        assert (done.status, done.snapshot_id) == ("succeeded", second)
        opened = await snapshots.open_snapshot(system.deps, WORKSPACE, second)
        assert opened.snapshot.totals.ratings == 24

    play(tmp_path, scenario)


def test_rolling_back_to_a_damaged_snapshot_is_refused(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        damage(tmp_path, first)
        command = RollBack(snapshot_id=first, reason="older is better")
        with pytest.raises(CorruptData):
            await rolling_back.roll_back(system.deps, ADMIN, command, None)
        assert (await head(system)).current_id == second

    play(tmp_path, scenario)


def test_what_serving_has_in_memory_is_not_read_again(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        seen = (await current_view(system.deps, WORKSPACE)).snapshot
        assert (await snapshots.open_snapshot(system.deps, WORKSPACE, second)).snapshot is seen
        other = (await snapshots.open_snapshot(system.deps, WORKSPACE, first)).snapshot
        assert other.totals.ratings == 12

    play(tmp_path, scenario)


def test_a_snapshot_of_another_workspace_is_not_found(tmp_path):
    async def scenario(system):
        first, _ = await two_snapshots(system)
        with pytest.raises(NotFound):
            await snapshots.open_snapshot(system.deps, "other", first)
        assert await snapshots.info_of(system.deps, "other", first) is None
        assert await snapshots.open_current(system.deps, "other") is None

    play(tmp_path, scenario)


def test_equal_content_in_two_workspaces_is_two_snapshots(tmp_path):
    async def scenario(system):
        await evidence(system, 12)
        await evidence(system, 12, workspace="other")
        ours = await run(system)
        stranger = caller("eve", role="admin", workspace="other")
        theirs = await training.start_run(system.deps, stranger, "", None, dry_run=False)
        assert ours.snapshot_id != theirs.snapshot_id
        assert ours.after == theirs.after

    play(tmp_path, scenario)


def test_objects_that_several_runs_keep_at_once_are_one(tmp_path):
    async def scenario(system):
        await asyncio.gather(
            *(snapshots.keep_blob(system.deps, "learning/x", b"data") for _ in range(8))
        )
        assert (await system.deps.blobs.get("learning/x")).data == b"data"
        assert await system.deps.blobs.list("learning/") == ["learning/x"]

    play(tmp_path, scenario)


def test_every_snapshot_is_kept(tmp_path):
    async def scenario(system):
        made = []
        for at in range(5):
            await evidence(system, 12, pattern=f"pattern{at}")
            made.append((await run(system)).snapshot_id)
        for snapshot_id in made:
            opened = await snapshots.open_snapshot(system.deps, WORKSPACE, snapshot_id)
            assert opened.info.id == snapshot_id
        infos = (await system.store.find(WORKSPACE, SNAPSHOTS, limit=10)).items
        assert {info.id for info in infos} == set(made)
        parents = {info.id: info.parent_id for info in infos}
        assert [parents[one] for one in made] == [None, *made[:-1]]

    play(tmp_path, scenario)
