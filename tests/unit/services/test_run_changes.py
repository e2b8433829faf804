"""All changes of a run can be read, also where its record has room for the first ones only."""

import pytest

from shared.adapters.blobs_folder import FolderBlobs
from shared.domain.learning.runs import RUNS
from shared.errors import InvalidInput, NotFound
from shared.messages.base import PageParams
from shared.services import access, run_changes, training
from shared.services.backup import restoring, taking, verifying
from shared.services.backup.taking import Wish
from tests.support.learning import ADMIN, evidence, run
from tests.support.system import WORKSPACE, play

PATTERNS = 130


async def learned(system, *, dry_run=False):
    for number in range(PATTERNS):
        await evidence(system, 12, pattern=f"p{number:03}", model="medium")
    return await run(system, dry_run=dry_run)


async def listed(system, run_id, limit):
    """Returns the pages of a run's changes."""
    pages, cursor = [], None
    while True:
        params = PageParams(limit=limit, cursor=cursor)
        page = await run_changes.list_changes(system.deps, ADMIN, run_id, params)
        assert page.total == PATTERNS
        pages.append(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return pages


@pytest.mark.parametrize("dry_run", [True, False])
def test_every_change_is_listed_with_its_reason_in_pages(tmp_path, monkeypatch, dry_run):
    monkeypatch.setattr(run_changes, "PART", 40)

    async def scenario(system):
        done = await learned(system, dry_run=dry_run)
        assert (len(done.changes_preview), done.changes_total) == (PATTERNS, PATTERNS)
        again = await training.view_run(system.deps, ADMIN, done.run_id)
        assert again.changes_preview == done.changes_preview[: run_changes.KEPT]
        for limit in (7, 40, 65, 500):
            pages = await listed(system, done.run_id, limit)
            assert [one for page in pages for one in page] == done.changes_preview
            assert {len(page) for page in pages[:-1]} <= {limit}
        assert all(one["why"] and one["evidence"] for one in done.changes_preview)
        assert len(await system.deps.blobs.list(f"learning/{WORKSPACE}/runs/")) == 4

    play(tmp_path, scenario)


def test_the_changes_that_a_record_has_room_for_are_kept_nowhere_else(tmp_path):
    async def scenario(system):
        await evidence(system, 40, model="medium")
        done = await run(system)
        page = await run_changes.list_changes(system.deps, ADMIN, done.run_id, PageParams())
        assert (page.items, page.total, page.next_cursor) == (done.changes_preview, 1, None)
        assert await system.deps.blobs.list(f"learning/{WORKSPACE}/runs/") == []
        nothing = await run(system)
        page = await run_changes.list_changes(system.deps, ADMIN, nothing.run_id, PageParams())
        assert (page.items, page.total) == ([], 0)

    play(tmp_path, scenario)


@pytest.mark.parametrize("cursor", ["130", "-1", "x", "1e1", "\u0661", "9" * 30])
def test_a_cursor_of_another_list_is_refused(tmp_path, cursor):
    async def scenario(system):
        done = await learned(system)
        with pytest.raises(InvalidInput, match="cursor of this list"):
            await run_changes.list_changes(
                system.deps, ADMIN, done.run_id, PageParams(cursor=cursor)
            )
        with pytest.raises(NotFound):
            await run_changes.list_changes(system.deps, ADMIN, "run_x", PageParams())

    play(tmp_path, scenario)


def test_a_run_that_is_told_anew_writes_over_nothing(tmp_path):
    async def scenario(system):
        made = [{"why": str(number)} for number in range(PATTERNS)]
        first = await run_changes.keep_changes(system.deps, WORKSPACE, "run_1", made)
        assert await run_changes.keep_changes(system.deps, WORKSPACE, "run_1", made) == first
        other = await run_changes.keep_changes(system.deps, WORKSPACE, "run_1", made[1:])
        assert other != first
        assert len(await system.deps.blobs.list("learning/")) == 2

    play(tmp_path, scenario)


def test_a_backup_brings_the_changes_along(tmp_path):
    place = FolderBlobs(tmp_path / "place")
    found = {}

    async def taken(system):
        found["run"] = await learned(system)
        await access.create_workspace(system.deps, WORKSPACE)
        found["backup"] = await taking.take(system.deps, place, Wish(workspaces=(WORKSPACE,)))

    async def restored(system):
        await restoring.restore(system.deps, place, found["backup"])
        [pages] = await listed(system, found["run"].run_id, 500)
        assert pages == found["run"].changes_preview
        assert (await system.store.get(WORKSPACE, RUNS, found["run"].run_id)).changes_key
        findings = await verifying.verify_here(system.deps, place, found["backup"])
        assert all(one.ok for one in findings), findings

    play(tmp_path / "here", taken)
    play(tmp_path / "there", restored)


def test_a_page_of_runs_that_tell_very_much_ends_early_and_goes_on(tmp_path, monkeypatch):
    async def scenario(system):
        ids = [(await learned(system, dry_run=True)).run_id]
        for _ in range(3):
            system.clock.advance(60)
            ids.append((await run(system, dry_run=True)).run_id)
        for most, sizes in ((2 * run_changes.KEPT, [2, 2]), (1, [1, 1, 1, 1]), (10**6, [4])):
            monkeypatch.setattr(training, "MOST_TOLD", most)
            seen, found, cursor = [], [], None
            while not seen or cursor is not None:
                params = PageParams(limit=500, cursor=cursor)
                page = await training.list_runs(system.deps, ADMIN, params)
                seen += [one.run_id for one in page.items]
                found.append(len(page.items))
                cursor = page.next_cursor
            assert (seen, found) == (ids[::-1], sizes)

    play(tmp_path, scenario)
