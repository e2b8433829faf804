"""Backups: whole, of one moment, taken in pieces, and restored only where nothing is."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from functions.publish.main import app as publish_app
from shared.adapters.blobs_folder import FolderBlobs
from shared.domain.access import WORKSPACES, Workspace
from shared.domain.backup import AUDIT, BLOBS, RATINGS, find
from shared.domain.entries import ENTRIES
from shared.domain.operations import RESTORE_ID, RESTORES
from shared.domain.records import SYSTEM_WORKSPACE
from shared.errors import Conflict, CorruptData, NotFound, Unavailable
from shared.messages.reviewing import Approve
from shared.services import access, reviewing
from shared.services.backup import chunks, daily, pruning, restoring, taking, verifying
from shared.services.backup.shelf import Shelf
from shared.services.backup.taking import Wish
from tests.support.entries import submit
from tests.support.learning import evidence, run
from tests.support.system import WORKSPACE, System, caller, play

ADA = caller("ada", role="reviewer")
EVERYTHING = Wish()
SECRET = "wsk_of-the-test"


async def approve(system, number):
    entry_id = await submit(system, number)
    await reviewing.decide(system.deps, ADA, entry_id, Approve(), None, verdict="approve", notes="")
    return entry_id


async def fill(system, entries=3, ratings=40):
    """Makes a workspace with published knowledge, evidence and a snapshot."""
    system.attach(publish_app)
    await access.bootstrap_access(system.deps, SECRET)
    for number in range(entries):
        await approve(system, number)
    await submit(system, 90)
    await system.drain()
    await evidence(system, ratings)
    await run(system)
    await system.drain()


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


def taken(root, place, wish=EVERYTHING, prepare=fill, **options):
    """Fills a system and returns its backup."""

    async def scenario(system):
        await prepare(system)
        return await taking.take(system.deps, place, wish)

    return play(root, scenario, **options)


def restored(root, place, backup_id=None, **options):
    async def scenario(system):
        manifest = await restoring.choose(place, backup_id)
        return await restoring.restore(system.deps, place, manifest)

    return play(root, scenario, seed=7, **options)


def test_a_restored_system_equals_the_one_that_was_backed_up(here, there, place):
    manifest = taken(here, place)
    done = restored(there, place)
    assert done.manifest == manifest
    assert all(one.ok for one in done.findings)
    assert {one.what.split(" of ")[0] for one in done.findings} == {
        "rows",
        "audit chain",
        "objects",
        "knowledge index",
        "published knowledge",
        "snapshot",
    }
    copy = find(manifest, WORKSPACE)
    assert copy.knowledge_version == 3
    assert copy.index_digest
    assert copy.parts[BLOBS].rows == 3 + 2
    assert copy.parts[RATINGS].rows == 40

    async def scenario(system):
        assert [
            hit.score for hit in (await system.index.search(WORKSPACE, "word1x1", limit=9)).hits
        ]
        assert (await system.store.audit_page(WORKSPACE)).items[0].hash == copy.audit_head
        assert await access.bootstrap_access(system.deps, SECRET) is None
        await approve(system, 55)  # and life goes on

    play(there, scenario, seed=8)


def test_nothing_is_restored_over_something(here, there, place):
    taken(here, place)
    with pytest.raises(Conflict, match="records of _system"):
        restored(here, place)

    async def with_object(system):
        await system.deps.blobs.put("learning/default/x", b"")

    play(there, with_object)
    with pytest.raises(Conflict, match="objects under learning/"):
        restored(there, place)


def test_restoring_again_changes_nothing_and_another_backup_is_refused(here, there, place):
    first = taken(here, place)

    async def again(system):
        system.clock.advance(1)
        return await taking.take(system.deps, place, Wish())

    play(here, again, seed=2)
    restored(there, place, first.id)
    assert restored(there, place, first.id).findings == []
    with pytest.raises(Conflict, match=f"{first.id} was restored"):
        restored(there, place)


def objects_of(tmp_path, start):
    root = tmp_path / "place" / "objects"
    return sorted(one for one in root.rglob("*~") if str(one.relative_to(root)).startswith(start))


def forged(path, data):
    """Puts other bytes into an object, under a header that fits them."""
    import hashlib

    head = f"whetstone-blob-1 5 {hashlib.sha256(data).hexdigest()} {len(data)}\n"
    path.write_bytes(head.encode() + data)


@pytest.mark.parametrize("harm", ["flipped", "forged", "gone", "swapped"])
def test_a_backup_with_a_damaged_chunk_is_refused_and_leaves_nothing(
    tmp_path, here, there, place, harm
):
    manifest = taken(here, place)
    biggest = max(objects_of(tmp_path, "chunks/"), key=lambda one: one.stat().st_size)
    match harm:
        case "flipped":
            data = bytearray(biggest.read_bytes())
            data[-20] ^= 1
            biggest.write_bytes(data)
        case "forged":
            forged(biggest, chunks._packed([])[1])
        case "gone":
            biggest.unlink()
        case "swapped":
            other = min(objects_of(tmp_path, "chunks/"), key=lambda one: one.stat().st_size)
            biggest.write_bytes(other.read_bytes())
    with pytest.raises(CorruptData):
        asyncio.run(verifying.verify_backup(place, manifest))
    with pytest.raises(CorruptData):
        restored(there, place)

    async def is_empty(system):
        await restoring.check_empty(system.deps, manifest)
        assert await system.store.get(SYSTEM_WORKSPACE, RESTORES, RESTORE_ID) is None

    play(there, is_empty)


def test_a_chain_that_was_tampered_with_is_found_in_the_backup(here, place):
    async def tampered(system):
        await fill(system)
        system.store._writing.execute("UPDATE audit_log SET actor = 'eve' WHERE seq = 2")

    manifest = taken(here, place, prepare=tampered)
    with pytest.raises(CorruptData, match="broken at record 2"):
        asyncio.run(verifying.verify_backup(place, manifest))


def test_a_backup_that_cannot_be_read_is_refused(tmp_path, here, place):
    manifest = taken(here, place)
    [path] = objects_of(tmp_path, "backups/")
    forged(path, json.dumps({**manifest.model_dump(), "format": 2}).encode())
    with pytest.raises(CorruptData, match="another version"):
        asyncio.run(restoring.choose(place, None))


def test_without_a_backup_there_is_nothing_to_restore(place):
    with pytest.raises(NotFound, match="no complete backup"):
        asyncio.run(restoring.choose(place, None))
    with pytest.raises(NotFound, match="nope"):
        asyncio.run(restoring.choose(place, "nope"))


class Stops(Exception):
    """Stands for the end of the process."""


def dies_after(count):
    """Returns what is told of chunks, and ends the work at one of them."""
    left = [count]

    def told(*_):
        left[0] -= 1
        if left[0] < 0:
            raise Stops

    return told


def small_chunks(monkeypatch, rows=7):
    monkeypatch.setattr(chunks, "ROWS", rows)
    monkeypatch.setattr(taking, "PAGE", rows)
    monkeypatch.setattr(taking, "SAVED_EVERY_S", 0.0)
    monkeypatch.setattr(restoring, "MARKED_EVERY_S", 0.0)


def test_a_backup_and_a_restore_that_die_anywhere_are_gone_on_with(here, there, place, monkeypatch):
    small_chunks(monkeypatch)
    play(here, fill)

    async def take(system, told):
        return await taking.take(system.deps, place, Wish(), told)

    async def back(system, told):
        manifest = await restoring.choose(place, None)
        return await restoring.restore(system.deps, place, manifest, told)

    async def until_done(root, work, seed):
        for died in range(200):
            async with System(root, seed=seed + died) as system:
                try:
                    return died, await work(system, dies_after(3 + died))
                except Stops:
                    continue
        raise AssertionError("it never ends")

    died, manifest = asyncio.run(until_done(here, take, 100))
    assert died > 3
    assert len(asyncio.run(Shelf(place).complete())) == 1
    assert asyncio.run(Shelf(place).begun()) == []
    assert find(manifest, WORKSPACE).parts[RATINGS].rows == 40
    # What was told of once is loaded: a restore gets further each time.
    monkeypatch.setattr(restoring, "_load_all", _patient(restoring._load_all))
    died, done = asyncio.run(until_done(there, back, 500))
    assert done.manifest == manifest


def _patient(load_all):
    """Does not tell of chunks that were loaded before."""

    async def loads(deps, place, manifest, mark, told):
        seen = [0]

        def fresh(*facts):
            seen[0] += 1
            if seen[0] > mark.loaded:
                told(*facts)

        await load_all(deps, place, manifest, mark, fresh)

    return loads


def test_a_half_restored_system_does_not_start_and_is_finished_by_the_next_try(
    here, there, place, monkeypatch
):
    small_chunks(monkeypatch)
    taken(here, place)

    async def cut_off(system):
        manifest = await restoring.choose(place, None)
        with pytest.raises(Stops):
            await restoring.restore(system.deps, place, manifest, dies_after(5))
        with pytest.raises(Conflict, match="run whetstone restore again"):
            await access.bootstrap_access(system.deps, SECRET)

    play(there, cut_off)
    assert restored(there, place).findings


def test_a_workspace_is_of_one_moment_though_it_changes_meanwhile(here, there, place, monkeypatch):
    small_chunks(monkeypatch)

    async def scenario(system):
        await fill(system)
        deps, written = system.deps, []

        def told(workspace, part, _):
            if workspace == WORKSPACE and part == ENTRIES.name:
                written.append(asyncio.ensure_future(approve(system, 60 + len(written))))

        manifest = await taking.take(deps, place, Wish(), told)
        assert await asyncio.gather(*written)
        return manifest

    manifest = play(here, scenario)
    assert find(manifest, WORKSPACE).parts[ENTRIES.name].rows == 4
    assert all(one.ok for one in restored(there, place).findings)


def test_what_was_approved_and_not_published_is_published_after_a_restore(here, there, place):
    async def without_its_event(system):
        await fill(system)
        await approve(system, 70)
        await system.store.outbox_done(await system.store.outbox(100))  # as Pub/Sub had it

    taken(here, place, prepare=without_its_event)
    assert restored(there, place).published == 1

    async def scenario(system):
        assert (await system.index.search(WORKSPACE, "word70x1", limit=5)).hits

    play(there, scenario, seed=9)


def test_events_that_waited_wait_after_a_restore(here, there, place):
    async def waiting(system):
        await fill(system)
        await approve(system, 71)

    taken(here, place, prepare=waiting)
    restored(there, place)

    async def scenario(system):
        types = [item.event.type for item in await system.store.outbox(100)]
        assert types == ["entry.submitted", "entry.approved"]

    play(there, scenario, seed=9)


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
