"""Restoring a backup into a system that has nothing yet.

    check chunks → mark → each tenant's objects and rows → _system → outboxes → verify → mark

Invariant: nothing can be used before all of it is there and verified. Credentials come with
`_system`, after the tenants; and as long as the mark is not finished, no server starts here. The
mark counts the chunks that were loaded, and loading one again changes nothing, so a restore that
was cut off goes on.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.domain.access import Caller
from shared.domain.backup import BLOBS, OUTBOX, PARTS, Chunk, Manifest, WorkspaceCopy
from shared.domain.operations import RESTORE_ID, RESTORES, RestoreMark
from shared.domain.records import SYSTEM_WORKSPACE
from shared.errors import AlreadyExists, Conflict, CorruptData, NotFound, Unavailable
from shared.messages.access import ChangeSettings
from shared.ports import ArchiveRow, Blobs, Transaction
from shared.services.access import change_settings
from shared.services.backup.chunks import read_chunk
from shared.services.backup.objects import AT_ONCE, object_bytes
from shared.services.backup.shelf import Shelf
from shared.services.backup.taking import Told, archive_of
from shared.services.backup.verifying import Finding, late_publications, verify_backup, verify_here
from shared.services.deps import Deps
from shared.services.publishing import publish_entry

MARKED_EVERY_S = 2.0
"""Seconds of loading that a crash may cost, about."""

_OBJECT_FOLDERS = ("workspaces/", "learning/")


@dataclass(frozen=True, slots=True)
class Step:
    """One chunk to be loaded."""

    workspace: str
    part: str
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has done: the backup, what was verified, and what was published late.

    `findings` are empty where it was verified before, by a restore that was cut off after that or
    that has finished. `published` counts entries that were approved, and not yet published, when
    the backup was taken.
    """

    manifest: Manifest
    findings: list[Finding]
    published: int


async def choose(place: Blobs, backup_id: str | None) -> Manifest:
    """Returns a complete backup; the newest where no id is given.

    Raises:
        NotFound: there is none.
    """
    shelf = Shelf(place)
    manifest = await shelf.read(backup_id) if backup_id else await shelf.newest()
    if manifest is None:
        raise NotFound("there is no complete backup at this place")
    return manifest


async def restore(
    deps: Deps, place: Blobs, manifest: Manifest, told: Told = lambda *_: None
) -> Restored:
    """Loads a backup into this system and verifies it; goes on where that was begun.

    Raises:
        Conflict: there is something here already, or another backup was begun to be restored.
        CorruptData: the backup is damaged (then nothing was loaded), or what was loaded is not
            equal to it (then the system stays shut).
        Unavailable: the store or the place does not answer; again goes on.
    """
    mark = await _mark(deps, manifest)
    if mark.finished_at is not None:
        return Restored(manifest, [], 0)
    findings: list[Finding] = []
    if not mark.verified:
        if mark.loaded == 0:
            await verify_backup(place, manifest)
            await _put(deps, mark)
        await _load_all(deps, place, manifest, mark, told)
        findings = await verify_here(deps, place, manifest)
        if bad := [one for one in findings if not one.ok]:
            raise CorruptData("; ".join(f"{one.what}: {one.detail}" for one in bad))
        mark = mark.model_copy(update={"verified": True})
        await _put(deps, mark)
    published = await _finish(deps, manifest)
    await _put(deps, mark.model_copy(update={"finished_at": deps.clock.now_text()}))
    return Restored(manifest, findings, published)


async def check_empty(deps: Deps, manifest: Manifest) -> None:
    """Returns where there is nothing of the backup's workspaces here.

    Raises:
        Conflict: there is something.
    """
    archive = archive_of(deps)
    for name in (SYSTEM_WORKSPACE, *manifest.names):
        if await archive.holds(name):
            raise Conflict(
                f"the store has records of {name}: a backup is restored into an empty one only"
            )
    for folder in _OBJECT_FOLDERS:
        if await deps.blobs.list(folder, limit=1):
            raise Conflict(
                f"there are objects under {folder}: a backup is restored into an empty place only"
            )


def steps_of(manifest: Manifest) -> list[Step]:
    """Returns what is loaded, in order."""
    tenants = [one for one in manifest.workspaces if one.name != SYSTEM_WORKSPACE]
    system = [one for one in manifest.workspaces if one.name == SYSTEM_WORKSPACE]
    first = [part for part in (BLOBS, *PARTS) if part != OUTBOX]
    return [
        *_steps([*tenants, *system], first),
        *_steps([*tenants, *system], [OUTBOX]),
    ]


def _steps(copies: Sequence[WorkspaceCopy], parts: Sequence[str]) -> Iterator[Step]:
    for copy in copies:
        for part in parts:
            if part in copy.parts:
                yield from (Step(copy.name, part, chunk) for chunk in copy.parts[part].chunks)


async def _mark(deps: Deps, manifest: Manifest) -> RestoreMark:
    known = await deps.store.get(SYSTEM_WORKSPACE, RESTORES, RESTORE_ID)
    if known is not None and known.backup_id != manifest.id:
        state = "is being" if known.finished_at is None else "was"
        raise Conflict(f"the backup {known.backup_id} {state} restored here already")
    if known is not None:
        return known
    await check_empty(deps, manifest)
    return RestoreMark(
        id=RESTORE_ID, backup_id=manifest.id, started_at=deps.clock.now_text(), loaded=0
    )


async def _put(deps: Deps, mark: RestoreMark) -> None:
    async def work(tx: Transaction) -> None:
        tx.put(RESTORES, mark)

    await deps.store.transact(SYSTEM_WORKSPACE, work)


async def _load_all(
    deps: Deps, place: Blobs, manifest: Manifest, mark: RestoreMark, told: Told
) -> None:
    archive, marked_at = archive_of(deps), deps.clock.monotonic_s()
    loaded = 0
    for loaded, step in enumerate(steps_of(manifest), start=1):
        rows = await read_chunk(place, step.chunk) if loaded > mark.loaded else []
        if step.part == BLOBS:
            await _load_objects(deps.blobs, rows)
        elif rows:
            await archive.load(step.workspace, step.part, rows)
        told(step.workspace, step.part, step.chunk.rows)
        if rows and deps.clock.monotonic_s() - marked_at >= MARKED_EVERY_S:
            await _put(deps, mark.model_copy(update={"loaded": loaded}))
            marked_at = deps.clock.monotonic_s()
    await _put(deps, mark.model_copy(update={"loaded": loaded}))


async def _load_objects(blobs: Blobs, rows: Sequence[ArchiveRow]) -> None:
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        await asyncio.gather(*(_load_object(blobs, row) for row in some))


async def _load_object(blobs: Blobs, row: ArchiveRow) -> None:
    data = object_bytes(row)
    try:
        await blobs.put(row.key, data, if_generation=0)
    except AlreadyExists:
        if (await blobs.get(row.key)).data != data:
            raise Conflict(f"the object {row.key} is there with other content") from None


async def _finish(deps: Deps, manifest: Manifest) -> int:
    """Does what was under way when the backup was taken; returns how much was published."""
    published = 0
    for copy in manifest.workspaces:
        if copy.quiesced:
            who = Caller(copy.name, "system:restore", system=True)
            await change_settings(deps, who, ChangeSettings(read_only=False), None)
    for copy in manifest.workspaces:
        async for entry_id in late_publications(deps, copy.name):
            try:
                await publish_entry(deps, copy.name, entry_id)
                published += 1
            except Unavailable:
                continue  # publishing is stopped there, or the workspace is read-only
    return published
