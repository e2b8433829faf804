"""The index as a fold: caught up, rebuilt, verified, saved for instances whose disk is empty."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.index_blobs import StoredIndex
from shared.adapters.index_sqlite import SqliteKnowledgeIndex
from shared.domain.knowledge.publication import blob_key, object_bytes
from shared.errors import CorruptData, NotFound, Unavailable
from shared.messages.reviewing import Approve, Retract
from shared.messages.serving_reading import SearchRequest
from shared.ports import IndexChange, IndexDocument
from shared.services import knowledge, publishing, reviewing
from shared.services.serving.searching import search
from tests.support.entries import revise, submit
from tests.support.system import WORKSPACE, System, caller, play

ADA = caller("ada", role="reviewer")


async def approve(system, entry_id):
    await reviewing.decide(system.deps, ADA, entry_id, Approve(), None, verdict="approve", notes="")
    await publishing.publish_entry(system.deps, WORKSPACE, entry_id)


async def retract(system, entry_id):
    await reviewing.retract(system.deps, ADA, entry_id, Retract(reason="old"), None)
    await publishing.publish_entry(system.deps, WORKSPACE, entry_id)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=15))
def test_a_rebuilt_index_equals_the_live_one(tmp_path_factory, steps):
    async def scenario(system):
        ids = [await submit(system, number) for number in range(5)]
        texts = iter(range(5, 100))
        published = set()
        for at, add in steps:
            entry_id = ids[at]
            if add and entry_id in published:
                await revise(system, entry_id, next(texts))
            if add:
                await approve(system, entry_id)
                published.add(entry_id)
            elif entry_id in published:
                await retract(system, entry_id)
                published.remove(entry_id)
                ids[at] = await submit(system, next(texts))
        result = await knowledge.verify(system.deps, WORKSPACE)
        assert result.ok
        before = await system.index.digest(WORKSPACE)
        assert await knowledge.rebuild(system.deps, WORKSPACE) == result.version
        assert await system.index.digest(WORKSPACE) == before == result.rebuilt_digest

    play(tmp_path_factory.mktemp("fold"), scenario)


def test_a_fold_over_more_than_a_page_reaches_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(knowledge, "PAGE", 3)

    async def scenario(system):
        ids = [await submit(system, number) for number in range(8)]
        for entry_id in ids:
            await approve(system, entry_id)
        await retract(system, ids[0])
        live = await system.index.digest(WORKSPACE)
        assert await knowledge.rebuild(system.deps, WORKSPACE) == 9
        assert await system.index.digest(WORKSPACE) == live
        assert (await knowledge.verify(system.deps, WORKSPACE)).ok

    play(tmp_path, scenario)


def test_an_index_that_was_tampered_with_is_found_and_rebuilt(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        document = IndexDocument(entry_id, 1, "billing", "something else", ())
        await system.index.apply(WORKSPACE, [IndexChange(2, entry_id, document)])
        await approve(system, await submit(system, 1))
        found = await knowledge.verify(system.deps, WORKSPACE)
        assert not found.ok
        assert found.live_digest != found.rebuilt_digest
        await knowledge.rebuild(system.deps, WORKSPACE)
        assert (await knowledge.verify(system.deps, WORKSPACE)).ok

    play(tmp_path, scenario)


def test_another_process_catches_up_with_what_was_published(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        await system.index.drop(WORKSPACE)
        async with System(tmp_path, seed=1) as other:
            assert await other.index.version(WORKSPACE) == 0
            assert await knowledge.catch_up(other.deps, WORKSPACE) == 1
            result = await other.index.search(WORKSPACE, "word0x0", limit=1)
            assert [hit.entry_id for hit in result.hits] == [entry_id]

    play(tmp_path, scenario)


def test_workspaces_have_knowledge_of_their_own(tmp_path):
    async def scenario(system):
        await approve(system, await submit(system))
        assert await knowledge.catch_up(system.deps, "other") == 0
        assert (await system.index.search("other", "word0x0", limit=5)).hits == ()

    play(tmp_path, scenario)


def test_a_published_revision_is_read_from_its_object(tmp_path):
    async def scenario(system):
        entry_id = await submit(system, tags=["x"])
        await approve(system, entry_id)
        document = await knowledge.read_published(system.deps, WORKSPACE, entry_id, 1)
        assert (document.entry_id, document.revision, document.tags) == (entry_id, 1, ["x"])
        with pytest.raises(NotFound):
            await knowledge.read_published(system.deps, WORKSPACE, entry_id, 2)
        moved = blob_key(WORKSPACE, entry_id, 2)
        await system.deps.blobs.put(moved, object_bytes(document))
        with pytest.raises(CorruptData):
            await knowledge.read_published(system.deps, WORKSPACE, entry_id, 2)

    play(tmp_path, scenario)


# --- instances whose disk is empty ----------------------------------------------------------------


def instance(system, name, **how):
    """Returns the deps of a new instance with an empty disk, over the same store and blobs."""
    local = SqliteKnowledgeIndex(system.root / "disks" / name)
    index = StoredIndex(local, system.deps.blobs, **{"least_changes": 4, "share": 0.0, **how})
    return replace(system.deps, index=index, caught_up_at={}, catching_up={})


async def publish_many(system, deps, first, last):
    ids = []
    for number in range(first, last + 1):
        ids.append(await submit(system, number))
        await reviewing.decide(deps, ADA, ids[-1], Approve(), None, verdict="approve", notes="")
        await publishing.publish_entry(deps, WORKSPACE, ids[-1])
    return ids


class Counting:
    """Blobs that count the objects of revisions that are read."""

    def __init__(self, real):
        self._real, self.revisions = real, 0

    def __getattr__(self, name):
        return getattr(self._real, name)

    async def get(self, key):
        self.revisions += key.startswith("workspaces/")
        return await self._real.get(key)


def test_publishing_saves_an_index_from_which_a_new_instance_starts(tmp_path):
    async def scenario(system):
        publisher = instance(system, "publisher")
        ids = await publish_many(system, publisher, 1, 10)
        blobs = Counting(system.deps.blobs)
        fresh = replace(instance(system, "fresh"), blobs=blobs)
        assert await knowledge.catch_up(fresh, WORKSPACE) == 10
        assert blobs.revisions == 2, "only what was published since the file was saved"
        assert await fresh.index.digest(WORKSPACE) == await publisher.index.digest(WORKSPACE)
        assert (await knowledge.verify(fresh, WORKSPACE)).ok
        who = caller("key:a", scopes=("serve",))
        answer = await search(fresh, who, SearchRequest(text="word10x1"))
        assert [one.entry_id for one in answer.items] == [ids[9]]
        for deps in (publisher, fresh):
            await deps.index.close()

    play(tmp_path, scenario)


def test_an_instance_far_behind_takes_the_saved_file_instead_of_each_publication(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(knowledge, "PAGE", 5)

    async def scenario(system):
        publisher = instance(system, "publisher")
        await publish_many(system, publisher, 1, 4)
        blobs = Counting(system.deps.blobs)
        lagging = replace(instance(system, "lagging"), blobs=blobs)
        assert await knowledge.catch_up(lagging, WORKSPACE) == 4
        await publish_many(system, publisher, 5, 21)
        blobs.revisions = 0
        assert await knowledge.catch_up(lagging, WORKSPACE) == 21
        assert blobs.revisions == 1
        assert await lagging.index.digest(WORKSPACE) == await publisher.index.digest(WORKSPACE)
        for deps in (publisher, lagging):
            await deps.index.close()

    play(tmp_path, scenario)


def test_two_publishers_without_a_disk_end_with_the_same_knowledge(tmp_path):
    async def scenario(system):
        one, two = instance(system, "one"), instance(system, "two")
        ids = [await submit(system, number) for number in range(12)]
        for entry_id in ids:
            await reviewing.decide(one, ADA, entry_id, Approve(), None, verdict="approve", notes="")
        await asyncio.gather(
            *(
                publishing.publish_entry(deps, WORKSPACE, entry_id)
                for deps, mine in ((one, ids[:6]), (two, ids[6:]))
                for entry_id in mine
            )
        )
        fresh = instance(system, "fresh")
        digests = set()
        for deps in (one, two, fresh):
            assert await knowledge.catch_up(deps, WORKSPACE) == 12
            digests.add(await deps.index.digest(WORKSPACE))
            await deps.index.close()
        assert len(digests) == 1

    play(tmp_path, scenario)


def test_a_dropped_index_is_never_left_with_a_gap(tmp_path, monkeypatch):
    monkeypatch.setattr(knowledge, "PAGE", 2)

    async def scenario(system):
        ids = [await submit(system, number) for number in range(6)]
        for entry_id in ids:
            await approve(system, entry_id)
        live = await system.index.digest(WORKSPACE)
        await system.index.drop(WORKSPACE)
        plain, drops = system.index.apply, [2, 4]

        async def dropped_meanwhile(workspace, changes, *, after=None):
            if drops and after == drops[0]:
                del drops[0]
                await system.index.drop(workspace)
            await plain(workspace, changes, after=after)

        system.index.apply = dropped_meanwhile
        assert await knowledge.catch_up(system.deps, WORKSPACE) == 6
        assert await system.index.digest(WORKSPACE) == live

    play(tmp_path, scenario)


def test_an_index_that_keeps_being_dropped_is_unavailable(tmp_path):
    async def scenario(system):
        await approve(system, await submit(system))

        class Dropped:
            def __getattr__(self, name):
                return getattr(system.index, name)

            async def version(self, workspace):
                return 0

            async def apply(self, workspace, changes, *, after=None):
                await system.index.apply(workspace, changes, after=after + 10)

        deps = replace(system.deps, index=Dropped())
        with pytest.raises(Unavailable, match="keeps changing"):
            await knowledge.catch_up(deps, WORKSPACE)

    play(tmp_path, scenario)


@pytest.mark.parametrize("error", [Unavailable("no network"), CorruptData("no sense")])
def test_an_index_that_cannot_be_saved_fails_no_publication(tmp_path, caplog, error):
    async def scenario(system):
        deps = instance(system, "one", least_changes=1)

        async def fails(workspace):
            raise error

        plain, deps.index.save = deps.index.save, fails
        await publish_many(system, deps, 1, 2)
        assert caplog.messages.count("knowledge.index_not_saved") == 2
        deps.index.save = plain
        await publish_many(system, deps, 3, 3)
        fresh = instance(system, "fresh")
        assert await fresh.index.version(WORKSPACE) == 3, "the next publication saves it"
        for one in (deps, fresh):
            await one.index.close()

    play(tmp_path, scenario)


def test_the_first_searches_of_an_instance_all_wait_for_what_is_published(tmp_path):
    async def scenario(system):
        publisher = instance(system, "publisher")
        [entry_id] = await publish_many(system, publisher, 1, 1)
        fresh, who = instance(system, "fresh"), caller("key:a", scopes=("serve",))
        answers = await asyncio.gather(
            *(search(fresh, who, SearchRequest(text="word1x1")) for _ in range(8))
        )
        assert [[one.entry_id for one in answer.items] for answer in answers] == [[entry_id]] * 8
        assert fresh.catching_up == {}
        for deps in (publisher, fresh):
            await deps.index.close()

    play(tmp_path, scenario)


def test_a_rebuild_takes_the_place_of_what_was_saved(tmp_path):
    async def scenario(system):
        publisher = instance(system, "publisher")
        await publish_many(system, publisher, 1, 4)
        stray = IndexDocument("ent_stray", 1, "billing", "stray", ())
        await publisher.index.apply(WORKSPACE, [IndexChange(5, "ent_stray", stray)])
        await publish_many(system, publisher, 5, 8)
        assert not (await knowledge.verify(publisher, WORKSPACE)).ok
        fresh = instance(system, "fresh")
        assert not (await knowledge.verify(fresh, WORKSPACE)).ok, "it starts from a bad file"
        assert await knowledge.rebuild(fresh, WORKSPACE) == 8
        newest = instance(system, "newest")
        assert await newest.index.version(WORKSPACE) == 8
        assert (await knowledge.verify(newest, WORKSPACE)).ok
        for deps in (publisher, fresh, newest):
            await deps.index.close()

    play(tmp_path, scenario)
