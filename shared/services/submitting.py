"""Submit: models hand in knowledge. Nothing here is published; a person decides first.

Invariant: the same content in a workspace is one entry, however many hand it in at once.
"""

import hashlib
from collections.abc import Sequence

from pydantic import ValidationError

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.entries import (
    CONTENT_KEYS,
    DECISIONS,
    ENTRIES,
    NEAR_BANDS,
    REVISIONS,
    ContentKey,
    Entry,
    NearBand,
    revision_id,
)
from shared.domain.knowledge import sketch
from shared.domain.reviewing import archived
from shared.errors import Conflict, NotFound, WhetstoneError
from shared.messages.base import PageParams
from shared.messages.problems import item_problem
from shared.messages.submitting import (
    BatchItem,
    BatchResult,
    EntryView,
    ReviseEntry,
    SubmitBatch,
    SubmitEntry,
    Submitted,
)
from shared.ports import Transaction
from shared.services.calibrating import borne_out
from shared.services.deps import Deps
from shared.services.paging import fitting, number_of
from shared.services.unit import audited, event, item_keys, once, writable

NEAR_SHOWN = 5
"""Near duplicates named in an answer, at most."""


def content_hash(topic: str, content: str) -> str:
    """Returns the SHA-256 of topic and content.

    It makes two entries the same, and says what a reviewer saw.
    """
    return hashlib.sha256(f"{topic}\x00{content}".encode()).hexdigest()


async def submit_entry(
    deps: Deps, caller: Caller, command: SubmitEntry, key: IdempotencyKey | None
) -> Submitted:
    """Stores a new entry for approval.

    Where the same content is there already, it returns that entry, `duplicate` true.

    Raises:
        InvalidInput: the key was used before with another body.
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    digest = content_hash(command.topic, command.content)
    entry_id = deps.ids.new("ent")
    near_bands = sketch.bands(command.content)
    now = deps.clock.now_text()
    sure = await borne_out(deps, caller, command)

    async def work(tx: Transaction) -> Submitted:
        known = await tx.get(CONTENT_KEYS, digest)
        if known is not None:
            first = await tx.get(ENTRIES, known.entry_id)
            if first is not None:
                return _submitted(first, duplicate=True)
        bands = await bands_of(tx, near_bands)
        near = await _near(tx, bands, command.content)
        entry = _new_entry(entry_id, digest, command, caller, now, near, sure=sure)
        tx.create(ENTRIES, entry)
        write_keys(tx, entry, bands)
        tx.add("review", {"pending_approval": 1})
        tx.audit(
            audited(
                caller,
                now,
                "entry.submitted",
                entry_id,
                content_hash=digest,
                submitter=entry.submitter,
            )
        )
        tx.emit(
            event(deps, caller, now, "entry.submitted", entry_id, topic=entry.topic, revision=1)
        )
        return _submitted(entry)

    return await once(deps, caller, key, Submitted, work)


async def submit_batch(
    deps: Deps, caller: Caller, command: SubmitBatch, key: IdempotencyKey | None
) -> BatchResult:
    """Stores up to 500 entries one by one; a bad one does not keep the others out.

    With a key each item gets a key of its own, so that a batch that was cut short goes on where it
    stopped.

    Raises:
        InvalidInput: the key was used before with another body.
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    keys = await item_keys(deps, caller, key, len(command.entries))
    items, replayed = [], []
    for index, (raw, item_key) in enumerate(zip(command.entries, keys, strict=True)):
        try:
            entry = await submit_entry(deps, caller, SubmitEntry.model_validate(raw), item_key)
            items.append(BatchItem(index=index, entry=entry))
            replayed.append(item_key is not None and item_key.replayed)
        except (ValidationError, WhetstoneError) as error:
            items.append(BatchItem(index=index, problem=item_problem(error)))
    if key is not None:
        key.replayed = bool(replayed) and all(replayed)
    return BatchResult(items=items, accepted=len(replayed), failed=len(items) - len(replayed))


async def revise_entry(
    deps: Deps, caller: Caller, entry_id: str, command: ReviseEntry, key: IdempotencyKey | None
) -> Submitted:
    """Stores the next revision of an entry for approval.

    Raises:
        NotFound: no such entry in this workspace.
        Conflict: the entry does not wait for a revision, or `expected_revision` is not the newest.
    """
    await writable(deps, caller.workspace)
    digest = content_hash(command.topic, command.content)
    near_bands = sketch.bands(command.content)
    now = deps.clock.now_text()
    sure = await borne_out(deps, caller, command)

    async def work(tx: Transaction) -> Submitted:
        entry = await tx.get(ENTRIES, entry_id)
        if entry is None:
            raise NotFound(f"there is no entry {entry_id} in this workspace")
        _check_revisable(entry, command, digest)
        same = await tx.get(CONTENT_KEYS, digest)
        if same is not None and same.entry_id != entry_id:
            raise Conflict(
                f"entry {same.entry_id} has this content already", facts={"entry_id": same.entry_id}
            )
        bands = await bands_of(tx, near_bands)
        near = [other for other in await _near(tx, bands, command.content) if other != entry_id]
        revised = _next_revision(entry, digest, command, caller, now, near, sure=sure)
        tx.put(REVISIONS, archived(entry))
        tx.put(ENTRIES, revised)
        write_keys(tx, revised, bands)
        tx.add("review", {"pending_approval": 1, entry.state: -1})
        tx.audit(
            audited(
                caller,
                now,
                "entry.revised",
                entry_id,
                revision=revised.revision,
                content_hash=digest,
            )
        )
        tx.emit(
            event(
                deps,
                caller,
                now,
                "entry.submitted",
                entry_id,
                topic=revised.topic,
                revision=revised.revision,
            )
        )
        return _submitted(revised)

    return await once(deps, caller, key, Submitted, work)


