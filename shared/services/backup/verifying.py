"""Verifying: is a backup whole, and does a restored system equal it?"""

import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from pydantic_core import from_json

from shared.domain.audit import AuditRecord, ChainCheck
from shared.domain.backup import (
    AUDIT,
    BLOBS,
    PARTS,
    Manifest,
    Part,
    WorkspaceCopy,
)
from shared.domain.entries import DECISIONS, ENTRIES, Entry, revision_id
from shared.domain.knowledge.publication import SHOWN, ShownRevision
from shared.domain.learning.snapshot import build_snapshot, to_bytes
from shared.domain.learning.state import LearningState
from shared.domain.records import SYSTEM_WORKSPACE
from shared.errors import CorruptData, NotFound
from shared.ports import ArchiveRow, ArchiveView, Blobs, EvidenceRow
from shared.services import auditing, knowledge
from shared.services.backup.chunks import lines_of, read_chunk
from shared.services.backup.objects import object_bytes
from shared.services.backup.taking import PAGE, Told, archive_of
from shared.services.deps import Deps
from shared.services.drifting import changes_after
from shared.services.planning import Read, folded
from shared.services.snapshots import open_current


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was verified."""

    what: str
    ok: bool
    detail: str


async def verify_backup(place: Blobs, manifest: Manifest, told: Told = lambda *_: None) -> None:
    """Reads every chunk of a backup and holds it against the manifest; the audit chains too.

    Raises:
        CorruptData: a chunk is missing or not what was written, or a chain is broken.
    """
    for copy in manifest.workspaces:
        check = ChainCheck()
        for name, part in copy.parts.items():
            for chunk in part.chunks:
                rows = await read_chunk(place, chunk)
                if name == AUDIT:
                    check.feed(_links(copy.name, rows))
                told(copy.name, name, len(rows))
        if check.first_broken is not None:
            raise CorruptData(
                f"the audit chain of {copy.name} was broken at record {check.first_broken} when"
                " the backup was taken"
            )
        if (check.checked, check.head) != (copy.ends[AUDIT], copy.audit_head):
            raise CorruptData(f"the audit chain of {copy.name} does not end as the manifest says")


async def verify_here(deps: Deps, place: Blobs, manifest: Manifest) -> list[Finding]:
    """Compares this system with a backup that was just restored into it."""
    found: list[Finding] = []
    for copy in manifest.workspaces:
        found.append(await _rows(deps, copy))
        found.append(await _chain(deps, copy))
        if copy.name != SYSTEM_WORKSPACE:
            found.append(await _objects(deps, place, copy))
            found.append(await _knowledge(deps, copy))
            found.append(await _decisions(deps, copy.name))
            found.append(await _snapshot(deps, copy.name))
    return found


async def late_publications(deps: Deps, workspace: str) -> AsyncIterator[str]:
    """Yields the entries that search does not show as they were decided."""
    async for entry, shown in _shown(deps, workspace):
        if entry.published_revision != (shown.revision if shown else None):
            yield entry.id


async def _rows(deps: Deps, copy: WorkspaceCopy) -> Finding:
    """Reads every part from the store and holds it against the digests of the backup's chunks."""
    rows = 0
    async with archive_of(deps).view(copy.name) as view:
        for name in PARTS:
            part = copy.parts.get(name, Part())
            if not await _equal(view, name, part):
                detail = f"{name} of {copy.name} is not equal to the backup"
                return Finding(f"rows of {copy.name}", ok=False, detail=detail)
            rows += part.rows
    return Finding(f"rows of {copy.name}", ok=True, detail=f"{rows} rows equal, byte for byte")


async def _equal(view: ArchiveView, name: str, part: Part) -> bool:
    after, waiting = "", list[ArchiveRow]()
    for chunk in part.chunks:
        while len(waiting) < chunk.rows:
            page = await view.rows(name, after, PAGE)
            if not page:
                return False
            after = page[-1].key
            waiting += page
        mine, waiting = waiting[: chunk.rows], waiting[chunk.rows :]
        if hashlib.sha256(lines_of(mine)).hexdigest() != chunk.lines_sha256:
            return False
    return not waiting and not await view.rows(name, after, 1)


async def _chain(deps: Deps, copy: WorkspaceCopy) -> Finding:
    result = await auditing.verify_audit(deps, copy.name)
    ok = result.ok and (result.checked, result.head) == (copy.ends[AUDIT], copy.audit_head)
    detail = f"{result.checked} records, head {result.head[:12]}"
    return Finding(f"audit chain of {copy.name}", ok=ok, detail=detail)


