"""Objects as files in a folder: the blobs port of the embedded server.

    <root>/objects/a/b/c~   the object `a/b/c`: one header line, then its bytes
    <root>/staging/         files being written; one that nobody holds a lock on was left by a crash
    <root>/locks/00 … ff    a key's lock is the file named by the first byte of its hash

The invariant: a file under `objects/` is whole, durable bytes under the header that describes them.
An object is written and synced in `staging/`, then renamed over its place under its key's lock,
where the precondition is checked, so that the check and the move are one step to every other
process. No key contains `~`, so the object `a` and the folder of `a/b` can stand side by side.
"""

import asyncio
import builtins
import errno
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from shared.adapters.blob_keys import check_key
from shared.adapters.local_files import exclusive, sync_folder
from shared.errors import AlreadyExists, Conflict, CorruptData, NotFound, Unavailable
from shared.ports import Blob

T = TypeVar("T")

_SUFFIX = "~"
_MAGIC = b"whetstone-blob-1"
_HEADER = re.compile(rb"whetstone-blob-1 ([1-9][0-9]{0,15}) ([0-9a-f]{64}) ([0-9]{1,18})\n")
_MAX_HEADER_BYTES = 128
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Header:
    """What the first line of an object's file says of the rest."""

    generation: int
    sha256: str
    size_bytes: int

    def line(self) -> bytes:
        """Returns the line, with its end."""
        return b"%s %d %s %d\n" % (_MAGIC, self.generation, self.sha256.encode(), self.size_bytes)


class FolderBlobs:
    """`Blobs` in a folder on a local file system, for any number of threads and processes.

    Args:
        root: the folder, made at the first write. Its file system must have `flock` and an atomic
            rename.
    """

    def __init__(self, root: Path) -> None:
        self._objects = root / "objects"
        self._staging = root / "staging"
        self._locks = root / "locks"
        self._prepared = False

    async def put(self, key: str, data: bytes, *, if_generation: int | None = 0) -> int:
        check_key(key)
        return await _off_loop(lambda: self._put(key, data, if_generation))

    async def get(self, key: str) -> Blob:
        check_key(key)
        return await _off_loop(lambda: self._get(key))

    async def put_file(self, key: str, file: BinaryIO) -> int:
        check_key(key)
        return await _off_loop(lambda: self._put_file(key, file))

    async def get_file(self, key: str, file: BinaryIO) -> int:
        check_key(key)
        return await _off_loop(lambda: self._get_file(key, file))

    async def delete(self, key: str) -> None:
        check_key(key)
        await _off_loop(lambda: self._delete(key))

    async def list(self, prefix: str, *, limit: int = 500, after: str = "") -> list[str]:
        return await _off_loop(lambda: self._list(prefix, limit, after))

    async def ping(self) -> None:
        """Returns when the folder can be written.

        Raises:
            Unavailable: it cannot.
        """
        await _off_loop(self._prepare)

    def _put(self, key: str, data: bytes, if_generation: int | None) -> int:
        header = _Header(_new_generation(), hashlib.sha256(data).hexdigest(), len(data))
        return self._write(key, header, lambda file: file.write(data), if_generation)

    def _put_file(self, key: str, given: BinaryIO) -> int:
        given.seek(0)
        header = _Header(_new_generation(), _digest(given), given.tell())
        given.seek(0)
        return self._write(
            key, header, lambda file: shutil.copyfileobj(given, file, _CHUNK_BYTES), 0
        )

    def _write(
        self,
        key: str,
        header: _Header,
        write: Callable[[BinaryIO], object],
        if_generation: int | None,
    ) -> int:
        self._prepare()
        target = self._path(key)
        with _staged(self._staging) as (staged, file):
            file.write(header.line())
            write(file)
            file.flush()
            os.fsync(file.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(self._lock(key)):
                _check_generation(key, target, if_generation)
                staged.replace(target)
                self._sync_folders(target)
        return header.generation

    def _get(self, key: str) -> Blob:
        try:
            content = self._path(key).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"there is no object {key}") from None
        header, start = _parse_header(key, content[:_MAX_HEADER_BYTES])
        data = content[start:]
        if len(data) != header.size_bytes or hashlib.sha256(data).hexdigest() != header.sha256:
            raise CorruptData(f"the object {key} does not match its checksum")
        return Blob(data, header.generation)

    def _get_file(self, key: str, file: BinaryIO) -> int:
        try:
            stored = self._path(key).open("rb")
        except FileNotFoundError:
            raise NotFound(f"there is no object {key}") from None
        with stored:
            header, start = _parse_header(key, stored.read(_MAX_HEADER_BYTES))
            stored.seek(start)
            file.seek(0)
            file.truncate()
            shutil.copyfileobj(stored, file, _CHUNK_BYTES)
        file.seek(0)
        if (_digest(file), file.tell()) != (header.sha256, header.size_bytes):
            raise CorruptData(f"the object {key} does not match its checksum")
        return header.generation

    def _delete(self, key: str) -> None:
        self._prepare()
        target = self._path(key)
        with exclusive(self._lock(key)), suppress(FileNotFoundError):
            target.unlink()
            sync_folder(target.parent)

    def _list(self, prefix: str, limit: int, after: str) -> builtins.list[str]:
        keys: builtins.list[str] = []
        if limit < 1:
            return keys
        for key in _walk(self._objects, "", prefix, after):
            keys.append(key)
            if len(keys) == limit:
                break
        return keys

    def _prepare(self) -> None:
        """Makes the folders; once per instance, removes what writers that died have left."""
        for folder in (self._objects, self._staging, self._locks):
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if not self._prepared:
            _sweep(self._staging)
            sync_folder(self._objects.parent)
            self._prepared = True

    def _sync_folders(self, target: Path) -> None:
        """Makes the object's name durable, and its folders', which may be another writer's."""
        folder = target.parent
        while folder != self._objects.parent:
            sync_folder(folder)
            folder = folder.parent

    def _path(self, key: str) -> Path:
        return self._objects / (key + _SUFFIX)

    def _lock(self, key: str) -> Path:
        return self._locks / hashlib.sha256(key.encode()).hexdigest()[:2]


