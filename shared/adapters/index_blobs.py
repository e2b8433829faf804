"""The knowledge index where no disk lasts: a local copy in each instance, seeded from the blobs.

An instance's first use of a workspace takes over the newest file that someone saved; publications
bring it up to date from there, so what is saved only shortens the way and may be lost. Who
publishes saves a new file once enough has changed, by a share of the documents, so that the bytes
written for a publication stay the same however many there are. The invariant: an instance knows
nothing that another one, with an empty disk, does not find in the blobs and the publications.
"""

import asyncio
import itertools
import logging
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import quote

from shared.adapters.index_blobs_head import NOTHING, Head, SavedFile, SavedFiles, sha256_of
from shared.adapters.index_blobs_slot import Copy, Slot
from shared.adapters.index_sqlite import MAX_NAME_LENGTH, FileCopy, SqliteKnowledgeIndex
from shared.adapters.index_sqlite_rows import SCHEMA_VERSION
from shared.errors import Conflict, CorruptData, InvalidInput, NotFound
from shared.ports import Blobs, Embedding, IndexChange, IndexSize, SearchResult

T = TypeVar("T")

_TRIES = 3

logger = logging.getLogger("whetstone.index")


class StoredIndex:
    """`KnowledgeIndex` over local files and blobs.

    Args:
        local: the engine, over a folder of this instance alone; nothing in it needs to last.
        blobs: where the files are saved.
        least_changes: publications after which a new file is saved, at least.
        share: of the documents in the last file that must have changed; the larger of both counts.
        keep: how many of the newest files are kept.
        room_bytes: for local files; those of workspaces unused longest go first.
    """

    def __init__(
        self,
        local: SqliteKnowledgeIndex,
        blobs: Blobs,
        *,
        least_changes: int = 50,
        share: float = 0.02,
        keep: int = 3,
        room_bytes: int = 512 << 20,
    ) -> None:
        self._local = local
        self._saved = SavedFiles(blobs, keep)
        self._least_changes = least_changes
        self._share = share
        self._room_bytes = room_bytes
        self._slots: OrderedDict[str, Slot] = OrderedDict()
        self._token = os.urandom(6).hex()
        self._numbers = itertools.count(1)

    async def apply(
        self, workspace: str, changes: Sequence[IndexChange], *, after: int | None = None
    ) -> None:
        await self._on_copy(workspace, lambda name: self._local.apply(name, changes, after=after))

    async def search(
        self,
        workspace: str,
        text: str,
        *,
        limit: int,
        tags: Sequence[str] = (),
        topic: str | None = None,
        embedding: Embedding | None = None,
    ) -> SearchResult:
        return await self._on_copy(
            workspace,
            lambda name: self._local.search(
                name, text, limit=limit, tags=tags, topic=topic, embedding=embedding
            ),
        )

    async def version(self, workspace: str) -> int:
        return await self._on_copy(workspace, self._local.version)

    async def digest(self, workspace: str) -> str:
        return await self._on_copy(workspace, self._local.digest)

    async def size(self, workspace: str) -> IndexSize:
        local = await self._on_copy(workspace, self._local.size)
        return IndexSize(local.size_bytes, self._room_bytes)

    async def unembedded(self, workspace: str, model: str, limit: int) -> list[tuple[str, int]]:
        return await self._on_copy(
            workspace, lambda name: self._local.unembedded(name, model, limit)
        )

    async def drop(self, workspace: str) -> None:
        slot = self._slot(workspace)
        async with slot.busy():
            await self._saved.forget(workspace)
            slot.head, slot.damaged = NOTHING, set()
            await self._replace(slot, self._new_copy())

    async def load(self, workspace: str) -> None:
        slot = self._slot(workspace)
        version = await self.version(workspace)
        async with slot.busy():
            newer = await self._newest(slot, version)
            if newer is not None:
                await self._replace(slot, newer)

    async def save(self, workspace: str) -> None:
        slot = self._slot(workspace)
        version = await self.version(workspace)
        if slot.saving or not self._worth_saving(slot, version):
            return
        slot.saving = True
        try:
            slot.head = await self._saved.head(workspace)
            if self._worth_saving(slot, version):
                async with self._used(slot) as copy, self._local.standing(copy.name) as file:
                    if file is not None:
                        await self._write(slot, file)
        finally:
            slot.saving = False

    async def close(self) -> None:
        """Removes the local files, which are worth nothing to anyone else."""
        slots = list(self._slots.values())
        self._slots.clear()
        for slot in slots:
            await self._replace(slot, None)
        await self._local.close()

    # --- saving -----------------------------------------------------------------------------------

    def _worth_saving(self, slot: Slot, version: int) -> bool:
        """Returns whether a file at `version` would shorten the way enough."""
        usable = [file for file in slot.head.files if slot.usable(file)]
        if not usable:
            damaged = bool(slot.head.files)
            return version >= (1 if damaged else self._least_changes)
        return version - usable[0].version >= self._enough_changes(usable[0])

    def _enough_changes(self, file: SavedFile) -> float:
        return max(self._least_changes, self._share * file.documents)

    async def _write(self, slot: Slot, copy: FileCopy) -> None:
        digest = await asyncio.to_thread(sha256_of, copy.path)
        file = SavedFile(
            key=await self._saved.write(slot.workspace, copy.version, copy.path),
            version=copy.version,
            schema_version=SCHEMA_VERSION,
            documents=copy.documents,
            size_bytes=copy.path.stat().st_size,
            sha256=digest,
        )
        standing = tuple(one for one in slot.head.files if one.key not in slot.damaged)
        over = Head(standing, slot.head.generation)
        try:
            slot.head = await self._saved.point_at(slot.workspace, file, over)
        except Conflict:
            slot.head = await self._saved.head(slot.workspace)  # another one's is as good
            return
        await self._saved.prune(slot.workspace, slot.head)

    # --- loading ----------------------------------------------------------------------------------

    async def _newest(self, slot: Slot, version: int) -> Copy | None:
        """Returns a copy of the newest good file that is worth having over `version`.

        Where files were removed while it was reading, it looks again.
        """
        for _ in range(_TRIES):
            slot.head = await self._saved.head(slot.workspace)
            removed = False
            for file in slot.head.files:
                if not slot.usable(file) or not self._worth_loading(file, version):
                    continue
                try:
                    copy = await self._fetched(slot, file)
                except NotFound:
                    removed = True
                    continue
                if copy is not None:
                    return copy
            if not removed:
                break
        return None

    def _worth_loading(self, file: SavedFile, version: int) -> bool:
        return version == 0 or file.version - version >= self._enough_changes(file)

    async def _fetched(self, slot: Slot, file: SavedFile) -> Copy | None:
        """Returns a local copy of a saved file, None where it is damaged."""
        copy = self._new_copy()
        await self._make_room(slot, file.size_bytes)
        try:
            await self._local.copy_in(copy.name, lambda path: self._saved.read(file, path))
        except CorruptData as error:
            slot.damaged.add(file.key)
            logger.error(  # noqa: TRY400 - the detail says it all
                "index.saved_file_damaged", extra={"key": file.key, "detail": error.detail}
            )
            await self._local.discard(copy.name)
            return None
        except BaseException:
            await self._local.discard(copy.name)
            raise
        return copy

    # --- local copies -----------------------------------------------------------------------------

    async def _on_copy(self, workspace: str, work: Callable[[str], Awaitable[T]]) -> T:
        """Does `work` on the local copy; one that is damaged is loaded anew, once."""
        try:
            return await self._once(workspace, work)
        except CorruptData as error:
            facts = {"workspace": workspace, "detail": error.detail}
            logger.error("index.local_copy_damaged", extra=facts)  # noqa: TRY400 - as above
            return await self._once(workspace, work)

    async def _once(self, workspace: str, work: Callable[[str], Awaitable[T]]) -> T:
        slot = self._slot(workspace)
        async with self._used(slot) as copy:
            try:
                return await work(copy.name)
            except CorruptData:
                if slot.copy is copy:
                    await self._replace(slot, None)
                raise

    @asynccontextmanager
    async def _used(self, slot: Slot) -> AsyncIterator[Copy]:
        """Yields the local copy, whose files stay until the block ends."""
        copy = await self._ready(slot)
        copy.users += 1
        try:
            yield copy
        finally:
            copy.users -= 1
            await self._discard_unused(copy)

    def _slot(self, workspace: str) -> Slot:
        if not workspace or len(quote(workspace, safe="")) > MAX_NAME_LENGTH:
            raise InvalidInput("a workspace that has an index has a name of a sensible length")
        slot = self._slots.setdefault(workspace, Slot(workspace))
        self._slots.move_to_end(workspace)
        return slot

    async def _ready(self, slot: Slot) -> Copy:
        """Returns the local copy; where there is none one call loads it and others wait for it."""
        if slot.copy is None:
            async with slot.busy():
                if slot.copy is None:
                    slot.copy = await self._newest(slot, 0) or await self._empty(slot)
        return slot.copy

    async def _empty(self, slot: Slot) -> Copy:
        await self._make_room(slot, 0)
        return self._new_copy()

    async def _make_room(self, newest: Slot, size_bytes: int) -> None:
        """Removes others' local copies, those unused longest first, until so many bytes fit too."""
        left = self._room_bytes - size_bytes
        for slot in reversed(list(self._slots.values())):
            if slot is not newest and slot.copy is not None:
                left -= (await self._local.size(slot.copy.name)).size_bytes
                if left < 0:
                    await self._replace(slot, None)

    async def _replace(self, slot: Slot, copy: Copy | None) -> None:
        old, slot.copy = slot.copy, copy
        if old is not None:
            old.retired = True
            await self._discard_unused(old)

    async def _discard_unused(self, copy: Copy) -> None:
        if copy.retired and copy.users == 0:
            await self._local.discard(copy.name)

    def _new_copy(self) -> Copy:
        """Returns a copy that has no file yet, under a name that no other process has used."""
        return Copy(f"{self._token}-{next(self._numbers)}")
