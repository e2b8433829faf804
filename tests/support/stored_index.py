"""Instances of the index over blobs, whose disks do not last."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from shared.adapters.blobs_folder import FolderBlobs
from shared.adapters.index_blobs import StoredIndex
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.ports import IndexChange, IndexDocument

HEAD = "index/w/head"


def change(number: int) -> IndexChange:
    document = IndexDocument(f"e{number}", 1, "topic", f"text number{number}", ())
    return IndexChange(number, f"e{number}", document)


class Watched(FolderBlobs):
    """The folder, with a record of what was read and written, and a way to step in between."""

    def __init__(self, root):
        super().__init__(root)
        self.read, self.written, self.before_put = [], [], None

    async def get(self, key):
        self.read.append(key)
        return await super().get(key)

    async def put(self, key, data, *, if_generation=0):
        if self.before_put is not None:
            await self.before_put(key)
        self.written.append(key)
        return await super().put(key, data, if_generation=if_generation)

    async def get_file(self, key, file):
        self.read.append(key)
        return await super().get_file(key, file)

    async def put_file(self, key, file):
        if self.before_put is not None:
            await self.before_put(key)
        self.written.append(key)
        return await super().put_file(key, file)


class Cloud:
    """Blobs that last, and instances whose disks do not."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = Watched(root / "blobs")
        self.made = []

    def instance(self, **how) -> StoredIndex:
        """Returns a new instance with an empty disk."""
        fields = {"least_changes": 5, "share": 0.0, **how}
        local = SqliteKnowledgeIndex(self.root / f"disk{len(self.made)}")
        self.made.append(StoredIndex(local, self.blobs, **fields))
        return self.made[-1]

    def files(self) -> list[Path]:
        """Returns the files of all local disks."""
        return sorted(path for path in self.root.glob("disk*/*") if path.is_file())

    async def saved(self) -> list[str]:
        """Returns the keys of the saved files, oldest first."""
        return [key for key in await self.blobs.list("index/w/") if key != HEAD]

    async def damage(self, key: str, data: bytes = b"rubbish") -> None:
        await self.blobs.put(key, data, if_generation=None)


async def publish(index: StoredIndex, first: int, last: int, *, save: bool = True) -> None:
    for number in range(first, last + 1):
        await index.apply("w", [change(number)], after=number - 1)
        if save:
            await index.save("w")


async def found(index: StoredIndex) -> list[str]:
    result = await index.search("w", "text", limit=500)
    return sorted((hit.entry_id for hit in result.hits), key=lambda name: int(name[1:]))


def upto(last: int) -> list[str]:
    return [f"e{number}" for number in range(1, last + 1)]


def played(root: Path, scenario: Callable[["Cloud"], Awaitable[None]]) -> None:
    """Runs a scenario with a cloud, and closes the instances that it made."""

    async def whole():
        cloud = Cloud(root)
        try:
            await scenario(cloud)
        finally:
            for index in cloud.made:
                await index.close()
        assert cloud.files() == [], "an instance that is closed leaves nothing"

    asyncio.run(whole())
