"""Taking a backup: one workspace after the other, each as it was at one moment.

    _system → its list of workspaces → each: a view of the store (records, then logs) → its objects

Invariant: what was kept is written down at the place every few seconds, and nothing else is
remembered. A backup that was cut off is gone on with: behind the last chunk where the store opens
the same moment again, or where only logs are left, which never change; otherwise with a new view of
that workspace.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic_core import from_json

from shared.domain.access import WORKSPACES
from shared.domain.backup import (
    BLOBS,
    LOGS,
    PARTS,
    Manifest,
    Part,
    WorkspaceCopy,
    find,
)
from shared.domain.knowledge.publication import KNOWLEDGE_HEADS
from shared.domain.records import SYSTEM_WORKSPACE
from shared.domain.times import seconds_between
from shared.errors import NotFound, Unavailable
from shared.ports import Archive, ArchiveRow, ArchiveView, Blobs
from shared.services import knowledge
from shared.services.backup import chunks, quieting
from shared.services.backup.objects import object_rows
from shared.services.backup.reusing import Earlier
from shared.services.backup.shelf import Begun, Shelf
from shared.services.deps import Deps

PAGE = 1_000
"""Rows read at once."""

SAVED_EVERY_S = 5.0
"""Seconds of work that a crash may cost, about."""

RESUMED_WITHIN_S = 7 * 86_400.0
"""A backup that was begun before is not gone on with."""

Told = Callable[[str, str, int], None]
"""Is told the workspace, the part and the rows of each chunk that was kept."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a backup is taken.

    Args:
        workspaces: which; all where empty. What belongs to no tenant always comes along.
        quiesce: each workspace is read-only while its moment is chosen.
        software: the version that runs.
        budget_s: seconds after which it stops, to be gone on with; None for no limit. Where the
            store cannot open a moment again it does not stop before a workspace's records are
            taken: they would have to be taken anew.
    """

    workspaces: tuple[str, ...] = ()
    quiesce: bool = False
    software: str = ""
    budget_s: float | None = None


class _OutOfTimeError(Exception):
    """The budget is used up; what was done is written down."""


async def take(deps: Deps, place: Blobs, wish: Wish, told: Told = lambda *_: None) -> Manifest:
    """Takes a backup, or goes on with one that was begun; returns it, complete or not.

    It is not complete where the budget ended first: then the next call goes on.

    Raises:
        NotFound: a workspace that was asked for does not exist.
        Conflict: another process goes on with the same backup.
        Unavailable: the store or the place does not answer; the next call goes on.
    """
    shelf = Shelf(place)
    begun = await _begun(deps, shelf, wish)
    earlier = Earlier(await shelf.newest())
    taking = _Taking(deps, shelf, begun, earlier, wish, told)
    try:
        await taking.run()
    except _OutOfTimeError:
        return begun.manifest
    return begun.manifest


async def _begun(deps: Deps, shelf: Shelf, wish: Wish) -> Begun:
    """Returns the newest backup that was begun with the same wish, or a new one."""
    now = deps.clock.now()
    for backup_id in reversed(await shelf.begun()):
        known = await shelf.take_up(backup_id)
        if known is None or not _fits(known.manifest, wish):
            continue
        age_s = seconds_between(known.manifest.started_at, deps.clock.now_text())
        if age_s <= RESUMED_WITHIN_S:
            return known
    return Begun(
        Manifest(
            id=f"{now:%Y%m%dT%H%M%SZ}-{deps.ids.new('bak')[-8:]}",
            software=wish.software,
            started_at=deps.clock.now_text(),
            chosen=sorted(wish.workspaces),
            quiesce=wish.quiesce,
        ),
        0,
    )


def _fits(manifest: Manifest, wish: Wish) -> bool:
    same = manifest.chosen == sorted(wish.workspaces) and manifest.quiesce == wish.quiesce
    return same and manifest.software == wish.software


class _Taking:
    """One backup while it is taken.

    Args:
        deps: the ports.
        shelf: where it goes.
        begun: what it has so far.
        earlier: the complete backup before it.
        wish: how it is taken.
        told: is told of progress.
    """

    def __init__(
        self, deps: Deps, shelf: Shelf, begun: Begun, earlier: Earlier, wish: Wish, told: Told
    ) -> None:
        self._deps = deps
        self._archive = archive_of(deps)
        self._shelf = shelf
        self._begun = begun
        self._manifest = begun.manifest
        self._earlier = earlier
        self._told = told
        started = deps.clock.monotonic_s()
        self._until = None if wish.budget_s is None else started + wish.budget_s
        self._saved_at = started

    async def run(self) -> None:
        """Takes what is missing.

        Raises:
            _OutOfTimeError: not everything was; it is written down how far this came.
        """
        await quieting.let_go(self._deps, self._manifest)  # of a process that died
        await self._shelf.save(self._begun)
        await self._workspace(SYSTEM_WORKSPACE)
        self._manifest.names = await self._names()
        for name in self._manifest.names:
            await self._workspace(name)
        self._manifest.finished_at = self._deps.clock.now_text()
        await self._shelf.finish(self._begun)

    async def _names(self) -> list[str]:
        """Returns the workspaces to take, of those that the copy of `_system` lists."""
        system = find(self._manifest, SYSTEM_WORKSPACE)
        part = system.parts[WORKSPACES.name] if system else Part()
        there = [
            row.key for chunk in part.chunks for row in await chunks.read_chunk(self._place, chunk)
        ]
        for name in self._manifest.chosen:
            if name not in there:
                raise NotFound(f"there is no workspace {name}")
        return self._manifest.chosen or there

    async def _workspace(self, name: str) -> None:
        known = find(self._manifest, name)
        if known is None or not known.done:
            copy = await self._rows(name, known)
            await self._objects(copy)
            copy.index_digest = await self._digest(copy)
            copy.done = True
            await self._save()

    async def _rows(self, name: str, known: WorkspaceCopy | None) -> WorkspaceCopy:
        """Takes what is missing of the store's rows."""
        if known is not None and all(_is_done(known, part) for part in PARTS):
            return known
        if known is not None and known.moment:
            try:
                async with self._archive.view(name, known.moment) as view:
                    return await self._all(known, view)
            except NotFound:
                pass  # too long ago
        quiet = self._manifest.quiesce and name != SYSTEM_WORKSPACE
        if quiet:
            await quieting.hold(self._deps, self._manifest, name, self._save)
        async with self._archive.view(name) as view:
            if quiet:
                await quieting.let_go(self._deps, self._manifest)
            if known is None or not all(_is_done(known, part) for part in PARTS[: -len(LOGS)]):
                known = self._begin(name, view, quiet=quiet)
            return await self._all(known, view)

    def _begin(self, name: str, view: ArchiveView, *, quiet: bool) -> WorkspaceCopy:
        copy = WorkspaceCopy(
            name=name,
            taken_at=self._deps.clock.now_text(),
            moment=view.moment,
            ends=dict(view.ends),
            audit_head=view.audit_head,
            quiesced=quiet,
        )
        others = [one for one in self._manifest.workspaces if one.name != name]
        self._manifest.workspaces = [*others, copy]
        return copy

    async def _all(self, copy: WorkspaceCopy, view: ArchiveView) -> WorkspaceCopy:
        for name in PARTS:
            part = copy.parts.setdefault(name, Part())
            if not part.done:
                if name in LOGS:
                    await self._earlier.reuse(copy, name, view)
                await self._part(copy, name, part, view)
                part.done = True
        await self._save()
        return copy

    async def _part(self, copy: WorkspaceCopy, name: str, part: Part, view: ArchiveView) -> None:
        gathered = Gathered()
        after, end = part.last, copy.ends.get(name)
        while rows := await view.rows(name, after, PAGE):
            after = rows[-1].key
            gathered.add([row for row in rows if end is None or int(row.key) <= end])
            if gathered.full:
                await self._keep(copy, name, part, gathered.taken(), after)
        if gathered.rows:
            await self._keep(copy, name, part, gathered.taken(), after)

    async def _objects(self, copy: WorkspaceCopy) -> None:
        part = copy.parts.setdefault(BLOBS, Part())
        if part.done:
            return
        gathered, seen, before = Gathered(), 0, int(part.last or 0)
        async for number, row in object_rows(self._deps, self._place, copy, before):
            seen = number
            gathered.add([row])
            if gathered.full:
                await self._keep(copy, BLOBS, part, gathered.taken(), str(seen))
        if gathered.rows:
            await self._keep(copy, BLOBS, part, gathered.taken(), str(seen))
        part.done = True

    async def _keep(
        self, copy: WorkspaceCopy, name: str, part: Part, rows: list[ArchiveRow], last: str
    ) -> None:
        part.chunks.append(await chunks.keep_chunk(self._place, rows, last))
        self._told(copy.name, name, len(rows))
        now_s = self._deps.clock.monotonic_s()
        lasts = bool(copy.moment) or name in (BLOBS, *LOGS)
        over = lasts and self._until is not None and now_s >= self._until
        if over or now_s - self._saved_at >= SAVED_EVERY_S:
            await self._save()
        if over:
            raise _OutOfTimeError

    async def _save(self) -> None:
        await self._shelf.save(self._begun)
        self._saved_at = self._deps.clock.monotonic_s()

    async def _digest(self, copy: WorkspaceCopy) -> str | None:
        """Notes the version of the knowledge; returns the index's digest where it is at that."""
        for chunk in copy.parts[KNOWLEDGE_HEADS.name].chunks:
            for row in await chunks.read_chunk(self._place, chunk):
                copy.knowledge_version = int(from_json(row.doc)["version"])
        if not copy.knowledge_version:
            return None
        if await knowledge.catch_up(self._deps, copy.name) != copy.knowledge_version:
            return None
        digest = await self._deps.index.digest(copy.name)
        same = await self._deps.index.version(copy.name) == copy.knowledge_version
        return digest if same else None

    @property
    def _place(self) -> Blobs:
        return self._shelf.place


class Gathered:
    """Rows that wait to be a chunk."""

    def __init__(self) -> None:
        self.rows: list[ArchiveRow] = []
        self._size = 0

    def add(self, rows: Sequence[ArchiveRow]) -> None:
        """Adds rows."""
        self.rows += rows
        self._size += sum(len(row.doc) for row in rows)

    @property
    def full(self) -> bool:
        """Whether these are enough for a chunk."""
        return len(self.rows) >= chunks.ROWS or self._size >= chunks.SIZE_BYTES

    def taken(self) -> list[ArchiveRow]:
        """Returns the rows, and begins anew."""
        rows, self.rows, self._size = self.rows, [], 0
        return rows


def archive_of(deps: Deps) -> Archive:
    """Returns the archive of the store.

    Raises:
        Unavailable: there is none here.
    """
    if deps.archive is None:
        raise Unavailable("this process has no way to read whole workspaces")
    return deps.archive


def _is_done(copy: WorkspaceCopy, part: str) -> bool:
    return part in copy.parts and copy.parts[part].done