async def _off_loop(work: Callable[[], T]) -> T:
    """Runs `work` in a thread and turns errors of the file system into the port's."""
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise Unavailable(f"the folder of objects does not work: {reason}") from error


def _check_generation(key: str, target: Path, if_generation: int | None) -> None:
    """Raises where the object at `target` is not in the state that the writer expects."""
    if if_generation is None:
        return
    if if_generation == 0:
        if target.exists():
            raise AlreadyExists(f"the object {key} exists")
        return
    try:
        with target.open("rb") as file:
            found = _parse_header(key, file.read(_MAX_HEADER_BYTES))[0].generation
    except FileNotFoundError:
        found = 0
    if found != if_generation:
        raise Conflict(f"the object {key} has generation {found}, not {if_generation}")


def _parse_header(key: str, start: bytes) -> tuple[_Header, int]:
    """Returns the header and where the bytes begin."""
    match = _HEADER.match(start)
    if match is None:
        raise CorruptData(f"the object {key} has no readable header")
    generation, sha256, size = match.groups()
    return _Header(int(generation), sha256.decode(), int(size)), match.end()


def _digest(file: BinaryIO) -> str:
    """Returns the SHA-256 of the rest of a file, which is read to its end piece by piece."""
    found = hashlib.sha256()
    while piece := file.read(_CHUNK_BYTES):
        found.update(piece)
    return found.hexdigest()


def _new_generation() -> int:
    """Returns a random number in 1..2^53-1: new also where the key was deleted in between."""
    return (int.from_bytes(os.urandom(7)) >> 3) or 1


class _staged:  # noqa: N801 - reads as a verb where it is used: with _staged(folder) as …
    """A new file in the staging folder, removed again unless it was moved away.

    The file is locked while it is written, which tells a sweeper that its writer lives.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> tuple[Path, BinaryIO]:
        while True:
            self._path = self._folder / os.urandom(12).hex()
            self._file = self._path.open("xb")
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if os.fstat(self._file.fileno()).st_nlink:
                return self._path, self._file
            self._file.close()  # swept between its making and its lock

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)
        with suppress(OSError):  # what could not be flushed has failed already, in the block
            self._file.close()


def _sweep(staging: Path) -> None:
    """Removes the files whose writers are dead."""
    for path in staging.iterdir():
        with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _walk(folder: Path, start: str, prefix: str, after: str) -> Iterator[str]:
    """Yields the keys below `folder`, whose own keys start with `start`, that fit, in order.

    A folder sorts as its name and a slash, which is where its keys belong among the objects beside
    it.
    """
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name + "/" if entry.is_dir() else entry.name.removesuffix(_SUFFIX)
                for entry in entries
            ]
    except FileNotFoundError:
        return
    for name in sorted(names):
        key = start + name
        if not name.endswith("/"):
            if key.startswith(prefix) and key > after:
                yield key
        elif _may_hold(key, prefix, after):
            yield from _walk(folder / name, key, prefix, after)


def _may_hold(folder: str, prefix: str, after: str) -> bool:
    """Returns whether a key below `folder` (it ends in a slash) can fit."""
    fits = folder.startswith(prefix) or prefix.startswith(folder)
    return fits and (folder > after or after.startswith(folder))
