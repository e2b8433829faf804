"""The backups at a place: those that are complete, and those that were begun.

    backups/<id>/manifest.json   a complete backup
    backups/<id>/state.json      one that is being made: what it has so far
    chunks/aa/<sha256>.jsonl.gz  their rows

Invariant: the manifest of a backup is written once, after everything that it names.
"""

from dataclasses import dataclass

from pydantic import ValidationError

from shared.domain.backup import Manifest
from shared.errors import AlreadyExists, Conflict, CorruptData, NotFound
from shared.ports import Blobs

FOLDER = "backups/"
_COMPLETE, _STATE = "manifest.json", "state.json"
_PAGE = 500


@dataclass(slots=True)
class Begun:
    """A backup that is being made, and the generation of its state."""

    manifest: Manifest
    generation: int


class Shelf:
    """What there is at a place.

    Args:
        place: where backups are kept.
    """

    def __init__(self, place: Blobs) -> None:
        self.place = place

    async def complete(self) -> list[str]:
        """Returns the ids of complete backups, oldest first."""
        return [id for id, name in await self._all() if name == _COMPLETE]

    async def begun(self) -> list[str]:
        """Returns the ids of backups that are not complete, oldest first."""
        complete = set(await self.complete())
        return [id for id, name in await self._all() if name == _STATE and id not in complete]

    async def read(self, backup_id: str) -> Manifest:
        """Returns a complete backup.

        Raises:
            NotFound: there is none of this id.
            CorruptData: its manifest cannot be read, or is of another format.
        """
        try:
            blob = await self.place.get(_key(backup_id, _COMPLETE))
        except NotFound:
            raise NotFound(f"there is no complete backup {backup_id} at this place") from None
        return _parsed(blob.data, backup_id)

    async def newest(self) -> Manifest | None:
        """Returns the newest complete backup; None where there is none."""
        ids = await self.complete()
        return await self.read(ids[-1]) if ids else None

    async def take_up(self, backup_id: str) -> Begun | None:
        """Returns a backup that was begun, to be gone on with; None where that cannot be."""
        try:
            blob = await self.place.get(_key(backup_id, _STATE))
            return Begun(_parsed(blob.data, backup_id), blob.generation)
        except (NotFound, CorruptData):
            return None

    async def save(self, begun: Begun) -> None:
        """Writes down what a backup has so far.

        Raises:
            Conflict: another process goes on with the same one.
        """
        key, data = _key(begun.manifest.id, _STATE), _bytes(begun.manifest)
        try:
            begun.generation = await self.place.put(key, data, if_generation=begun.generation)
        except (AlreadyExists, Conflict) as error:
            raise Conflict(
                f"another process goes on with the backup {begun.manifest.id}"
            ) from error

    async def finish(self, begun: Begun) -> None:
        """Writes the manifest of a backup that has everything."""
        await self.save(begun)  # of two who finish the same one, one gets no further than here
        await self.place.put(_key(begun.manifest.id, _COMPLETE), _bytes(begun.manifest))
        await self.place.delete(_key(begun.manifest.id, _STATE))

    async def remove(self, backup_id: str) -> None:
        """Takes a backup away; its chunks stay."""
        for name in (_COMPLETE, _STATE):
            await self.place.delete(_key(backup_id, name))

    async def _all(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        after = ""
        while keys := await self.place.list(FOLDER, limit=_PAGE, after=after):
            found += [(key.split("/")[1], key.split("/")[-1]) for key in keys]
            after = keys[-1]
        return found


def _key(backup_id: str, name: str) -> str:
    return f"{FOLDER}{backup_id}/{name}"


def _bytes(manifest: Manifest) -> bytes:
    return manifest.model_dump_json(indent=1).encode()


def _parsed(data: bytes, backup_id: str) -> Manifest:
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        raise CorruptData(
            f"the manifest of {backup_id} cannot be read, or is of another version"
        ) from error
