"""Publishing: the entry as it stands, whatever order its events come in."""

import asyncio
import json

import pytest

from functions.publish.main import app as publish_app
from shared.domain.entries import DECISIONS, revision_id
from shared.domain.knowledge.publication import KNOWLEDGE_HEADS, PUBLICATIONS, blob_key
from shared.domain.records import Order
from shared.errors import CorruptData, NotFound, Unavailable
from shared.messages.reviewing import Approve, Reject, Retract
from shared.services import knowledge, publication_log, publishing, reviewing
from tests.support.entries import revise, submit, words
from tests.support.system import WORKSPACE, caller, play

ADA = caller("ada", role="reviewer")


async def approve(system, entry_id):
    await reviewing.decide(system.deps, ADA, entry_id, Approve(), None, verdict="approve", notes="")


async def retract(system, entry_id):
    await reviewing.retract(system.deps, ADA, entry_id, Retract(reason="old"), None)


async def publications(system):
    page = await system.store.find(WORKSPACE, PUBLICATIONS, order=Order("version"))
    return [(one.version, one.operation, one.entry_id, one.revision) for one in page.items]


async def found(system, text):
    result = await system.index.search(WORKSPACE, text, limit=10)
    return [(hit.entry_id, hit.revision) for hit in result.hits]


def test_an_approved_entry_becomes_an_object_a_version_and_searchable(tmp_path):
    async def scenario(system):
        system.attach(publish_app)
        entry_id = await submit(system, tags=["a", "b"], metadata={"z": 1, "a": "ü"})
        await system.drain()
        assert await found(system, "word0x0") == []
        await approve(system, entry_id)
        await system.drain()
        blob = await system.deps.blobs.get(f"workspaces/default/knowledge/{entry_id}/1.json")
        content = json.loads(blob.data)
        assert (content["content"], content["reviewers"]) == (words(0), ["ada"])
        assert json.dumps(content, separators=(",", ":"), sort_keys=True).encode() == blob.data
        assert await publications(system) == [(1, "add", entry_id, 1)]
        assert await found(system, "word0x0") == [(entry_id, 1)]
        assert (await system.store.get(WORKSPACE, KNOWLEDGE_HEADS, "head")).version == 1
        (audit,) = (await system.store.audit_page(WORKSPACE, actor="system:publish")).items
        assert (audit.action, audit.subject) == ("knowledge.published", entry_id)
        assert audit.data == {"version": 1, "revision": 1}

    play(tmp_path, scenario)


def test_a_retracted_entry_leaves_search_and_keeps_its_object(tmp_path):
    async def scenario(system):
        system.attach(publish_app)
        entry_id = await submit(system)
        await approve(system, entry_id)
        await system.drain()
        await retract(system, entry_id)
        await system.drain()
        assert await found(system, "word0x0") == []
        assert await publications(system) == [(1, "add", entry_id, 1), (2, "remove", entry_id, 1)]
        assert await system.deps.blobs.get(blob_key(WORKSPACE, entry_id, 1))
        (audit, _) = (await system.store.audit_page(WORKSPACE, actor="system:publish")).items
        assert audit.action == "knowledge.removed"

    play(tmp_path, scenario)


def test_a_new_revision_takes_the_old_ones_place(tmp_path):
    async def scenario(system):
        system.attach(publish_app)
        entry_id = await submit(system)
        await approve(system, entry_id)
        await system.drain()
        await revise(system, entry_id, 1)
        await system.drain()
        assert await found(system, "word0x0") == [(entry_id, 1)]
        await approve(system, entry_id)
        await system.drain()
        assert await found(system, "word0x0") == []
        assert await found(system, "word1x0") == [(entry_id, 2)]

    play(tmp_path, scenario)


