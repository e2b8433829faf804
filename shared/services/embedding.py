"""Embeddings of what is published and of what is asked, where there is an embedder.

A revision's embedding is an object beside the revision's own, one for each model, written once.
Invariant: nothing waits for an embedder for long, and nothing fails with it: what has no embedding
is found by its words.
"""

import asyncio
import logging
from collections.abc import Sequence

from shared.domain.knowledge.publication import (
    PublishedRevision,
    bytes_of_vector,
    vector_key,
    vector_of_bytes,
)
from shared.errors import AlreadyExists, CorruptData, InvalidInput, NotFound, Unavailable
from shared.ports import Embedder, Embedding
from shared.services.deps import Deps

DOCUMENTS_TIMEOUT_S = 10.0
"""How long publishing waits for the embeddings of a few documents."""

REST_S = 5.0
"""How long searches do without an embedder that has just failed, so that not each one waits."""

logger = logging.getLogger("whetstone.embedding")


async def embedding_of(
    deps: Deps, workspace: str, entry_id: str, revision: int
) -> Embedding | None:
    """Returns the embedding of a published revision; None where there is none that can be read.

    Raises:
        Unavailable: the objects do not answer.
    """
    embedder = deps.embedder
    if embedder is None:
        return None
    key = vector_key(workspace, entry_id, revision, embedder.model)
    try:
        return Embedding(embedder.model, await _stored_vector(deps, embedder, key))
    except NotFound:
        return None
    except CorruptData as error:
        _tell("embedding.object_damaged", error)
        return None


async def embed_documents(
    deps: Deps, documents: Sequence[PublishedRevision]
) -> list[PublishedRevision]:
    """Writes the embeddings that are missing; returns the documents that have theirs then.

    Those that the model refuses have an empty one. Where the embedder does not answer, the rest
    is left for another time.
    """
    embedder = deps.embedder
    if embedder is None:
        return []
    known = await asyncio.gather(
        *(embedding_of(deps, one.workspace, one.entry_id, one.revision) for one in documents)
    )
    done = [one for one, found in zip(documents, known, strict=True) if found is not None]
    missing = [one for one, found in zip(documents, known, strict=True) if found is None]
    try:
        done += await _embed(deps, embedder, missing)
    except Unavailable as error:
        _tell("embedding.documents_left_out", error)
    return done


async def embedding_of_query(deps: Deps, text: str) -> tuple[Embedding | None, str]:
    """Returns the embedding of what is searched for, or None and why, in words for the caller."""
    embedder = deps.embedder
    if embedder is None or not text.strip():
        return None, ""
    failed_s = deps.embedder_failed_at.get(embedder.model)
    if failed_s is not None and deps.clock.monotonic_s() - failed_s < REST_S:
        return None, "the embedder does not answer"
    try:
        timeout_s = deps.options.embedding_timeout_s
        [embedding] = await embedder.embed([text], kind="query", timeout_s=timeout_s)
    except InvalidInput as error:
        _tell("embedding.query_refused", error)
        return None, "the embedder refuses the text"
    except Unavailable as error:
        deps.embedder_failed_at[embedder.model] = deps.clock.monotonic_s()
        _tell("embedding.query_left_out", error)
        return None, "the embedder does not answer"
    return embedding, ""


async def _embed(
    deps: Deps, embedder: Embedder, documents: list[PublishedRevision]
) -> list[PublishedRevision]:
    """Embeds documents at once; where the model refuses one of several, each by itself."""
    if not documents:
        return []
    texts = [f"{one.topic}\n\n{one.content}" for one in documents]
    try:
        found = await embedder.embed(texts, kind="document", timeout_s=DOCUMENTS_TIMEOUT_S)
    except InvalidInput as error:
        if len(documents) > 1:
            return [done for one in documents for done in await _embed(deps, embedder, [one])]
        _tell("embedding.document_refused", error)
        found = [Embedding(embedder.model, ())]
    pairs = zip(documents, found, strict=True)
    await asyncio.gather(*(_write(deps, one, embedding) for one, embedding in pairs))
    return documents


async def _write(deps: Deps, document: PublishedRevision, embedding: Embedding) -> None:
    """Writes an embedding; one that is there stays, unless it is damaged."""
    embedder = deps.embedder
    if embedder is None:
        return
    key = vector_key(document.workspace, document.entry_id, document.revision, embedding.model)
    data = bytes_of_vector(embedding.vector)
    try:
        await deps.blobs.put(key, data, if_generation=0)
    except AlreadyExists:
        try:
            await _stored_vector(deps, embedder, key)
        except CorruptData:
            await deps.blobs.put(key, data, if_generation=None)


async def _stored_vector(deps: Deps, embedder: Embedder, key: str) -> tuple[float, ...]:
    vector = vector_of_bytes((await deps.blobs.get(key)).data)
    if len(vector) not in (0, embedder.dims):
        raise CorruptData(f"the object {key} is no vector of {embedder.dims} dimensions")
    return vector


def _tell(event: str, error: Unavailable | InvalidInput | CorruptData) -> None:
    logger.warning(event, extra={"detail": error.detail})
