"""What the index over blobs makes of damage, of lag, and of little room."""

import asyncio
from functools import partial

import pytest

from shared.adapters import index_blobs_slot
from shared.adapters.blobs_gcs import GcsBlobs
from shared.errors import Conflict, Unavailable
from tests.support.storage_fixture import new_bucket
from tests.support.stored_index import HEAD, Cloud, change, found, played, publish, upto


@pytest.fixture
def play(tmp_path):
    return partial(played, tmp_path)


@pytest.mark.parametrize("data", [b"", b"rubbish", b"SQLite format 3\x00" + b"\xff" * 9000])
def test_a_damaged_file_gives_way_to_the_one_before(play, caplog, data):
    async def scenario(cloud):
        await publish(cloud.instance(), 1, 10)
        await cloud.damage((await cloud.saved())[-1], data)
        index = cloud.instance()
        assert (await index.version("w"), await found(index)) == (5, upto(5))
        assert "index.saved_file_damaged" in caplog.messages
        await publish(index, 6, 10)
        assert await cloud.instance().version("w") == 10, "and is replaced when it is time"

    play(scenario)


def test_a_file_whose_bytes_rot_in_place_gives_way_too(play, tmp_path):
    async def scenario(cloud):
        await publish(cloud.instance(), 1, 10)
        path = tmp_path / "blobs" / "objects" / f"{(await cloud.saved())[-1]}~"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        assert await cloud.instance().version("w") == 5

    play(scenario)


def test_with_every_file_damaged_an_instance_starts_empty_and_saves_anew(play):
    async def scenario(cloud):
        await publish(cloud.instance(), 1, 15)
        damaged = await cloud.saved()
        for key in damaged:
            await cloud.damage(key)
        index = cloud.instance()
        assert (await index.version("w"), await found(index)) == (0, [])
        await publish(index, 1, 2)
        assert await cloud.instance().version("w") == 1
        await publish(index, 3, 20)
        assert not set(damaged) & set(await cloud.saved()), "what nothing points at is removed"

    play(scenario)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"files": [{"key": 1}]}'])
def test_a_damaged_pointer_is_written_anew(play, data):
    async def scenario(cloud):
        await publish(cloud.instance(), 1, 5)
        await cloud.damage(HEAD, data)
        index = cloud.instance()
        assert await index.version("w") == 0
        await publish(index, 1, 6)
        assert await cloud.instance().version("w") == 5

    play(scenario)


def test_a_pointer_that_rots_in_place_is_written_anew(play, tmp_path):
    async def scenario(cloud):
        await publish(cloud.instance(), 1, 5)
        (tmp_path / "blobs" / "objects" / f"{HEAD}~").write_bytes(b"rubbish")
        index = cloud.instance()
        await publish(index, 1, 6)
        assert await cloud.instance().version("w") == 5

    play(scenario)


def test_a_file_of_another_schema_is_left_alone(play, monkeypatch):
    async def scenario(cloud):
        await publish(cloud.instance(), 1, 5)
        with monkeypatch.context() as patched:
            patched.setattr(index_blobs_slot, "SCHEMA_VERSION", 99)
            assert await cloud.instance().version("w") == 0
        assert await cloud.instance().version("w") == 5

    play(scenario)


def test_a_file_removed_while_it_was_to_be_read_gives_way_to_a_newer_one(play):
    async def scenario(cloud):
        publisher = cloud.instance(keep=1)
        await publish(publisher, 1, 5)
        [old] = await cloud.saved()
        plain, index = cloud.blobs.get_file, cloud.instance()

        async def overtaken(key, file):
            if key == old:
                await publish(publisher, 6, 10)
            return await plain(key, file)

        cloud.blobs.get_file = overtaken
        assert await index.version("w") == 10

    play(scenario)


def test_a_download_that_breaks_off_leaves_nothing_on_the_disk(play):
    async def scenario(cloud):
        await publish(cloud.instance(), 1, 5)
        plain, index = cloud.blobs.get_file, cloud.instance()

        async def cut(key, file):
            await plain(key, file)
            raise Unavailable("no network")

        cloud.blobs.get_file = cut
        before = cloud.files()
        with pytest.raises(Unavailable):
            await index.version("w")
        assert cloud.files() == before
        cloud.blobs.get_file = plain
        assert await index.version("w") == 5

    play(scenario)


