"""Search: published knowledge, and nothing that was retracted or replaced.

Invariant: a hit is an answer only while its entry says that this very revision is published. The
index may be a moment behind; the store is not, so that a retraction holds at once.
"""

import asyncio
import logging
from dataclasses import dataclass

from shared.domain.access import Caller
from shared.domain.entries import ENTRIES, REVISIONS, Entry, Revision, revision_id
from shared.errors import CorruptData, Unavailable
from shared.messages.serving_reading import FoundEntry, RoutingInfo, SearchAnswer, SearchRequest
from shared.ports import Embedding, Hit, SearchResult
from shared.services import knowledge
from shared.services.deps import Deps
from shared.services.embedding import embedding_of_query

CATCH_UP_S = 1.0
"""How often, at most, a search first brings the index up to date, in seconds."""

MAX_LOOKED_AT = 400
"""Hits of one search that are held against the store, at most."""

_SPARE = 5
"""Hits asked for beyond the limit, in case that some are withheld."""

logger = logging.getLogger("whetstone.serving")


async def search(deps: Deps, caller: Caller, command: SearchRequest) -> SearchAnswer:
    """Returns the best matches among what is published now."""
    started_s = deps.clock.monotonic_s()
    (embedding, why), _ = await asyncio.gather(
        embedding_of_query(deps, command.text), _catch_up(deps, caller.workspace)
    )
    found = await _found(deps, caller.workspace, command, embedding)
    tier = found.result.tier
    if embedding is not None and "vector" not in tier:
        why = "nothing that fits is embedded"
    return SearchAnswer(
        items=found.items[: command.limit],
        knowledge_version=found.result.version,
        routing_info=RoutingInfo(
            tier=tier,
            reason=_reason(found, command) + (f"; by words only: {why}" if why else ""),
            latency_ms=round((deps.clock.monotonic_s() - started_s) * 1000, 3),
            candidates=len(found.result.hits),
            withheld=found.withheld,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What the index said, and what of it stands; `withheld` hits are not published any more."""

    result: SearchResult
    items: list[FoundEntry]
    withheld: int


async def _found(
    deps: Deps, workspace: str, command: SearchRequest, embedding: Embedding | None
) -> _Found:
    """Asks the index for more until the limit is filled or it has no more."""
    asked = command.limit + _SPARE
    while True:
        result = await deps.index.search(
            workspace,
            command.text,
            limit=asked,
            tags=command.tags,
            topic=command.topic,
            embedding=embedding,
        )
        items = await _published(deps, workspace, result.hits)
        complete = len(items) >= command.limit or len(result.hits) < asked
        if complete or asked >= MAX_LOOKED_AT:
            return _Found(result, items, len(result.hits) - len(items))
        asked = min(asked * 4, MAX_LOOKED_AT)


async def _published(deps: Deps, workspace: str, hits: tuple[Hit, ...]) -> list[FoundEntry]:
    entries = await deps.store.get_many(workspace, ENTRIES, [hit.entry_id for hit in hits])
    standing = [
        (hit, entry)
        for hit, entry in zip(hits, entries, strict=True)
        if entry is not None and entry.published_revision == hit.revision
    ]
    older = [
        revision_id(entry.id, hit.revision)
        for hit, entry in standing
        if entry.revision != hit.revision
    ]
    read = await deps.store.get_many(workspace, REVISIONS, older) if older else []
    revisions = {one.id: one for one in read if one is not None}
    items = []
    for hit, entry in standing:
        source = entry if entry.revision == hit.revision else _older(revisions, hit)
        if source is not None:
            items.append(_item(hit, source))
    return items


def _older(revisions: dict[str, Revision], hit: Hit) -> Revision | None:
    """Returns the published revision of an entry that has a newer one."""
    known = revisions.get(revision_id(hit.entry_id, hit.revision))
    if known is None:
        facts = {"entry_id": hit.entry_id, "revision": hit.revision}
        logger.error("search.revision_missing", extra=facts)
    return known


def _item(hit: Hit, source: Entry | Revision) -> FoundEntry:
    return FoundEntry(
        entry_id=hit.entry_id,
        revision=hit.revision,
        score=hit.score,
        topic=source.topic,
        content=source.content,
        tags=source.tags,
        confidence_score=source.confidence_score,
        highlights=list(hit.highlights),
    )


async def _catch_up(deps: Deps, workspace: str) -> None:
    """Brings the index up to date, now and then; the first time every search waits for that.

    A process that has just started may know nothing yet, and must not say that there is nothing.
    """
    now_s = deps.clock.monotonic_s()
    last_s = deps.caught_up_at.get(workspace)
    if last_s is not None:
        if now_s - last_s >= CATCH_UP_S:
            deps.caught_up_at[workspace] = now_s
            await _try_to_catch_up(deps, workspace)
        return
    async with deps.catching_up.setdefault(workspace, asyncio.Lock()):
        if workspace not in deps.caught_up_at:
            await _try_to_catch_up(deps, workspace)
            deps.caught_up_at[workspace] = now_s
            deps.catching_up.pop(workspace, None)


async def _try_to_catch_up(deps: Deps, workspace: str) -> None:
    """Catches up; where that fails, an older index still answers."""
    try:
        await knowledge.catch_up(deps, workspace)
    except (Unavailable, CorruptData) as error:
        logger.error("search.index_behind", extra={"detail": error.detail})  # noqa: TRY400 - the detail says it all


def _reason(found: _Found, command: SearchRequest) -> str:
    shown = min(len(found.items), command.limit)
    narrowed = "".join(
        f", {name} as asked"
        for name, given in (("topic", command.topic), ("tags", command.tags))
        if given
    )
    return f"{shown} of {len(found.result.hits)} matches by {found.result.tier}{narrowed}"
