"""Backups: whole, of one moment, and restored only where nothing is."""

import asyncio
import json

import pytest

from shared.adapters.blobs_folder import FolderBlobs
from shared.domain.backup import BLOBS, RATINGS, find
from shared.domain.entries import ENTRIES
from shared.domain.operations import RESTORE_ID, RESTORES
from shared.domain.records import SYSTEM_WORKSPACE
from shared.errors import Conflict, CorruptData, NotFound
from shared.services import access
from shared.services.backup import chunks, restoring, taking, verifying
from shared.services.backup.shelf import Shelf
from shared.services.backup.taking import Wish
from tests.support.backups import (
    SECRET,
    Stops,
    approve,
    dies_after,
    fill,
    restored,
    small_chunks,
    taken,
)
from tests.support.system import WORKSPACE, System, play


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
