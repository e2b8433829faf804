"""The versions of the knowledge base: which step made each, and what two of them show differently.

Read from the log of publications, whose places are the versions. Writes nothing.
"""

import asyncio
from collections.abc import Sequence

from shared.domain.access import Caller
from shared.domain.entries import ENTRIES
from shared.domain.knowledge.publication import PUBLICATIONS, Publication
from shared.domain.records import Filter, Order
from shared.errors import InvalidInput
from shared.messages.base import Page, PageParams
from shared.messages.watching import ChangedEntry, VersionsCompared, VersionView
from shared.services.deps import Deps

MAX_READ = 500
"""Publications that one comparison reads, at most."""

_PAGE = 250


async def list_versions(deps: Deps, caller: Caller, params: PageParams) -> Page[VersionView]:
    """Returns the steps of the knowledge base, newest first."""
    page = await deps.store.find(
        caller.workspace,
        PUBLICATIONS,
        order=Order("version", descending=True),
        limit=params.limit,
        cursor=params.cursor,
    )
    items = await _views(deps, caller.workspace, page.items)
    return Page(items=items, next_cursor=page.next_cursor)


async def compare_versions(deps: Deps, caller: Caller, one: int, other: int) -> VersionsCompared:
    """Returns the entries that two versions show differently, in order of id.

    What the older one shows is looked up only for the entries that have a step between the two.

    Raises:
        InvalidInput: a version is negative.
    """
    older, newer = sorted((one, other))
    if older < 0:
        raise InvalidInput.field("?older", "must be 0 or a version of the list")
    between, truncated = await _steps(deps, caller.workspace, older + 1, newer)
    after = {step.entry_id: step for step in between}
    ids = sorted(after)
    looked = (_standing(deps, caller.workspace, older, entry_id) for entry_id in ids)
    before = dict(zip(ids, await asyncio.gather(*looked), strict=True))
    entries = await deps.store.get_many(caller.workspace, ENTRIES, ids)
    changes = [
        ChangedEntry(
            entry_id=entry_id,
            topic="" if entry is None else entry.topic,
            old_revision=before[entry_id],
            new_revision=_shown(after[entry_id]),
        )
        for entry_id, entry in zip(ids, entries, strict=True)
        if before[entry_id] != _shown(after[entry_id])
    ]
    return VersionsCompared(older=older, newer=newer, changes=changes, truncated=truncated)


async def entry_versions(deps: Deps, caller: Caller, entry_id: str) -> list[VersionView]:
    """Returns the newest steps that are about an entry, newest first; empty where there is none."""
    page = await deps.store.find(
        caller.workspace,
        PUBLICATIONS,
        Filter("entry_id", "==", entry_id),
        order=Order("version", descending=True),
        limit=_PAGE,
    )
    return await _views(deps, caller.workspace, page.items)


async def _views(deps: Deps, workspace: str, steps: Sequence[Publication]) -> list[VersionView]:
    ids = list(dict.fromkeys(step.entry_id for step in steps))
    entries = await deps.store.get_many(workspace, ENTRIES, ids) if ids else []
    topics = {entry.id: entry.topic for entry in entries if entry is not None}
    return [
        VersionView(
            version=step.version,
            operation=step.operation,
            entry_id=step.entry_id,
            topic=topics.get(step.entry_id, ""),
            revision=step.revision,
            published_at=step.published_at,
        )
        for step in steps
    ]


def _shown(step: Publication) -> int | None:
    return step.revision if step.operation == "add" else None


async def _steps(
    deps: Deps, workspace: str, first: int, last: int
) -> tuple[list[Publication], bool]:
    """Returns the steps from `first` to `last` in order, the earliest `MAX_READ` at most."""
    found: list[Publication] = []
    cursor: str | None = None
    while len(found) < MAX_READ:
        page = await deps.store.find(
            workspace,
            PUBLICATIONS,
            Filter("version", ">=", first),
            order=Order("version"),
            limit=_PAGE,
            cursor=cursor,
        )
        found += [step for step in page.items if step.version <= last]
        cursor = page.next_cursor
        if cursor is None or page.items[-1].version >= last:
            return found, False
        await asyncio.sleep(0)
    return found, True


async def _standing(deps: Deps, workspace: str, version: int, entry_id: str) -> int | None:
    """Returns the revision of an entry that `version` shows, None where it shows none."""
    cursor: str | None = None
    while True:
        page = await deps.store.find(
            workspace,
            PUBLICATIONS,
            Filter("entry_id", "==", entry_id),
            order=Order("version", descending=True),
            limit=_PAGE,
            cursor=cursor,
        )
        for step in page.items:
            if step.version <= version:
                return _shown(step)
        cursor = page.next_cursor
        if cursor is None:
            return None
