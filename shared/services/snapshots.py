"""Snapshots and the sums behind them, as the store and the blobs keep them.

A snapshot and its state are two immutable objects named by their content; the `SnapshotInfo` says
where they are, the `LearningHead` which one is current. Nothing deletes them: rollback to any
snapshot ever made stays possible, so more than the last three are always kept.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shared.domain.learning.config import LearningConfig
from shared.domain.learning.runs import LEARNING_HEADS, SNAPSHOTS, LearningHead, SnapshotInfo
from shared.domain.learning.snapshot import Snapshot, checksum, from_bytes
from shared.domain.learning.state import LearningState
from shared.domain.learning.state_json import Kept, from_json, without_groups
from shared.errors import AlreadyExists, CorruptData, NotFound
from shared.services.deps import Deps

HEAD = "head"

NONE_OPEN: Mapping[str, Snapshot] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Opened:
    """A snapshot with what is known of it."""

    info: SnapshotInfo
    snapshot: Snapshot


def snapshot_key(workspace: str, snapshot_id: str) -> str:
    """Returns the key of a snapshot's blob."""
    return f"learning/{workspace}/snapshots/{snapshot_id}.json"


def state_key(workspace: str, state: bytes) -> str:
    """Returns the key of a state's blob."""
    return f"learning/{workspace}/states/{checksum(state)}.json"


async def keep_blob(deps: Deps, key: str, data: bytes) -> None:
    """Writes an object whose key follows from its content.

    Nothing happens where it is already, unless that one was damaged since: then it is mended.
    """
    try:
        await deps.blobs.put(key, data, if_generation=0)
    except AlreadyExists:
        if not await _is_whole(deps, key, data):
            await deps.blobs.put(key, data, if_generation=None)


async def _is_whole(deps: Deps, key: str, data: bytes) -> bool:
    try:
        return (await deps.blobs.get(key)).data == data
    except (NotFound, CorruptData):
        return False


async def head_of(deps: Deps, workspace: str) -> LearningHead:
    """Returns where learning stands; a head that points nowhere before the first run."""
    return await deps.store.get(workspace, LEARNING_HEADS, HEAD) or LearningHead(id=HEAD)


async def info_of(deps: Deps, workspace: str, snapshot_id: str | None) -> SnapshotInfo | None:
    """Returns what is known of a snapshot; None where there is no id or no such snapshot."""
    return (snapshot_id and await deps.store.get(workspace, SNAPSHOTS, snapshot_id)) or None


async def open_snapshot(
    deps: Deps, workspace: str, snapshot_id: str, at_hand: Mapping[str, Snapshot] = NONE_OPEN
) -> Opened:
    """Returns a snapshot; from memory where serving holds the same one.

    Args:
        deps: where it is kept.
        workspace: whose it is.
        snapshot_id: which one.
        at_hand: snapshots of the workspace by id that the caller has open: none is read again.

    Raises:
        NotFound: there is none of this id in the workspace.
        CorruptData: its content is not what its id says.
    """
    info = await info_of(deps, workspace, snapshot_id)
    if info is None:
        raise NotFound(f"there is no snapshot {snapshot_id} in this workspace")
    if snapshot_id in at_hand:
        return Opened(info, at_hand[snapshot_id])
    seen = deps.snapshots_seen.get(workspace)
    view = seen.view if seen else None
    if view is not None and view.snapshot is not None and view.snapshot_id == snapshot_id:
        return Opened(info, view.snapshot)
    blob = await deps.blobs.get(info.blob_key)
    snapshot = await asyncio.to_thread(
        from_bytes, blob.data, workspace=workspace, expected_id=snapshot_id
    )
    return Opened(info, snapshot)


async def open_current(
    deps: Deps, workspace: str, at_hand: Mapping[str, Snapshot] = NONE_OPEN
) -> Opened | None:
    """Returns the current snapshot, None before the first run; see `open_snapshot`."""
    head = await head_of(deps, workspace)
    if head.current_id is None:
        return None
    return await open_snapshot(deps, workspace, head.current_id, at_hand)


async def open_state(deps: Deps, info: SnapshotInfo | None, config: LearningConfig) -> Kept:
    """Returns the sums behind a snapshot; the empty state where they cannot be used.

    See `_opened`.
    """
    return await _opened(deps, info, config, from_json)


async def open_quality(
    deps: Deps, info: SnapshotInfo | None, config: LearningConfig
) -> LearningState:
    """Returns the sums behind a snapshot without its groups, which are most of it.

    What is left has the quality by snapshot, and how far the log was read.
    """
    return (await _opened(deps, info, config, without_groups)).state


async def _opened(
    deps: Deps,
    info: SnapshotInfo | None,
    config: LearningConfig,
    read: Callable[[bytes], LearningState],
) -> Kept:
    """Returns what `read` makes of the sums behind a snapshot.

    The empty state where there is no snapshot, or where its sums cannot be used (made under another
    configuration or format, lost, damaged): the log has everything, so folding starts anew.
    """
    empty = Kept(LearningState.empty(config))
    if info is None:
        return empty
    try:
        blob = await deps.blobs.get(info.state_key)
        state = await asyncio.to_thread(read, blob.data)
    except (NotFound, CorruptData):
        return empty
    return Kept(state, blob.data) if state.fits(config) else empty
