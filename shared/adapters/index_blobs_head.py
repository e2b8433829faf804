"""What was saved of an index among the blobs: a pointer, `index/<workspace>/head`, to a few files.

A file's key is never written twice. The pointer moves only over the generation that was read, so
that of two who save at once one wins; what the other wrote, or one that died left behind, nothing
points at, and whoever saves next removes it.
"""

import asyncio
import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Conflict, CorruptData, NotFound
from shared.ports import Blobs

logger = logging.getLogger("whetstone.index")


class SavedFile(BaseModel):
    """An index file among the blobs; `documents` are in it at `version`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    version: int
    schema_version: int
    documents: int
    size_bytes: int
    sha256: str


class _Pointer(BaseModel):
    """What the pointer's object holds: the files kept, newest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[SavedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    """The pointer as it was read.

    `generation` is 0 where there is none, None where there is one that cannot be read.
    """

    files: tuple[SavedFile, ...]
    generation: int | None


NOTHING = Head((), 0)


class SavedFiles:
    """The saved files of each workspace.

    Args:
        blobs: where they are.
        keep: how many of the newest are kept, at least 1.
    """

    def __init__(self, blobs: Blobs, keep: int) -> None:
        self._blobs = blobs
        self._keep = keep

    async def head(self, workspace: str) -> Head:
        """Returns the pointer; without files where there is none, or none that can be read."""
        key = _head_key(workspace)
        generation: int | None = None
        try:
            blob = await self._blobs.get(key)
            generation = blob.generation
            return Head(_Pointer.model_validate_json(blob.data).files, generation)
        except NotFound:
            return NOTHING
        except (CorruptData, ValidationError):
            logger.exception("index.pointer_damaged", extra={"key": key})
            return Head((), generation)

    async def read(self, file: SavedFile, path: Path) -> None:
        """Writes a file's bytes to `path`.

        Raises:
            NotFound: it was removed.
            CorruptData: it is damaged, or not what the pointer's checksum says.
        """
        with path.open("w+b") as written:
            await self._blobs.get_file(file.key, written)
        if await asyncio.to_thread(sha256_of, path) != file.sha256:
            raise CorruptData(f"the object {file.key} does not match the pointer's checksum")

    async def write(self, workspace: str, version: int, path: Path) -> str:
        """Writes a file that nothing points at yet and returns its key."""
        key = f"{_folder(workspace)}{version:012d}-{os.urandom(8).hex()}.sqlite"
        with path.open("rb") as file:
            await self._blobs.put_file(key, file)
        return key

    async def point_at(self, workspace: str, file: SavedFile, over: Head) -> Head:
        """Makes a file the newest, keeps the ones before it that still count, and returns that.

        Raises:
            Conflict: the pointer has moved; the file is removed again.
        """
        files = (file, *over.files)[: self._keep]
        data = _Pointer(files=files).model_dump_json().encode()
        try:
            generation = await self._blobs.put(
                _head_key(workspace), data, if_generation=over.generation
            )
        except Conflict:
            await self._blobs.delete(file.key)
            raise
        return Head(files, generation)

    async def prune(self, workspace: str, head: Head) -> None:
        """Removes the files up to the newest version that `head` does not point at.

        Those of a later version may be on their way to be pointed at.
        """
        kept = {file.key for file in head.files}
        newest = f"{_folder(workspace)}{head.files[0].version + 1:012d}"
        for key in await self._listed(workspace):
            if key < newest and key not in kept:
                await self._blobs.delete(key)

    async def forget(self, workspace: str) -> None:
        """Removes the pointer, then every file."""
        await self._blobs.delete(_head_key(workspace))
        for key in await self._listed(workspace):
            await self._blobs.delete(key)

    async def _listed(self, workspace: str) -> list[str]:
        keys = await self._blobs.list(_folder(workspace))
        return [key for key in keys if key.endswith(".sqlite")]


def sha256_of(path: Path) -> str:
    """Returns the hash of a file's bytes, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _head_key(workspace: str) -> str:
    return f"{_folder(workspace)}head"


def _folder(workspace: str) -> str:
    """Returns where a workspace's objects are, with any name spelled in what a key may hold."""
    name = quote(workspace, safe="").replace("~", "%7E").replace("%", ":")
    if name.startswith("."):
        name = f":2E{name[1:]}"
    return f"index/{name}/"