async def view_entry(deps: Deps, caller: Caller, entry_id: str, params: PageParams) -> EntryView:
    """Returns an entry with a page of its revisions and their decisions, the newest page first.

    A page ends before `limit` where revisions are very long.

    Raises:
        NotFound: no such entry in this workspace.
        InvalidInput: the cursor is none of this list.
    """
    store, workspace = deps.store, caller.workspace
    entry = await store.get(workspace, ENTRIES, entry_id)
    if entry is None:
        raise NotFound(f"there is no entry {entry_id} in this workspace")
    newest = entry.revision
    below = newest + 1 if params.cursor is None else number_of(params.cursor, range(2, newest + 1))
    numbers = range(below - 1, max(0, below - 1 - params.limit), -1)
    ids = [revision_id(entry_id, number) for number in numbers]
    history = [one for one in await store.get_many(workspace, REVISIONS, ids) if one is not None]
    if params.cursor is None:
        history = [archived(entry), *(one for one in history if one.revision < newest)]
    shown = history[: fitting(history)]
    decisions = await store.get_many(workspace, DECISIONS, [one.id for one in shown])
    oldest = shown[-1].revision if shown else 1
    return EntryView(
        entry_id=entry.id,
        **entry.model_dump(include=set(EntryView.model_fields)),
        revisions=shown[::-1],
        decisions=[one for one in reversed(decisions) if one is not None],
        next_cursor=str(oldest) if oldest > 1 else None,
    )


def _new_entry(
    entry_id: str,
    digest: str,
    command: SubmitEntry,
    caller: Caller,
    now: str,
    near: Sequence[str],
    *,
    sure: float | None,
) -> Entry:
    return Entry(
        id=entry_id,
        state="pending_approval",
        topic=command.topic,
        content=command.content,
        content_hash=digest,
        confidence_score=command.confidence_score,
        calibrated_confidence=sure,
        risk=_risk(command.confidence_score if sure is None else sure, near),
        tags=command.tags,
        metadata=command.metadata,
        submitter=command.submitter or caller.subject,
        submitted_by=caller.subject,
        submitted_at=now,
        created_at=now,
        updated_at=now,
        near_duplicates=list(near),
    )


def _next_revision(
    entry: Entry,
    digest: str,
    command: ReviseEntry,
    caller: Caller,
    now: str,
    near: Sequence[str],
    *,
    sure: float | None,
) -> Entry:
    fresh = _new_entry(entry.id, digest, command, caller, now, near, sure=sure)
    return fresh.model_copy(
        update={
            "revision": entry.revision + 1,
            "created_at": entry.created_at,
            "published_revision": entry.published_revision,
            "claims": entry.claims,
        }
    )


def _risk(sure: float, near: Sequence[str]) -> float:
    """Returns 0..1: the doubt that the submitter's calibrated confidence leaves.

    At least 0.5 where the text is close to another entry's.
    """
    return round(max(1 - sure, 0.5 if near else 0.0), 6)


def _check_revisable(entry: Entry, command: ReviseEntry, digest: str) -> None:
    """Lets the next revision be handed in.

    Also where the newest was rejected and an earlier one is still published: that approved one can
    be bettered like any other.

    Raises:
        Conflict: see `revise_entry`.
    """
    if command.expected_revision not in (None, entry.revision):
        raise Conflict(
            f"entry {entry.id} is at revision {entry.revision},"
            f" not {command.expected_revision}; read it again",
            facts={"revision": entry.revision},
        )
    stands = entry.state == "rejected" and entry.published_revision is not None
    if entry.state not in ("revision_requested", "approved") and not stands:
        raise Conflict(
            f"entry {entry.id} is {entry.state};"
            " a new revision is possible after request_revision or approval",
            facts={"state": entry.state},
        )
    if digest == entry.content_hash:
        raise Conflict(
            f"revision {entry.revision} of entry {entry.id} has this topic and content already"
        )


async def bands_of(tx: Transaction, keys: Sequence[str]) -> list[NearBand]:
    """Returns the bands of a text with the entries that share them, empty where none does."""
    found = await tx.get_many(NEAR_BANDS, keys)
    return [band or NearBand(id=key, entry_ids=[]) for key, band in zip(keys, found, strict=True)]


async def _near(tx: Transaction, bands: Sequence[NearBand], content: str) -> list[str]:
    """Returns the ids of entries whose content is a near duplicate, in order of id."""
    candidates = sorted({entry_id for band in bands for entry_id in band.entry_ids})
    if not candidates:
        return []
    entries = await tx.get_many(ENTRIES, candidates)
    near = [
        one for one in entries if one and sketch.similarity(content, one.content) >= sketch.NEAR
    ]
    return [one.id for one in near[:NEAR_SHOWN]]


def write_keys(tx: Transaction, entry: Entry, bands: Sequence[NearBand]) -> None:
    """Makes an entry findable by its content, the same or nearly: `bands` are those of it."""
    tx.put(CONTENT_KEYS, ContentKey(id=entry.content_hash, entry_id=entry.id))
    for band in bands:
        others = [other for other in band.entry_ids if other != entry.id]
        tx.put(NEAR_BANDS, NearBand(id=band.id, entry_ids=[entry.id, *others[: NEAR_SHOWN - 1]]))


def _submitted(entry: Entry, *, duplicate: bool = False) -> Submitted:
    return Submitted(
        entry_id=entry.id,
        revision=entry.revision,
        state=entry.state,
        content_hash=entry.content_hash,
        duplicate=duplicate,
        near_duplicates=entry.near_duplicates,
    )
