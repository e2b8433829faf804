"""Backups of chosen workspaces, taken in pieces and day by day, and pruned."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from shared.adapters.blobs_folder import FolderBlobs
from shared.domain.access import WORKSPACES, Workspace
from shared.domain.backup import AUDIT, BLOBS, RATINGS, find
from shared.domain.entries import ENTRIES
from shared.domain.records import SYSTEM_WORKSPACE
from shared.errors import NotFound, Unavailable
from shared.services import access
from shared.services.backup import daily, pruning, taking
from shared.services.backup.shelf import Shelf
from shared.services.backup.taking import Wish
from tests.support.backups import Stops, approve, dies_after, fill, restored, small_chunks, taken
from tests.support.learning import evidence
from tests.support.system import WORKSPACE, caller, play


@pytest.fixture
def place(tmp_path):
    return FolderBlobs(tmp_path / "place")


@pytest.fixture
def here(tmp_path):
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path):
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


async def tenants(system):
    await fill(system)
    await access.create_workspace(system.deps, "other")
    await evidence(system, 5, workspace="other")


def test_chosen_workspaces_come_with_the_credentials_and_without_the_others(here, there, place):
    manifest = taken(here, place, Wish(workspaces=("other",)), prepare=tenants)
    assert [one.name for one in manifest.workspaces] == [SYSTEM_WORKSPACE, "other"]
    assert all(one.ok for one in restored(there, place).findings)

    async def scenario(system):
        assert await system.store.count(WORKSPACE, ENTRIES, at_most=9) == 0
        assert (await system.deps.analytics.head("other"))[0] == 5

    play(there, scenario)


def test_a_workspace_that_does_not_exist_cannot_be_chosen(here, place):
    with pytest.raises(NotFound, match="no workspace nobody"):
        taken(here, place, Wish(workspaces=("nobody",)), prepare=tenants)


def test_quiesced_workspaces_are_held_for_the_moment_and_let_go(here, there, place, monkeypatch):
    monkeypatch.setattr("shared.services.backup.quieting.SEEN_S", 0.0)

    async def scenario(system):
        await tenants(system)
        await system.change_settings(workspace="other", read_only=True)
        manifest = await taking.take(system.deps, place, Wish(quiesce=True))
        settings = [
            await access.view_settings(system.deps, caller(workspace=name))
            for name in (WORKSPACE, "other")
        ]
        assert [one.read_only for one in settings] == [False, True]
        return manifest

    manifest = play(here, scenario)
    assert [one.quiesced for one in manifest.workspaces] == [False, True, True]
    restored(there, place)

    async def is_open(system):
        assert not (await access.view_settings(system.deps, caller())).read_only

    play(there, is_open)


def test_a_workspace_that_a_dead_backup_holds_is_let_go_by_the_next(here, place, monkeypatch):
    async def cut_off(*_):
        raise Stops

    async def scenario(system):
        await fill(system)
        monkeypatch.setattr("asyncio.sleep", cut_off)
        with pytest.raises(Stops):
            await taking.take(system.deps, place, Wish(quiesce=True))
        monkeypatch.undo()
        assert (await access.view_settings(system.deps, caller())).read_only
        monkeypatch.setattr("shared.services.backup.quieting.SEEN_S", 0.0)
        await taking.take(system.deps, place, Wish(quiesce=True))
        assert not (await access.view_settings(system.deps, caller())).read_only

    play(here, scenario)


def test_a_log_is_copied_once_and_its_chunks_taken_over(here, there, place, monkeypatch):
    small_chunks(monkeypatch)

    async def scenario(system):
        await fill(system)
        first = await taking.take(system.deps, place, Wish())
        await evidence(system, 10)
        read = []
        view = system.deps.archive.view

        @asynccontextmanager
        async def counted(*asked):
            async with view(*asked) as one:
                rows = one.rows

                async def counting(part, after, limit):
                    found = await rows(part, after, limit)
                    read.extend(row.key for row in found if part == RATINGS)
                    return found

                one.rows = counting
                yield one

        system.deps.archive.view = counted
        system.clock.advance(60)
        second = await taking.take(system.deps, place, Wish())
        return first, second, read

    first, second, read = play(here, scenario)
    before, after = (find(one, WORKSPACE).parts[RATINGS].chunks for one in (first, second))
    assert before[:-1] == after[: len(before) - 1]
    assert sum(one.rows for one in after) == 50
    assert len(read) == 5 + 15  # the ends of five chunks, and what is behind them
    assert all(one.ok for one in restored(there, place).findings)


def test_a_log_that_grew_differently_is_copied_anew(here, there, place, monkeypatch):
    small_chunks(monkeypatch)
    first = taken(here, place)
    copy = find(first, WORKSPACE)

    async def another(system):
        await fill(system)
        system.clock.advance(60)
        return await taking.take(system.deps, place, Wish())

    second = find(play(there, another, seed=99), WORKSPACE)
    assert copy.parts[AUDIT].chunks[0] != second.parts[AUDIT].chunks[0]


def test_an_object_that_is_missing_is_named_and_the_rest_is_taken(here, place):
    async def damaged(system):
        await fill(system)
        [key, *_] = await system.deps.blobs.list("workspaces/")
        await system.deps.blobs.delete(key)

    copy = find(taken(here, place, prepare=damaged), WORKSPACE)
    assert len(copy.missing) == 1
    assert copy.parts[BLOBS].rows == 4


def test_two_who_go_on_with_the_same_backup_do_not_both_finish(here, place, monkeypatch):
    small_chunks(monkeypatch)

    async def scenario(system):
        await fill(system)
        with pytest.raises(Stops):
            await taking.take(system.deps, place, Wish(), dies_after(4))
        ended = await asyncio.gather(
            *(taking.take(system.deps, place, Wish()) for _ in range(2)), return_exceptions=True
        )
        assert sorted(type(one).__name__ for one in ended) == ["Conflict", "Manifest"]

    play(here, scenario)


def test_old_backups_go_but_never_the_newest_nor_what_it_needs(here, there, place):
    async def scenario(system):
        await fill(system)
        ids = []
        for _ in range(4):
            ids.append((await taking.take(system.deps, place, Wish())).id)
            await evidence(system, 3)
            system.clock.advance(timedelta(days=10).total_seconds())
        assert (await pruning.prune(system.deps, place, 30, dry_run=True)).backups == ids[:1]
        gone = await pruning.prune(system.deps, place, 30)
        assert gone.backups == ids[:1]
        assert gone.chunks > 0
        system.clock.advance(timedelta(days=400).total_seconds())
        assert (await pruning.prune(system.deps, place, 30)).backups == ids[1:3]
        assert await Shelf(place).complete() == ids[3:]
        assert (await pruning.prune(system.deps, place, 30)).backups == []

    play(here, scenario)
    assert all(one.ok for one in restored(there, place).findings)


def test_chunks_stay_as_long_as_a_backup_is_being_made(here, there, place, monkeypatch):
    small_chunks(monkeypatch)

    async def scenario(system):
        await fill(system)
        await taking.take(system.deps, place, Wish())
        system.clock.advance(timedelta(days=40).total_seconds())
        await approve(system, 81)
        await taking.take(system.deps, place, Wish())
        await approve(system, 82)
        with pytest.raises(Stops):
            await taking.take(system.deps, place, Wish(), dies_after(9))
        gone = await pruning.prune(system.deps, place, 30)
        assert (len(gone.backups), gone.chunks) == (1, 0)
        system.clock.advance(timedelta(days=8).total_seconds())
        gone = await pruning.prune(system.deps, place, 30)
        assert len(gone.backups) == 1  # nobody goes on with that one any more
        assert gone.chunks > 0

    play(here, scenario)
    assert all(one.ok for one in restored(there, place).findings)


def with_place(system, place):
    object.__setattr__(system.deps, "backups", place)


def test_the_job_does_nothing_without_a_place(here):
    async def scenario(system):
        assert (await daily.back_up(system.deps, "1", 60, 30)).state == "off"

    play(here, scenario)


def test_the_job_takes_one_backup_a_day_in_as_many_calls_as_it_needs(
    here, there, place, monkeypatch
):
    small_chunks(monkeypatch)

    async def scenario(system):
        await fill(system)
        with_place(system, place)
        states = []
        for _ in range(100):
            done = await daily.back_up(system.deps, "1", 0.0, 30)
            states.append(done.state)
            if done.state == "complete":
                break
        assert set(states[:-1]) == {"going_on"}
        assert len(states) > 10
        assert (await daily.back_up(system.deps, "1", 60, 30)).state == "not_due"
        system.clock.advance(timedelta(hours=24).total_seconds())
        assert (await daily.back_up(system.deps, "1", 60, 30)).state == "complete"
        system.clock.advance(timedelta(days=31).total_seconds())
        assert (await daily.back_up(system.deps, "1", 60, 30)).removed == 2

    play(here, scenario)
    assert all(one.ok for one in restored(there, place).findings)


def test_a_process_without_an_archive_says_so(here, place):
    async def scenario(system):
        object.__setattr__(system.deps, "archive", None)
        with pytest.raises(Unavailable, match="no way"):
            await taking.take(system.deps, place, Wish())

    play(here, scenario)


def test_a_workspace_that_is_listed_and_has_nothing_is_no_trouble(here, there, place):
    async def bare(system):
        async def write(tx):
            tx.put(WORKSPACES, Workspace(id="bare", created_at=system.clock.now_text()))

        await system.store.transact(SYSTEM_WORKSPACE, write)

    manifest = taken(here, place, prepare=bare)
    assert find(manifest, "bare").parts[BLOBS].rows == 0
    assert all(one.ok for one in restored(there, place).findings)
