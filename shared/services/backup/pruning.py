"""Pruning: backups that are old go, and with them the chunks that no other one names.

Invariant: the newest complete backup stays, however old it is, and no chunk goes that a backup
which stays may name; so as long as one is being made, chunks stay.
"""

from dataclasses import dataclass

from shared.domain.backup import Manifest
from shared.domain.times import seconds_between
from shared.ports import Blobs
from shared.services.backup import chunks
from shared.services.backup.shelf import Shelf
from shared.services.backup.taking import RESUMED_WITHIN_S
from shared.services.deps import Deps

DAY_S = 86_400.0
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Pruned:
    """The backups and how many chunks that went."""

    backups: list[str]
    chunks: int


async def prune(deps: Deps, place: Blobs, keep_days: int, *, dry_run: bool = False) -> Pruned:
    """Removes backups that began more than `keep_days` days ago, but for the newest complete one.

    Raises:
        CorruptData: a manifest cannot be read; nothing is removed then.
        Unavailable: the place does not answer.
    """
    shelf = Shelf(place)
    kept = [await shelf.read(backup_id) for backup_id in await shelf.complete()]
    old = [one for one in kept[:-1] if _age_s(deps, one) > keep_days * DAY_S]
    gone, making = await _abandoned(deps, shelf)
    names = [one.id for one in old] + gone
    if dry_run or not names:
        return Pruned(names, 0)
    for name in names:
        await shelf.remove(name)
    if making:
        return Pruned(names, 0)
    staying = [one for one in kept if one.id not in names]
    return Pruned(names, await _sweep(place, staying))


def _age_s(deps: Deps, manifest: Manifest) -> float:
    return seconds_between(manifest.started_at, deps.clock.now_text())


async def _abandoned(deps: Deps, shelf: Shelf) -> tuple[list[str], bool]:
    """Returns backups that were begun and will not be gone on with, and whether others will be."""
    gone, making = list[str](), False
    for backup_id in await shelf.begun():
        known = await shelf.take_up(backup_id)
        if known is None or _age_s(deps, known.manifest) > RESUMED_WITHIN_S:
            gone.append(backup_id)
        else:
            making = True
    return gone, making


async def _sweep(place: Blobs, staying: list[Manifest]) -> int:
    """Removes chunks that nothing names; returns how many."""
    named = {chunk.lines_sha256 for one in staying for chunk in one.chunks}
    removed, after = 0, chunks.FOLDER
    while keys := await place.list(chunks.FOLDER, limit=_PAGE, after=after):
        after = keys[-1]
        for key in keys:
            if chunks.name_of(key) not in named:
                await place.delete(key)
                removed += 1
    return removed