def test_a_file_that_is_gone_for_good_is_no_hindrance(play):
    async def scenario(cloud):
        await publish(cloud.instance(), 1, 5)
        for key in await cloud.saved():
            await cloud.blobs.delete(key)
        assert await cloud.instance().version("w") == 0

    play(scenario)


def test_blobs_that_do_not_answer_are_unavailable_and_no_empty_index(play):
    async def scenario(cloud):
        await publish(cloud.instance(), 1, 5)
        index, plain = cloud.instance(), cloud.blobs.get

        async def away(key):
            raise Unavailable("no network")

        cloud.blobs.get = away
        for call in (index.version("w"), index.search("w", "text", limit=1)):
            with pytest.raises(Unavailable):
                await call
        cloud.blobs.get = plain
        assert await found(index) == upto(5)

    play(scenario)


def test_an_instance_that_lags_takes_over_what_was_saved_since(play):
    async def scenario(cloud):
        publisher, lagging = cloud.instance(), cloud.instance()
        await publish(publisher, 1, 6)
        assert await lagging.version("w") == 5
        await publish(publisher, 7, 9)
        await lagging.load("w")
        assert await lagging.version("w") == 5, "nothing newer was saved"
        await publish(publisher, 10, 21)
        await lagging.load("w")
        assert (await lagging.version("w"), await found(lagging)) == (20, upto(20))
        await publisher.load("w")
        assert await publisher.version("w") == 21, "what is newer here stays"

    play(scenario)


def test_searches_beside_a_load_see_one_state_or_the_other(play):
    async def scenario(cloud):
        publisher, lagging = cloud.instance(), cloud.instance()
        await publish(publisher, 1, 5)
        await lagging.version("w")
        await publish(publisher, 6, 30)

        async def watch():
            return [await found(lagging) for _ in range(20)]

        *seen, _ = await asyncio.gather(watch(), watch(), lagging.load("w"))
        assert all(one in (upto(5), upto(30)) for seen_one in seen for one in seen_one)
        assert await found(lagging) == upto(30)
        assert len([path for path in cloud.files() if path.match("disk1/*.sqlite")]) == 1

    play(scenario)


def test_changes_that_follow_a_version_the_index_fell_below_are_refused(play):
    async def scenario(cloud):
        index = cloud.instance()
        await publish(index, 1, 7)
        await index.close()  # as an instance that starts anew
        with pytest.raises(Conflict, match="5"):
            await index.apply("w", [change(8)], after=7)
        await index.apply("w", [change(6), change(7), change(8)], after=5)
        assert await found(index) == upto(8)

    play(scenario)


def test_a_damaged_local_copy_is_loaded_anew(play, caplog):
    async def scenario(cloud):
        index = cloud.instance()
        await publish(index, 1, 7)
        await index._local.close()
        [path] = [path for path in cloud.files() if path.suffix == ".sqlite"]
        for one in cloud.files():
            one.unlink()
        path.write_bytes(b"this is no database " * 500)
        assert await found(index) == upto(5)
        assert "index.local_copy_damaged" in caplog.messages

    play(scenario)


def test_room_on_the_disk_is_made_by_what_was_not_used_for_longest(play):
    async def scenario(cloud):
        index = cloud.instance(room_bytes=400_000)
        for workspace in ("a", "b", "c", "d", "e", "f", "g", "h"):
            for number in range(1, 6):
                await index.apply(workspace, [change(number)])
            await index.save(workspace)
        await index.version("a")
        held = [name for name, slot in index._slots.items() if slot.copy is not None]
        assert "a" in held
        assert "h" in held
        assert "b" not in held
        assert sum(path.stat().st_size for path in cloud.files()) < 1_000_000
        result = await index.search("b", "text", limit=10)
        assert len(result.hits) == 5, "it is loaded again"

    play(scenario)


