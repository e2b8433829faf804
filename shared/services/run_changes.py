"""All changes of a run, where its record has room for the first ones only.

They are kept in parts among the blobs before the record is written, and read a page at a time: a
page opens the parts that it lies in and nothing else. The key follows from what they say, so that
a run that is tried again never writes over what an earlier try has kept.
"""

import asyncio
import math
from collections.abc import Iterator, Sequence

from pydantic_core import from_json, to_json

from shared.domain.access import Caller
from shared.domain.learning.runs import RUNS, TrainingRun
from shared.domain.learning.snapshot import checksum
from shared.domain.learning.wording import Change
from shared.errors import NotFound
from shared.messages.base import PageParams
from shared.messages.training import RunChanges
from shared.services.deps import Deps
from shared.services.paging import number_of
from shared.services.snapshots import keep_blob

KEPT = 100
"""Changes that a run's record keeps, at most: a record must stay well below 1 MiB."""

PART = 500
"""Changes of a part, some 2 kB each."""


async def keep_changes(
    deps: Deps, workspace: str, run_id: str, made: Sequence[Change]
) -> str | None:
    """Keeps the changes of a run; returns where, or None where its record has room for them."""
    if len(made) <= KEPT:
        return None
    parts = [to_json(made[start : start + PART]) for start in range(0, len(made), PART)]
    folder = f"learning/{workspace}/runs/{run_id}/{checksum(b''.join(parts))[:16]}"
    keys = part_keys(folder, len(made))
    await asyncio.gather(
        *(keep_blob(deps, key, data) for key, data in zip(keys, parts, strict=True))
    )
    return folder


def part_keys(folder: str, total: int) -> Iterator[str]:
    """Yields the keys of the parts in which so many changes are kept."""
    for number in range(math.ceil(total / PART)):
        yield f"{folder}/{number:05}.json"


async def list_changes(deps: Deps, caller: Caller, run_id: str, params: PageParams) -> RunChanges:
    """Returns changes of a run, in the order in which it tells them.

    Raises:
        NotFound: there is no such run in the workspace.
        InvalidInput: the cursor is none of this list.
    """
    run = await deps.store.get(caller.workspace, RUNS, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id} in this workspace")
    total = run.changes_total
    start = 0 if params.cursor is None else number_of(params.cursor, range(total))
    end = min(start + params.limit, total)
    return RunChanges(
        items=await _between(deps, run, start, end),
        total=total,
        next_cursor=str(end) if end < total else None,
    )


async def _between(deps: Deps, run: TrainingRun, start: int, end: int) -> list[Change]:
    """Returns the changes at the places from `start` to before `end`."""
    if run.changes_key is None:
        return run.changes[start:end]
    keys = list(part_keys(run.changes_key, run.changes_total))
    first, last = start // PART, math.ceil(end / PART)
    blobs = await asyncio.gather(*(deps.blobs.get(key) for key in keys[first:last]))
    found = [change for blob in blobs for change in from_json(blob.data)]
    return found[start - first * PART : end - first * PART]
