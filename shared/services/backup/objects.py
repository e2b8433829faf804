"""The objects that the records of a backup name, read from the blobs.

They are written once and never change, and were written before the records that name them: so they
may be read later than the records, and are those of the same moment. Only what is named comes
along; the search index can be built again, and is left out.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable

from pydantic_core import to_json

from shared.domain.backup import WorkspaceCopy
from shared.domain.knowledge.publication import PUBLICATIONS, Publication, vector_key
from shared.domain.learning.runs import RUNS, SNAPSHOTS, SnapshotInfo, TrainingRun
from shared.errors import CorruptData, NotFound
from shared.ports import ArchiveRow, Blobs
from shared.services.backup.chunks import read_chunk
from shared.services.deps import Deps
from shared.services.run_changes import part_keys

AT_ONCE = 16
"""Objects read at the same time."""

_Wanted = tuple[str, bool]
"""A key, and whether the object must be there."""


async def object_rows(
    deps: Deps, place: Blobs, copy: WorkspaceCopy, skip: int
) -> AsyncIterator[tuple[int, ArchiveRow]]:
    """Yields the objects that a copy names, each with the number of those that were looked at.

    Those that must be there and cannot be read are noted in the copy.

    Args:
        deps: the ports.
        place: where the copy's chunks are.
        copy: whose records are taken already.
        skip: how many were looked at before.
    """
    seen, waiting = 0, list[_Wanted]()
    async for one in _named(deps, place, copy):
        seen += 1
        if seen <= skip:
            continue
        waiting.append(one)
        if len(waiting) == AT_ONCE:
            for row in await _read(deps, copy, waiting):
                yield seen, row
            waiting = []
    for row in await _read(deps, copy, waiting):
        yield seen, row


def object_bytes(row: ArchiveRow) -> bytes:
    """Returns what the object of a row holds."""
    return base64.b64decode(row.doc.strip('"'), validate=True)


async def _read(deps: Deps, copy: WorkspaceCopy, wanted: list[_Wanted]) -> list[ArchiveRow]:
    found = await asyncio.gather(*(_one(deps, key) for key, _ in wanted))
    copy.missing += [
        key for (key, must), row in zip(wanted, found, strict=True) if row is None and must
    ]
    return [row for row in found if row is not None]


async def _one(deps: Deps, key: str) -> ArchiveRow | None:
    try:
        blob = await deps.blobs.get(key)
    except (NotFound, CorruptData):
        return None
    return ArchiveRow(key, to_json(base64.b64encode(blob.data).decode()).decode())


async def _named(deps: Deps, place: Blobs, copy: WorkspaceCopy) -> AsyncIterator[_Wanted]:
    """Yields the keys that publications, snapshots and runs name, in a fixed order."""
    for chunk in copy.parts[PUBLICATIONS.name].chunks:
        keys: dict[str, bool] = {}
        for row in await read_chunk(place, chunk):
            keys |= _of_publication(deps, copy.name, row)
        for one in keys.items():
            yield one
    for name, keys_of in ((SNAPSHOTS.name, _of_snapshot), (RUNS.name, _of_run)):
        for chunk in copy.parts[name].chunks:
            for row in await read_chunk(place, chunk):
                for key in keys_of(row):
                    yield key, True


def _of_publication(deps: Deps, workspace: str, row: ArchiveRow) -> dict[str, bool]:
    step = Publication.model_validate_json(row.doc)
    if deps.embedder is None:
        return {step.blob_key: True}
    vector = vector_key(workspace, step.entry_id, step.revision, deps.embedder.model)
    return {step.blob_key: True, vector: False}


def _of_snapshot(row: ArchiveRow) -> Iterable[str]:
    info = SnapshotInfo.model_validate_json(row.doc)
    return info.blob_key, info.state_key


def _of_run(row: ArchiveRow) -> Iterable[str]:
    run = TrainingRun.model_validate_json(row.doc)
    return part_keys(run.changes_key, run.changes_total) if run.changes_key is not None else ()
