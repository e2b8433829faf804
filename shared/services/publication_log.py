"""The log of publications: entries queue up, and those that wait get their versions together.

Versions count up without gaps, so they come from one record, the head. Were it written at every
publication, it would be the one record that all publishing waits for; so a publication first puts
its entry into a queue, a record of its own, and whoever comes next gives versions to all that wait,
in one transaction on the head. Invariant: a publication, what is shown of its entry, its version
and its audit record are written together.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue

from shared.domain.access import Caller
from shared.domain.entries import ENTRIES, Entry
from shared.domain.knowledge.publication import (
    KNOWLEDGE_HEADS,
    PUBLICATIONS,
    QUEUED,
    SHOWN,
    KnowledgeHead,
    Publication,
    QueuedPublication,
    ShownRevision,
    blob_key,
    publication_id,
)
from shared.domain.records import Order
from shared.domain.times import Timestamp, seconds_between
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.unit import audited

HEAD = "head"
BATCH = 100
"""Entries that get versions in one transaction, each with four writes."""


async def log_publication(deps: Deps, workspace: str, entry_id: str, revision: int | None) -> bool:
    """Writes the next publication of an entry where one is due.

    Returns False where the entry has changed meanwhile.

    Args:
        deps: the ports.
        workspace: the entry's.
        entry_id: whose publication.
        revision: the one to be shown, whose object is written; None for none.
    """
    shown = await deps.store.get(workspace, SHOWN, entry_id)
    if _revision_of(shown) != revision:
        now = deps.clock.now_text()

        async def queue(tx: Transaction) -> None:
            tx.put(QUEUED, QueuedPublication(id=entry_id, revision=revision, queued_at=now))

        await deps.store.transact(workspace, queue)
        await number_queued(deps, workspace)
        shown = await deps.store.get(workspace, SHOWN, entry_id)
    entry = await deps.store.get(workspace, ENTRIES, entry_id)
    return entry is not None and entry.published_revision == revision == _revision_of(shown)


async def number_queued(deps: Deps, workspace: str) -> None:
    """Gives versions to all that wait; returns once nothing does.

    The head is moved at most once in `numbering_pace_s`: who comes sooner waits, and mostly finds
    that another one has done it.
    """
    oldest = Order("queued_at")
    while waiting := (await deps.store.find(workspace, QUEUED, order=oldest, limit=BATCH)).items:
        wait_s = await _until_next(deps, workspace)
        if wait_s > 0:
            await asyncio.sleep(wait_s)
            continue
        await _number(deps, workspace, [one.id for one in waiting])


async def log_again(
    deps: Deps, workspace: str, revisions: Sequence[tuple[str, int]], model: str
) -> bool:
    """Publishes revisions once more, as they stand, for their embeddings have come.

    Returns False where search shows none of them any more.

    Args:
        deps: the ports.
        workspace: the entries'.
        revisions: entries and their revisions, 100 at most.
        model: whose embeddings these are.
    """
    now = deps.clock.now_text()
    ids = [entry_id for entry_id, _ in revisions]

    async def work(tx: Transaction) -> bool:
        entries = await tx.get_many(ENTRIES, ids)
        shown = await tx.get_many(SHOWN, ids)
        head = await tx.get(KNOWLEDGE_HEADS, HEAD)
        standing = [
            known
            for (_, revision), entry, known in zip(revisions, entries, shown, strict=True)
            if entry is not None and known is not None
            if entry.published_revision == known.revision == revision
        ]
        if not standing or head is None:
            return False
        version = head.version
        for known in standing:
            version += 1
            last = known.last_revision
            step = publication(workspace, known.id, known.revision, last, version, now)
            tx.create(PUBLICATIONS, step)
            tx.put(SHOWN, known.model_copy(update={"version": version}))
        tx.put(KNOWLEDGE_HEADS, KnowledgeHead(id=HEAD, version=version, updated_at=now))
        who, count = publisher(workspace), len(standing)
        facts: dict[str, JsonValue] = {"version": version, "embedded": count, "model": model}
        tx.audit(audited(who, now, "knowledge.embedded", "knowledge", **facts))
        return True

    return await deps.store.transact(workspace, work)


def publication(
    workspace: str, entry_id: str, revision: int | None, last: int, version: int, now: Timestamp
) -> Publication:
    """Returns the publication that shows `revision`; where None, that takes out `last`."""
    operation: Literal["add", "remove"] = "remove" if revision is None else "add"
    about = last if revision is None else revision
    return Publication(
        id=publication_id(version),
        version=version,
        operation=operation,
        entry_id=entry_id,
        revision=about,
        blob_key=blob_key(workspace, entry_id, about),
        published_at=now,
    )


def publisher(workspace: str) -> Caller:
    """Returns who publishes."""
    return Caller(workspace, "system:publish", system=True)


async def _number(deps: Deps, workspace: str, ids: Sequence[str]) -> None:
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> None:
        queued = await tx.get_many(QUEUED, ids)
        entries = await tx.get_many(ENTRIES, ids)
        shown = await tx.get_many(SHOWN, ids)
        head = await tx.get(KNOWLEDGE_HEADS, HEAD)
        version = before = 0 if head is None else head.version
        for waits, entry, known in zip(queued, entries, shown, strict=True):
            if waits is None:
                continue
            tx.delete(QUEUED, waits.id)
            if _due(waits, entry, known):
                version += 1
                _write(tx, workspace, waits, known, version, now)
        if version > before:
            tx.put(KNOWLEDGE_HEADS, KnowledgeHead(id=HEAD, version=version, updated_at=now))

    await deps.store.transact(workspace, work)


def _due(waits: QueuedPublication, entry: Entry | None, known: ShownRevision | None) -> bool:
    """Tells whether the entry still stands as it was queued and is not shown so already."""
    stands = entry is not None and entry.published_revision == waits.revision
    return stands and _revision_of(known) != waits.revision


def _write(
    tx: Transaction,
    workspace: str,
    waits: QueuedPublication,
    known: ShownRevision | None,
    version: int,
    now: Timestamp,
) -> None:
    last = 0 if known is None else known.last_revision
    step = publication(workspace, waits.id, waits.revision, last, version, now)
    tx.create(PUBLICATIONS, step)
    tx.put(
        SHOWN,
        ShownRevision(
            id=waits.id, revision=waits.revision, last_revision=step.revision, version=version
        ),
    )
    action = "knowledge.published" if step.operation == "add" else "knowledge.removed"
    facts = {"version": version, "revision": step.revision}
    tx.audit(audited(publisher(workspace), now, action, waits.id, **facts))


def _revision_of(shown: ShownRevision | None) -> int | None:
    return None if shown is None else shown.revision


async def _until_next(deps: Deps, workspace: str) -> float:
    """Returns the seconds until the head may be moved again; not positive where it may."""
    pace_s = deps.options.numbering_pace_s
    head = await deps.store.get(workspace, KNOWLEDGE_HEADS, HEAD) if pace_s else None
    if head is None:
        return 0.0
    return pace_s - max(0.0, seconds_between(head.updated_at, deps.clock.now_text()))
