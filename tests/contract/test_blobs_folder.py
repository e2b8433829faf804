"""What the folder adapter promises beyond the port: racing and dying processes, damage."""

import asyncio
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.local_files import exclusive
from shared.errors import Conflict, CorruptData, Unavailable

ROOT = Path(__file__).parents[2]

CREATE = """
import asyncio, sys
from pathlib import Path
from shared.adapters.blobs_folder import FolderBlobs
from shared.errors import AlreadyExists
blobs = FolderBlobs(Path(sys.argv[1]))
sys.stdin.readline()
won = []
for number in range(20):
    try:
        asyncio.run(blobs.put(f"race/{number}", sys.argv[2].encode() * 1000))
        won.append(number)
    except AlreadyExists:
        pass
print(*won)
"""

INCREMENT = """
import asyncio, sys
from pathlib import Path
from shared.adapters.blobs_folder import FolderBlobs
from shared.errors import Conflict
blobs = FolderBlobs(Path(sys.argv[1]))
sys.stdin.readline()
done = 0
while done < 20:
    blob = asyncio.run(blobs.get("counter"))
    try:
        more = b"%d" % (int(blob.data) + 1)
        asyncio.run(blobs.put("counter", more, if_generation=blob.generation))
        done += 1
    except Conflict:
        pass
print(done)
"""

WRITE_ON = """
import asyncio, sys
from pathlib import Path
from shared.adapters.blobs_folder import FolderBlobs
blobs = FolderBlobs(Path(sys.argv[1]))
print("ready", flush=True)
number = 0
while True:
    number += 1
    key = f"k/{number % 3}"
    asyncio.run(blobs.put(key, (b"%09d" % number) * 50_000, if_generation=None))
    print(number, flush=True)
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_together(program: str, root: Path, count: int) -> list[str]:
    """Runs `program` in `count` processes that begin at once, and returns what each printed."""
    processes = [start(program, str(root), str(number)) for number in range(count)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    return printed


def object_file(root: Path, key: str) -> Path:
    return root / "objects" / (key + "~")


def test_of_eight_processes_that_create_exactly_one_wins_each_key(tmp_path):
    printed = run_together(CREATE, tmp_path, 8)
    winner = {number: str(who) for who, out in enumerate(printed) for number in out.split()}
    assert sorted(number for out in printed for number in out.split()) == sorted(
        map(str, range(20))
    )
    blobs = FolderBlobs(tmp_path)
    for number in range(20):
        blob = asyncio.run(blobs.get(f"race/{number}"))
        assert blob.data == winner[str(number)].encode() * 1000


def test_no_increment_of_four_processes_is_lost(tmp_path):
    asyncio.run(FolderBlobs(tmp_path).put("counter", b"0"))
    printed = run_together(INCREMENT, tmp_path, 4)
    assert [out.strip() for out in printed] == ["20"] * 4
    assert asyncio.run(FolderBlobs(tmp_path).get("counter")).data == b"80"


def test_a_killed_writer_leaves_whole_objects_and_the_next_one_clears_up(tmp_path):
    last = 0
    for kill_after in (1, 2, 5, 9):
        process = start(WRITE_ON, str(tmp_path))
        assert process.stdout.readline() == "ready\n"
        for _ in range(kill_after):
            last = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        last = max([last, *(int(line) for line in process.communicate()[0].split())])
        blobs = FolderBlobs(tmp_path)
        for key in asyncio.run(blobs.list("")):
            data = asyncio.run(blobs.get(key)).data
            assert data == data[:9] * 50_000
        newest = int(asyncio.run(blobs.get(f"k/{last % 3}")).data[:9])
        assert newest >= last
    blobs = FolderBlobs(tmp_path)
    asyncio.run(blobs.put("after", b"the crash"))
    assert list((tmp_path / "staging").iterdir()) == []


def test_clearing_up_leaves_a_living_writers_file_alone(tmp_path):
    asyncio.run(FolderBlobs(tmp_path).ping())
    dead, living = tmp_path / "staging" / "dead", tmp_path / "staging" / "living"
    dead.write_bytes(b"half")
    with exclusive(living):
        asyncio.run(FolderBlobs(tmp_path).ping())
        assert (dead.exists(), living.exists()) == (False, True)


def test_a_failed_precondition_leaves_no_file_behind(tmp_path):
    blobs = FolderBlobs(tmp_path)
    with pytest.raises(Conflict):
        asyncio.run(blobs.put("a", b"one", if_generation=3))
    assert list((tmp_path / "staging").iterdir()) == []


def flip_byte(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    "damage",
    [
        flip_byte,
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: b"",
        lambda content: content.replace(b"whetstone", b"something"),
        lambda content: content.split(b"\n")[0],
    ],
    ids=["a flipped bit", "too short", "too long", "empty", "another header", "header without end"],
)
def test_damage_is_found_when_the_object_is_read(tmp_path, damage):
    blobs = FolderBlobs(tmp_path)
    asyncio.run(blobs.put("w/a", b"some bytes"))
    file = object_file(tmp_path, "w/a")
    file.write_bytes(damage(file.read_bytes()))
    for call in (blobs.get("w/a"), blobs.get_file("w/a", BytesIO())):
        with pytest.raises(CorruptData, match="w/a"):
            asyncio.run(call)


def test_a_damaged_header_stops_a_conditional_write_but_not_an_overwrite(tmp_path):
    blobs = FolderBlobs(tmp_path)
    generation = asyncio.run(blobs.put("a", b"one"))
    object_file(tmp_path, "a").write_bytes(b"???")
    with pytest.raises(CorruptData):
        asyncio.run(blobs.put("a", b"two", if_generation=generation))
    asyncio.run(blobs.put("a", b"two", if_generation=None))
    assert asyncio.run(blobs.get("a")).data == b"two"


def test_an_object_can_be_read_with_ordinary_tools(tmp_path):
    generation = asyncio.run(FolderBlobs(tmp_path).put("w/a.json", b'{"a": 1}'))
    header, data = object_file(tmp_path, "w/a.json").read_bytes().split(b"\n", 1)
    digest = hashlib.sha256(b'{"a": 1}').hexdigest()
    assert header.decode() == f"whetstone-blob-1 {generation} {digest} 8"
    assert data == b'{"a": 1}'


def test_a_folder_that_cannot_be_used_is_unavailable_and_its_path_stays_out(tmp_path):
    (tmp_path / "file").write_text("no folder")
    blobs = FolderBlobs(tmp_path / "file" / "blobs")
    for call in (
        blobs.ping(),
        blobs.put("a", b"x"),
        blobs.delete("a"),
        blobs.get("a"),
        blobs.list(""),
    ):
        with pytest.raises(Unavailable) as caught:
            asyncio.run(call)
        assert str(tmp_path) not in str(caught.value)


def test_a_folder_without_permission_is_unavailable(tmp_path, monkeypatch):
    monkeypatch.setattr(
        os, "access", lambda *_: False
    )  # root, who runs tests in containers, may all
    with pytest.raises(Unavailable, match="Permission denied"):
        asyncio.run(FolderBlobs(tmp_path).ping())


def test_a_writer_whose_file_was_swept_before_it_was_locked_makes_another(tmp_path, monkeypatch):
    blobs = FolderBlobs(tmp_path)
    asyncio.run(blobs.ping())
    lock = fcntl.flock

    def sweep_then_lock(file: object, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        for path in (tmp_path / "staging").iterdir():
            path.unlink()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", sweep_then_lock)
    asyncio.run(blobs.put("a", b"one"))
    assert asyncio.run(blobs.get("a")).data == b"one"
