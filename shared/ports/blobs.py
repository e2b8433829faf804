"""Objects that are written once, or over a generation that is known."""

from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Blob:
    """An object's bytes and its generation, which changes with each write."""

    data: bytes
    generation: int


class Blobs(Protocol):
    """Objects by key (`a/b/c`; letters, digits, `._-:/`)."""

    async def put(self, key: str, data: bytes, *, if_generation: int | None = 0) -> int:
        """Writes an object durably and returns its new generation.

        Args:
            key: where.
            data: what; visible whole or not at all.
            if_generation: 0 writes only where nothing is, N only over generation N, None over
                anything.

        Raises:
            AlreadyExists: `if_generation` is 0 and there is an object.
            Conflict: the object has another generation.
        """

    async def get(self, key: str) -> Blob:
        """Returns an object.

        Raises:
            NotFound: there is none.
            CorruptData: it does not match the checksum that it was written with.
        """

    async def put_file(self, key: str, file: BinaryIO) -> int:
        """Writes a new object of a file's bytes, which are never all in memory; as `put` else.

        Args:
            key: where nothing is.
            file: open for reading, from its beginning on; it does not change meanwhile.

        Raises:
            AlreadyExists: there is an object.
        """

    async def get_file(self, key: str, file: BinaryIO) -> int:
        """Writes an object's bytes to an open file, never all in memory; returns its generation.

        Raises:
            NotFound: there is no object.
            CorruptData: it does not match its checksum; what was written is of no use.
        """

    async def delete(self, key: str) -> None:
        """Removes an object; nothing happens where there is none."""

    async def list(self, prefix: str, *, limit: int = 500, after: str = "") -> list[str]:
        """Returns up to `limit` keys that start with `prefix` and follow `after`, in order."""

    async def ping(self) -> None:
        """Returns when the store of objects answers."""