def test_an_approval_delivered_after_the_retraction_publishes_nothing(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        await retract(system, entry_id)
        events = [event for event in await system.drain() if event.type != "entry.submitted"]
        for event in reversed(events):
            await publishing.publish(system.deps, event)
        assert await found(system, "word0x0") == []
        assert await publications(system) == []

    play(tmp_path, scenario)


def test_events_that_come_again_or_at_once_publish_once(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        event = (await system.drain())[-1]
        await asyncio.gather(*(publishing.publish(system.deps, event) for _ in range(8)))
        await publishing.publish(system.deps, event.model_copy(update={"event_id": "evt_other"}))
        assert await publications(system) == [(1, "add", entry_id, 1)]
        assert len((await system.store.audit_page(WORKSPACE, actor="system:publish")).items) == 1

    play(tmp_path, scenario)


def test_many_entries_at_once_get_versions_without_gaps(tmp_path):
    async def scenario(system):
        ids = [await submit(system, number) for number in range(30)]
        for entry_id in ids:
            await approve(system, entry_id)
        await asyncio.gather(
            *(publishing.publish_entry(system.deps, WORKSPACE, entry_id) for entry_id in ids)
        )
        rows = await publications(system)
        assert [version for version, *_ in rows] == list(range(1, 31))
        assert {entry_id for _, _, entry_id, _ in rows} == set(ids)
        assert await system.index.version(WORKSPACE) == 30
        assert (await knowledge.verify(system.deps, WORKSPACE)).ok

    play(tmp_path, scenario)


def test_an_event_waits_while_publishing_is_stopped(tmp_path):
    async def scenario(system):
        system.attach(publish_app)
        entry_id = await submit(system)
        await approve(system, entry_id)
        await system.change_settings(publishing_stopped=True)
        await system.drain()
        assert await publications(system) == []
        await system.change_settings(publishing_stopped=False)
        system.clock.advance(1)
        assert await system.bus.retry_due() == 1
        assert await publications(system) == [(1, "add", entry_id, 1)]
        assert await found(system, "word0x0") == [(entry_id, 1)]

    play(tmp_path, scenario)


def test_a_retracted_entry_leaves_search_although_publishing_is_stopped(tmp_path):
    async def scenario(system):
        system.attach(publish_app)
        entry_id = await submit(system)
        await approve(system, entry_id)
        await system.drain()
        await system.change_settings(publishing_stopped=True)
        await retract(system, entry_id)
        await system.drain()
        assert await found(system, "word0x0") == []

    play(tmp_path, scenario)


def test_what_a_crash_before_the_log_left_is_taken_up(tmp_path):
    """The object is there, the publication is not: as after a crash between the two."""

    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        await publishing._write_object(system.deps, WORKSPACE, entry_id, 1)
        await publishing.publish_entry(system.deps, WORKSPACE, entry_id)
        assert await publications(system) == [(1, "add", entry_id, 1)]

    play(tmp_path, scenario)


def test_what_a_crash_before_the_index_left_is_taken_up(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        await publishing._write_object(system.deps, WORKSPACE, entry_id, 1)
        assert await publication_log.log_publication(system.deps, WORKSPACE, entry_id, 1)
        assert await found(system, "word0x0") == []
        assert await publishing.publish_entry(system.deps, WORKSPACE, entry_id) == 1
        assert await found(system, "word0x0") == [(entry_id, 1)]

    play(tmp_path, scenario)


def test_an_entry_that_changes_before_the_log_is_written_is_read_again(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        assert not await publication_log.log_publication(system.deps, WORKSPACE, entry_id, None)
        assert await publications(system) == []

    play(tmp_path, scenario)


def retract_while_the_object_is_written(system, entry_id, monkeypatch):
    put = system.deps.blobs.put

    async def slow_put(*args, **options):
        monkeypatch.setattr(system.deps.blobs, "put", put)
        await retract(system, entry_id)
        return await put(*args, **options)

    monkeypatch.setattr(system.deps.blobs, "put", slow_put)


def test_an_entry_retracted_while_its_object_is_written_stays_out(tmp_path, monkeypatch):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        retract_while_the_object_is_written(system, entry_id, monkeypatch)
        await publishing.publish_entry(system.deps, WORKSPACE, entry_id)
        assert await publications(system) == []
        assert await found(system, "word0x0") == []

    play(tmp_path, scenario)


def test_an_entry_that_never_rests_is_tried_again_later(tmp_path, monkeypatch):
    monkeypatch.setattr(publishing, "_TRIES", 1)

    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        retract_while_the_object_is_written(system, entry_id, monkeypatch)
        with pytest.raises(Unavailable, match="keeps changing"):
            await publishing.publish_entry(system.deps, WORKSPACE, entry_id)

    play(tmp_path, scenario)


def test_a_published_revision_without_its_decision_is_reported(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)

        async def lose(tx):
            tx.delete(DECISIONS, revision_id(entry_id, 1))

        await system.store.transact(WORKSPACE, lose)
        with pytest.raises(CorruptData, match="without its record"):
            await publishing.publish_entry(system.deps, WORKSPACE, entry_id)

    play(tmp_path, scenario)


def test_another_content_under_the_objects_name_is_reported(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        await system.deps.blobs.put(blob_key(WORKSPACE, entry_id, 1), b"{}")
        with pytest.raises(CorruptData):
            await publishing.publish_entry(system.deps, WORKSPACE, entry_id)
        assert await publications(system) == []

    play(tmp_path, scenario)


def test_a_rejected_entry_is_not_published(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await reviewing.decide(
            system.deps, ADA, entry_id, Reject(reason="no"), None, verdict="reject", notes="no"
        )
        assert await publishing.publish_entry(system.deps, WORKSPACE, entry_id) == 0
        assert await publications(system) == []

    play(tmp_path, scenario)


def test_unknown_entries_and_read_only_workspaces_are_refused(tmp_path):
    async def scenario(system):
        with pytest.raises(NotFound):
            await publishing.publish_entry(system.deps, WORKSPACE, "ent_none")
        await system.change_settings(read_only=True)
        with pytest.raises(Unavailable):
            await publishing.publish_entry(system.deps, WORKSPACE, "ent_none")

    play(tmp_path, scenario)


def test_the_function_takes_events_from_the_system_only(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        event = (await system.drain())[-1].model_dump()
        own = await system.client(publish_app, role="system", subject="bus")
        other = await system.client(publish_app, role="admin")
        assert (await other.post("/events/publish", json=event)).status_code == 403
        assert (await own.post("/events/publish", json=event)).status_code == 200
        assert await found(system, "word0x0") == [(entry_id, 1)]

    play(tmp_path, scenario)
