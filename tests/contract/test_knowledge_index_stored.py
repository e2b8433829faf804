"""What the index over blobs promises beyond the port: empty disks, saving, races, crashes."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from shared.errors import Unavailable
from tests.support.stored_index import HEAD, change, found, played, publish, upto

ROOT = Path(__file__).parents[2]

SAVE_FOREVER = """
import asyncio, sys
from pathlib import Path
from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.index_blobs import StoredIndex
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.ports import IndexChange, IndexDocument

async def main(local, blobs):
    index = StoredIndex(SqliteKnowledgeIndex(local), FolderBlobs(blobs), least_changes=1, share=0)
    number = await index.version("w")
    while True:
        number += 1
        document = IndexDocument(f"e{number}", 1, "topic", "text", ())
        await index.apply("w", [IndexChange(number, f"e{number}", document)])
        await index.save("w")
        print(number, flush=True)

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
"""


@pytest.fixture
def play(tmp_path):
    return partial(played, tmp_path)


def test_a_new_instance_starts_from_the_newest_saved_file(play):
    async def scenario(cloud):
        publisher = cloud.instance()
        await publish(publisher, 1, 12)
        other = cloud.instance()
        assert (await other.version("w"), await found(other)) == (10, upto(10))
        await other.apply("w", [change(11), change(12)], after=10)
        assert await other.digest("w") == await publisher.digest("w")
        assert await other.search("w", "number7", limit=3) == await publisher.search(
            "w", "number7", limit=3
        )

    play(scenario)


def test_any_first_use_of_a_workspace_loads_it(play):
    async def scenario(cloud):
        await publish(cloud.instance(), 1, 5)
        assert await found(cloud.instance()) == upto(5)
        assert await cloud.instance().unembedded("w", "m", 1) == [("e5", 1)]
        late = cloud.instance()
        await late.apply("w", [change(6)], after=5)
        assert await found(late) == upto(6)

    play(scenario)


def test_many_first_uses_at_once_load_once(play):
    async def scenario(cloud):
        await publish(cloud.instance(), 1, 5)
        cloud.blobs.read.clear()
        index = cloud.instance()
        results = await asyncio.gather(*(found(index) for _ in range(20)))
        assert results == [upto(5)] * 20
        assert len(cloud.blobs.read) == 2, "the pointer and one file"
        await found(index)
        assert len(cloud.blobs.read) == 2

    play(scenario)


def test_nothing_is_saved_before_enough_has_changed(play):
    async def scenario(cloud):
        index = cloud.instance()
        await publish(index, 1, 4)
        assert cloud.blobs.written == []
        await publish(index, 5, 9)
        assert [key for key in cloud.blobs.written if key == HEAD] == [HEAD]
        await publish(index, 10, 10)
        assert len(await cloud.saved()) == 2
        cloud.blobs.read.clear()
        await publish(index, 11, 14)
        assert cloud.blobs.read == [], "looking whether it is time costs nothing"

    play(scenario)


def test_what_is_enough_grows_with_the_documents(play):
    async def scenario(cloud):
        index = cloud.instance(least_changes=2, share=0.5, keep=100)
        await publish(index, 1, 40)
        versions = [int(key.split("/")[2].split("-")[0]) for key in await cloud.saved()]
        assert versions == [2, 4, 6, 9, 14, 21, 32]

    play(scenario)


def test_the_newest_files_are_kept_and_the_others_go(play):
    async def scenario(cloud):
        await publish(cloud.instance(), 1, 60)
        saved = await cloud.saved()
        assert [int(key.split("/")[2].split("-")[0]) for key in saved] == [50, 55, 60]

    play(scenario)


def test_of_two_that_save_at_once_one_wins_and_nothing_is_left_over(play):
    async def scenario(cloud):
        one, two = cloud.instance(), cloud.instance()
        for index in (one, two):
            await publish(index, 1, 7, save=False)
        await asyncio.gather(*(index.save("w") for index in (one, two, one, two)))
        assert cloud.blobs.written.count(HEAD) == 2, "both tried"
        assert len(await cloud.saved()) == 1
        assert await found(cloud.instance()) == upto(7)
        await publish(one, 8, 12)
        await publish(two, 8, 12)
        assert len(await cloud.saved()) == 2
        assert await found(cloud.instance()) == upto(12)

    play(scenario)


def test_one_that_saves_an_older_state_does_not_push_a_newer_one_back(play):
    async def scenario(cloud):
        slow, fast = cloud.instance(), cloud.instance()
        await publish(slow, 1, 5, save=False)
        await publish(fast, 1, 11, save=False)

        async def overtake(key):
            if key == HEAD:
                cloud.blobs.before_put = None
                await fast.save("w")

        cloud.blobs.before_put = overtake
        await slow.save("w")
        assert await cloud.instance().version("w") == 11
        assert len(await cloud.saved()) == 1

    play(scenario)


def test_what_is_saved_is_one_state_however_much_is_published_and_read_back_meanwhile(play):
    async def scenario(cloud):
        index = cloud.instance()
        await publish(index, 1, 7, save=False)

        async def meanwhile(key):
            cloud.blobs.before_put = None
            [path] = [one for one in cloud.files() if one.suffix == ".sqlite"]
            before = path.read_bytes()
            await publish(index, 8, 40, save=False)
            with closing(sqlite3.connect(path)) as other:
                other.execute("PRAGMA wal_checkpoint(PASSIVE)")
            assert path.read_bytes() == before

        cloud.blobs.before_put = meanwhile
        await index.save("w")
        assert (await index.version("w"), await found(index)) == (40, upto(40))
        other = cloud.instance()
        assert (await other.version("w"), await found(other)) == (7, upto(7))

    play(scenario)


def test_a_writer_that_died_before_the_pointer_leaves_what_the_next_one_removes(play):
    async def scenario(cloud):
        async def die(key):
            if key == HEAD:
                raise Unavailable("the power is gone")

        first = cloud.instance()
        cloud.blobs.before_put = die
        await publish(first, 1, 5, save=False)
        with pytest.raises(Unavailable):
            await first.save("w")
        cloud.blobs.before_put = None
        [orphan] = await cloud.saved()
        second = cloud.instance()
        assert await second.version("w") == 0, "nothing points at it"
        await publish(second, 1, 6)
        assert orphan not in await cloud.saved()
        assert await found(cloud.instance()) == upto(5)

    play(scenario)


def kill_a_publisher(disk: Path, blobs: Path, after: int) -> int:
    """Starts a process that saves after each change, kills it, and returns what it reported."""
    process = subprocess.Popen(
        [sys.executable, "-c", SAVE_FOREVER, str(disk), str(blobs)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in range(after):
        reported = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    return max([reported, *map(int, process.communicate()[0].split())])


@pytest.mark.crash
def test_a_publisher_killed_at_any_moment_leaves_an_index_that_loads(play, tmp_path):
    for number in range(4):
        reported = kill_a_publisher(tmp_path / f"k{number}", tmp_path / "blobs", 3 + 4 * number)

        async def scenario(cloud, reported=reported):
            index = cloud.instance()
            version = await index.version("w")
            assert version >= reported
            assert await found(index) == upto(version)

        play(scenario)
