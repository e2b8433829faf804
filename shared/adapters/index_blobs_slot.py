"""What one instance holds of a workspace's index: a local copy, and what it knows was saved."""

import asyncio
from dataclasses import dataclass, field

from shared.adapters.index_blobs_head import NOTHING, Head, SavedFile
from shared.adapters.index_sqlite_rows import SCHEMA_VERSION


@dataclass(slots=True, eq=False)
class Copy:
    """A local file; one that was replaced goes once its last user is done."""

    name: str
    users: int = 0
    retired: bool = False


@dataclass(slots=True)
class Slot:
    """What an instance has of a workspace.

    `head` is the pointer as last read, `damaged` the keys of saved files that turned out so.
    """

    workspace: str
    copy: Copy | None = None
    head: Head = NOTHING
    damaged: set[str] = field(default_factory=set)
    saving: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    loop: asyncio.AbstractEventLoop | None = None

    def busy(self) -> asyncio.Lock:
        """Returns the lock of the running loop, under which the copy is replaced."""
        loop = asyncio.get_running_loop()
        if self.loop is not loop:
            self.lock, self.loop = asyncio.Lock(), loop
        return self.lock

    def usable(self, file: SavedFile) -> bool:
        """Returns whether this instance can read a saved file, as far as it knows."""
        return file.schema_version == SCHEMA_VERSION and file.key not in self.damaged