def test_room_is_made_before_a_file_is_loaded(play):
    async def scenario(cloud):
        publisher, names = cloud.instance(), ("a", "b", "c", "d")
        for workspace in names:
            await publisher.apply(workspace, [change(number) for number in range(1, 6)])
            await publisher.save(workspace)
        await publisher.close()
        room = round(2.9 * (await cloud.instance().size("a")).size_bytes)
        await cloud.made[-1].close()
        index, plain = cloud.instance(room_bytes=room), cloud.blobs.get_file
        held = []

        async def watched(key, file):
            generation = await plain(key, file)
            held.append(sum(one.stat().st_size for one in cloud.files()))
            return generation

        cloud.blobs.get_file = watched
        for workspace in names:
            assert await index.version(workspace) == 5
        assert len(held) == 4
        assert room / 2 < max(held) <= room

    play(scenario)


def test_dropping_forgets_what_was_saved(play):
    async def scenario(cloud):
        index = cloud.instance()
        await publish(index, 1, 10)
        await index.drop("w")
        assert await index.version("w") == 0
        assert await cloud.blobs.list("index/") == []
        assert await cloud.instance().version("w") == 0
        await publish(index, 1, 6)
        assert await cloud.instance().version("w") == 5

    play(scenario)


def test_names_of_workspaces_do_not_meet_among_the_blobs(play):
    async def scenario(cloud):
        names = ["w", "w/../x", "..", ".", "w%2F", "w:2F", "ä", "a b", "~", "%7E"]
        index = cloud.instance(least_changes=1)
        for number, name in enumerate(names, start=1):
            await index.apply(name, [change(number)])
            await index.save(name)
        other = cloud.instance()
        for number, name in enumerate(names, start=1):
            assert await other.version(name) == number
            assert [hit.entry_id for hit in (await other.search(name, "text", limit=9)).hits] == [
                f"e{number}"
            ]

    play(scenario)


def test_an_index_serves_one_event_loop_after_another(tmp_path):
    cloud = Cloud(tmp_path)
    index = cloud.instance()
    asyncio.run(publish(index, 1, 5))

    async def at_once():
        await index.close()
        return await asyncio.gather(*(found(index) for _ in range(5)))

    for _ in range(3):
        assert asyncio.run(at_once()) == [upto(5)] * 5
    asyncio.run(index.close())


def test_an_object_that_cannot_be_pruned_is_pruned_by_the_next(play):
    async def scenario(cloud):
        index, plain = cloud.instance(), cloud.blobs.delete

        async def away(key):
            raise Unavailable("no network")

        await publish(index, 1, 19)
        cloud.blobs.delete = away
        await publish(index, 20, 20, save=False)
        with pytest.raises(Unavailable):
            await index.save("w")
        assert await cloud.instance().version("w") == 20, "it is saved all the same"
        cloud.blobs.delete = plain
        await publish(index, 21, 25)
        assert len(await cloud.saved()) == 3

    play(scenario)


# --- on Cloud Storage -----------------------------------------------------------------------------


def test_on_cloud_storage_racing_publishers_leave_one_index_that_loads(storage_server, tmp_path):
    bucket = new_bucket(storage_server)

    async def scenario():
        blobs = GcsBlobs(bucket, endpoint=storage_server.url)
        cloud = Cloud(tmp_path)
        cloud.blobs = blobs
        one, two = cloud.instance(), cloud.instance()
        for first, last in ((1, 6), (7, 12), (13, 18), (19, 24), (25, 30)):
            for index in (one, two):
                await publish(index, first, last, save=False)
            await asyncio.gather(one.save("w"), two.save("w"))
        assert len(await cloud.saved()) == 3
        fresh = cloud.instance()
        assert (await fresh.version("w"), await found(fresh)) == (30, upto(30))
        assert await fresh.digest("w") == await one.digest("w")
        newest = (await cloud.saved())[-1]
        await blobs.put(newest, b"rubbish", if_generation=None)
        assert await cloud.instance().version("w") == 24
        await fresh.drop("w")
        assert await blobs.list("index/") == []
        for index in cloud.made:
            await index.close()
        await blobs.close()

    asyncio.run(scenario())
