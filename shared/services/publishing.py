"""Publish: what people approved becomes an object, a version of the knowledge, and searchable.

Invariant: a publication is made from the entry as it stands in the store, never from the words of
an event; so events may come twice, late or in any order, and the last state wins.
"""

import asyncio

from shared.domain.entries import DECISIONS, ENTRIES, REVISIONS, revision_id
from shared.domain.knowledge.publication import (
    PublishedRevision,
    blob_key,
    object_bytes,
)
from shared.errors import AlreadyExists, CorruptData, NotFound, Paused, Unavailable
from shared.messages.events import Event
from shared.services.consuming import handle_once
from shared.services.deps import Deps
from shared.services.embedding import embed_documents
from shared.services.knowledge import follow, read_published
from shared.services.publication_log import log_again, log_publication
from shared.services.unit import writable

EMBEDDED_AT_ONCE = 20
"""Revisions without an embedding that each publication takes care of, beside its own."""

_TRIES = 5


async def publish(deps: Deps, event: Event) -> None:
    """Handles an approved or a retracted entry.

    Raises:
        Paused: publishing is stopped; to be delivered again once it goes on.
        Unavailable: a dependency does not answer; to be delivered again.
        NotFound: the event is about an entry that is not there.
        CorruptData: the revision's object is there with other content.
    """

    async def work() -> None:
        await publish_entry(deps, event.workspace, event.subject)

    await handle_once(deps, "publish", event, work)


async def publish_entry(deps: Deps, workspace: str, entry_id: str) -> int:
    """Brings objects, publications and index in line with an entry, and returns their version.

    Does nothing where they are, so that it may be repeated. The switch that stops publishing keeps
    knowledge from coming in, not from being taken out: who throws it wants less to be found.

    Raises:
        Paused: publishing is stopped.
        Unavailable: the workspace is read-only, or the entry keeps changing.
        NotFound: no such entry.
        CorruptData: the revision's object is there with other content.
    """
    settings = await writable(deps, workspace)
    embedded = False
    for _ in range(_TRIES):
        revision = await _published_revision(deps, workspace, entry_id)
        if revision is not None:
            if settings.publishing_stopped:
                raise Paused(
                    f"publishing is stopped in {workspace}; it goes on when that is taken back"
                )
            document = await _write_object(deps, workspace, entry_id, revision)
            embedded = bool(await embed_documents(deps, [document]))
        if await log_publication(deps, workspace, entry_id, revision):
            version = await follow(deps, workspace)
            return max(version, await embed_missing(deps, workspace)) if embedded else version
    raise Unavailable(f"entry {entry_id} keeps changing; try again")


async def _published_revision(deps: Deps, workspace: str, entry_id: str) -> int | None:
    entry = await deps.store.get(workspace, ENTRIES, entry_id)
    if entry is None:
        raise NotFound(f"there is no entry {entry_id} in workspace {workspace}")
    return entry.published_revision


async def embed_missing(deps: Deps, workspace: str, limit: int = EMBEDDED_AT_ONCE) -> int:
    """Embeds what is published without: it came while the embedder was away, or before the model.

    Each revision that gets its embedding is published again, as it stands, so that every index
    hears of it. Returns the version of the knowledge that this made, 0 where there was nothing.

    Args:
        deps: the ports.
        workspace: whose knowledge.
        limit: revisions at most, 1 to 100; the newest come first.

    Raises:
        Paused: publishing is stopped.
        Unavailable: a dependency but the embedder does not answer, or the workspace is read-only.
        CorruptData: an object is damaged.
    """
    embedder = deps.embedder
    if embedder is None:
        return 0
    if (await writable(deps, workspace)).publishing_stopped:
        raise Paused(f"publishing is stopped in {workspace}; take that back first")
    found = await deps.index.unembedded(workspace, embedder.model, limit)
    documents = await asyncio.gather(
        *(read_published(deps, workspace, entry_id, revision) for entry_id, revision in found)
    )
    embedded = await embed_documents(deps, documents)
    revisions = [(one.entry_id, one.revision) for one in embedded]
    if not embedded or not await log_again(deps, workspace, revisions, embedder.model):
        return 0
    return await follow(deps, workspace)


async def _write_object(
    deps: Deps, workspace: str, entry_id: str, revision: int
) -> PublishedRevision:
    """Writes the revision's object and returns it; one that is there must be the same bytes."""
    key = blob_key(workspace, entry_id, revision)
    document = await _document(deps, workspace, entry_id, revision)
    data = object_bytes(document)
    try:
        await deps.blobs.put(key, data, if_generation=0)
    except AlreadyExists:
        if (await deps.blobs.get(key)).data != data:
            raise CorruptData(f"the object {key} is there with other content") from None
    return document


async def _document(deps: Deps, workspace: str, entry_id: str, revision: int) -> PublishedRevision:
    record_id = revision_id(entry_id, revision)
    known = await deps.store.get(workspace, REVISIONS, record_id)
    decision = await deps.store.get(workspace, DECISIONS, record_id)
    if known is None or decision is None:
        raise CorruptData(f"revision {record_id} is published without its record or its decision")
    fields = PublishedRevision.model_fields.keys() - {"workspace", "reviewers", "decided_at"}
    return PublishedRevision(
        workspace=workspace,
        reviewers=decision.reviewers,
        decided_at=decision.decided_at,
        **known.model_dump(include=fields),
    )
