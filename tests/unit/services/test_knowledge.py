"""The index as a fold: caught up, rebuilt, verified."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.knowledge.publication import blob_key, object_bytes
from shared.errors import CorruptData, NotFound
from shared.messages.reviewing import Approve, Retract
from shared.ports import IndexChange, IndexDocument
from shared.services import knowledge, publishing, reviewing
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
