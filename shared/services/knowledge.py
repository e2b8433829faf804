"""The knowledge index as a fold over the publications: kept up, rebuilt and verified.

Invariant: publications are applied in order of version without a gap, so an index at version v
holds what the first v publications say, whichever process applied them.
"""

import asyncio
import logging
from dataclasses import dataclass

from shared.domain.knowledge.publication import (
    PUBLICATIONS,
    Publication,
    PublishedRevision,
    blob_key,
)
from shared.domain.records import Filter, Order
from shared.errors import Conflict, CorruptData, Unavailable
from shared.ports import IndexChange, IndexDocument
from shared.services.deps import Deps
from shared.services.embedding import embedding_of

PAGE = 50
"""Publications applied at a time; with the largest contents that is 5 MB in memory."""

SCRATCH = ".rebuild"
"""What the name of a scratch index ends with; no workspace's name has a dot."""

_TRIES = 3

logger = logging.getLogger("whetstone.knowledge")


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the live index equals one rebuilt from the publications up to `version`."""

    ok: bool
    version: int
    live_digest: str
    rebuilt_digest: str


async def catch_up(deps: Deps, workspace: str) -> int:
    """Applies the publications that the index has not seen; returns the index's version then."""
    return await _fold(deps, workspace, workspace, None)


async def follow(deps: Deps, workspace: str) -> int:
    """Catches up after a publication, and saves the index where that is due; returns its version.

    What could not be saved is logged: the publication stands, and the next one tries again.
    """
    version = await catch_up(deps, workspace)
    try:
        await deps.index.save(workspace)
    except (Unavailable, CorruptData) as error:
        facts = {"workspace": workspace, "detail": error.detail}
        logger.error("knowledge.index_not_saved", extra=facts)  # noqa: TRY400 - the detail says it all
    return version


async def rebuild(deps: Deps, workspace: str) -> int:
    """Drops the index and folds all publications again; returns its version.

    Meanwhile search finds what was folded so far.
    """
    await deps.index.drop(workspace)
    return await follow(deps, workspace)


async def verify(deps: Deps, workspace: str) -> Verification:
    """Compares the index with one folded anew beside it; run one at a time in a workspace.

    Publications that arrive meanwhile are no difference: then it looks again.
    """
    found = await _compare(deps, workspace)
    for _ in range(_TRIES - 1):
        if found.ok:
            break
        found = await _compare(deps, workspace)
    await deps.index.drop(workspace + SCRATCH)
    return found


async def read_published(
    deps: Deps, workspace: str, entry_id: str, revision: int
) -> PublishedRevision:
    """Returns a published revision from its object.

    Raises:
        NotFound: the revision was never published.
        CorruptData: the object does not match its checksum, or is another revision's.
    """
    key = blob_key(workspace, entry_id, revision)
    document = PublishedRevision.model_validate_json((await deps.blobs.get(key)).data)
    if (document.workspace, document.entry_id, document.revision) != (
        workspace,
        entry_id,
        revision,
    ):
        raise CorruptData(f"the object {key} holds another revision")
    return document


async def _compare(deps: Deps, workspace: str) -> Verification:
    version = await catch_up(deps, workspace)
    live = await deps.index.digest(workspace)
    scratch = workspace + SCRATCH
    await deps.index.drop(scratch)
    await _fold(deps, workspace, scratch, version)
    rebuilt = await deps.index.digest(scratch)
    return Verification(live == rebuilt, version, live, rebuilt)


async def _fold(deps: Deps, workspace: str, index: str, upto: int | None) -> int:
    """Applies publications of `workspace` to `index` until there are none or `upto` is reached.

    Raises:
        Unavailable: the index keeps being dropped.
    """
    version = await deps.index.version(index)
    conflicts = 0
    while upto is None or version < upto:
        publications = await _next(deps, workspace, version, upto)
        if len(publications) == PAGE and index == workspace:
            # Far behind: what another instance has saved may be nearer.
            await deps.index.load(index)
            nearer = await deps.index.version(index)
            if nearer > version:
                version = nearer
                continue
        if not publications:
            break
        try:
            changes = await _changes(deps, workspace, publications)
            await deps.index.apply(index, changes, after=version)
        except Conflict as error:
            conflicts += 1
            if conflicts == _TRIES:
                raise Unavailable(f"the index of {workspace} keeps changing") from error
            version = await deps.index.version(index)
            continue
        version = publications[-1].version
    return version


async def _next(deps: Deps, workspace: str, version: int, upto: int | None) -> list[Publication]:
    """Returns the publications that follow `version`, a page of them at most."""
    page = await deps.store.find(
        workspace,
        PUBLICATIONS,
        Filter("version", ">=", version + 1),
        order=Order("version"),
        limit=PAGE if upto is None else min(PAGE, upto - version),
    )
    return page.items


async def _changes(
    deps: Deps, workspace: str, publications: list[Publication]
) -> list[IndexChange]:
    """Returns the changes; of several about one entry only the last, which undoes the others."""
    last = {one.entry_id: one for one in publications}
    return await asyncio.gather(
        *(_change(deps, workspace, one) for one in publications if last[one.entry_id] is one)
    )


async def _change(deps: Deps, workspace: str, publication: Publication) -> IndexChange:
    if publication.operation == "remove":
        return IndexChange(publication.version, publication.entry_id, None)
    found = await read_published(deps, workspace, publication.entry_id, publication.revision)
    embedding = await embedding_of(deps, workspace, found.entry_id, found.revision)
    document = IndexDocument(
        found.entry_id, found.revision, found.topic, found.content, tuple(found.tags), embedding
    )
    return IndexChange(publication.version, publication.entry_id, document)
