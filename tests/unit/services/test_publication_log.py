"""The log of publications: versions without gaps, and a head that is not written for each."""

import asyncio

from shared.domain.entries import ENTRIES
from shared.domain.knowledge.publication import (
    KNOWLEDGE_HEADS,
    PUBLICATIONS,
    QUEUED,
    SHOWN,
    QueuedPublication,
)
from shared.domain.records import Order
from shared.services import publication_log
from tests.support.entries import submit
from tests.support.system import WORKSPACE, play


async def approved(system, number):
    """Stores an entry whose first revision is to be shown."""
    entry_id = await submit(system, number)
    entry = await system.store.get(WORKSPACE, ENTRIES, entry_id)
    await put(system, ENTRIES, entry.model_copy(update={"published_revision": 1}))
    return entry_id


async def put(system, collection, *records):
    async def work(tx):
        for one in records:
            tx.put(collection, one)

    await system.store.transact(WORKSPACE, work)


async def queue(system, *ids, revision=1):
    now = system.clock.now_text()
    waiting = [QueuedPublication(id=one, revision=revision, queued_at=now) for one in ids]
    await put(system, QUEUED, *waiting)


async def versions(system):
    page = await system.store.find(WORKSPACE, PUBLICATIONS, order=Order("version"), limit=500)
    return [(one.version, one.operation, one.entry_id) for one in page.items]


async def head(system):
    return await system.store.get(WORKSPACE, KNOWLEDGE_HEADS, "head")


def test_all_that_wait_get_their_versions_with_one_move_of_the_head(tmp_path, monkeypatch):
    async def scenario(system):
        ids = [await approved(system, number) for number in range(12)]
        await queue(system, *ids)
        commits = []
        transact = system.store.transact

        async def counted(workspace, work):
            commits.append(workspace)
            return await transact(workspace, work)

        monkeypatch.setattr(system.store, "transact", counted)
        await publication_log.number_queued(system.deps, WORKSPACE)
        assert len(commits) == 1
        rows = await versions(system)
        assert [version for version, *_ in rows] == list(range(1, 13))
        assert {entry_id for *_, entry_id in rows} == set(ids)
        assert (await head(system)).version == 12
        assert await system.store.count(WORKSPACE, QUEUED, at_most=9) == 0
        audits = (await system.store.audit_page(WORKSPACE, action="knowledge.published")).items
        assert sorted(one.data["version"] for one in audits) == list(range(1, 13))

    play(tmp_path, scenario)


def test_more_than_fit_into_one_transaction_get_theirs_in_several(tmp_path, monkeypatch):
    monkeypatch.setattr(publication_log, "BATCH", 5)

    async def scenario(system):
        ids = [await approved(system, number) for number in range(12)]
        await queue(system, *ids)
        await publication_log.number_queued(system.deps, WORKSPACE)
        assert [version for version, *_ in await versions(system)] == list(range(1, 13))

    play(tmp_path, scenario)


def test_those_who_number_at_once_give_each_version_once(tmp_path):
    async def scenario(system):
        ids = [await approved(system, number) for number in range(20)]
        done = await asyncio.gather(
            *(publication_log.log_publication(system.deps, WORKSPACE, one, 1) for one in ids)
        )
        assert all(done)
        assert [version for version, *_ in await versions(system)] == list(range(1, 21))

    play(tmp_path, scenario)


def test_what_no_longer_stands_leaves_the_queue_without_a_version(tmp_path):
    async def scenario(system):
        entry_id = await approved(system, 0)
        await queue(system, entry_id, "ent_gone", revision=7)
        await publication_log.number_queued(system.deps, WORKSPACE)
        assert await versions(system) == []
        assert await head(system) is None
        assert await system.store.count(WORKSPACE, QUEUED, at_most=9) == 0

    play(tmp_path, scenario)


def test_what_is_shown_already_gets_no_second_version(tmp_path):
    async def scenario(system):
        entry_id = await approved(system, 0)
        assert await publication_log.log_publication(system.deps, WORKSPACE, entry_id, 1)
        await queue(system, entry_id)
        await publication_log.number_queued(system.deps, WORKSPACE)
        assert await versions(system) == [(1, "add", entry_id)]
        shown = await system.store.get(WORKSPACE, SHOWN, entry_id)
        assert (shown.revision, shown.version) == (1, 1)

    play(tmp_path, scenario)


def test_the_head_waits_until_its_pace_allows_another_move(tmp_path, monkeypatch):
    waited = []

    async def scenario(system):
        first, second = await approved(system, 0), await approved(system, 1)
        object.__setattr__(system.deps.options, "numbering_pace_s", 1.0)

        async def sleep(seconds):
            waited.append(seconds)
            system.clock.advance(seconds)

        monkeypatch.setattr(publication_log.asyncio, "sleep", sleep)
        assert await publication_log.log_publication(system.deps, WORKSPACE, first, 1)
        assert waited == []
        system.clock.advance(0.25)
        assert await publication_log.log_publication(system.deps, WORKSPACE, second, 1)
        assert waited == [0.75]
        assert (await head(system)).version == 2

    play(tmp_path, scenario)