async def _objects(deps: Deps, place: Blobs, copy: WorkspaceCopy) -> Finding:
    what, objects = f"objects of {copy.name}", 0
    for chunk in copy.parts[BLOBS].chunks:
        for row in await read_chunk(place, chunk):
            try:
                same = (await deps.blobs.get(row.key)).data == object_bytes(row)
            except (NotFound, CorruptData):
                same = False
            if not same:
                return Finding(what, ok=False, detail=f"{row.key} is not equal to the backup")
            objects += 1
    return Finding(what, ok=True, detail=f"{objects} objects equal, byte for byte")


async def _knowledge(deps: Deps, copy: WorkspaceCopy) -> Finding:
    """Folds the publications into the index, and compares it with what the backup says of it."""
    found = await knowledge.verify(deps, copy.name)
    same = copy.index_digest in (None, found.live_digest)
    ok = found.ok and same and found.version == copy.knowledge_version
    detail = f"version {found.version}, digest {found.live_digest[:12]}"
    return Finding(f"knowledge index of {copy.name}", ok=ok, detail=detail)


async def _decisions(deps: Deps, workspace: str) -> Finding:
    """Looks whether everything that search shows was approved as it is shown."""
    what, revisions = f"published knowledge of {workspace}", 0
    async for entry, shown in _shown(deps, workspace):
        if shown is None or shown.revision is None:
            continue
        revisions += 1
        decision = await deps.store.get(workspace, DECISIONS, revision_id(entry.id, shown.revision))
        document = await knowledge.read_published(deps, workspace, entry.id, shown.revision)
        approved = decision is not None and decision.verdict == "approve"
        if decision is None or not approved or decision.content_hash != document.content_hash:
            detail = f"revision {shown.revision} of {entry.id} is shown, and was not approved so"
            return Finding(what, ok=False, detail=detail)
    return Finding(what, ok=True, detail=f"{revisions} revisions shown as they were approved")


async def _shown(deps: Deps, workspace: str) -> AsyncIterator[tuple[Entry, ShownRevision | None]]:
    """Yields each entry with what search shows of it."""
    async with archive_of(deps).view(workspace) as view:
        after = ""
        while rows := await view.rows(ENTRIES.name, after, PAGE):
            after = rows[-1].key
            entries = [Entry.model_validate_json(row.doc) for row in rows]
            shown = await deps.store.get_many(workspace, SHOWN, [one.id for one in entries])
            for pair in zip(entries, shown, strict=True):
                yield pair


async def _snapshot(deps: Deps, workspace: str) -> Finding:
    """Learns the current snapshot again from the evidence, and compares the bytes."""
    what = f"snapshot of {workspace}"
    current = await open_current(deps, workspace)
    if current is None:
        return Finding(what, ok=True, detail="none yet")
    if deps.evidence_feed is not None:
        return Finding(what, ok=True, detail="not learned again: the sums are not in the store")
    snapshot, sums = current.snapshot, deps.analytics
    ratings, outcomes = snapshot.ratings_watermark, snapshot.outcomes_watermark
    read = Read(
        await sums.rating_sums(workspace, 0, ratings),
        await sums.outcome_sums(workspace, 0, outcomes),
        await sums.quality_sums(workspace, 0, ratings),
        await changes_after(deps, workspace, 0, upto=snapshot.changes_watermark),
        ratings,
        outcomes,
        await _prompts(deps, workspace, snapshot.labels_watermark),
    )
    state = folded(LearningState.empty(snapshot.config), read)
    again = to_bytes(build_snapshot(state, snapshot.config))
    ok = again == (await deps.blobs.get(current.info.blob_key)).data
    return Finding(what, ok=ok, detail=f"{current.info.id} learned again from the evidence")


async def _prompts(deps: Deps, workspace: str, upto: int) -> list[EvidenceRow]:
    """Returns the labelled prompts up to a place."""
    found: list[EvidenceRow] = []
    while len(found) < upto:
        most = min(PAGE, upto - len(found))
        rows = await deps.evidence_log.rows(workspace, "prompts", len(found), most)
        if not rows:
            break
        found += rows
    return found


def _links(workspace: str, rows: Iterable[ArchiveRow]) -> Iterable[AuditRecord]:
    for row in rows:
        facts = from_json(row.doc)
        facts["data"] = from_json(facts["data"])
        yield AuditRecord(workspace, int(row.key), **facts)
