"""Embeddings of what is published: beside the revision, by model, and never in the way."""

import asyncio
import logging
from dataclasses import replace

import pytest

from shared.domain.knowledge.publication import (
    KNOWLEDGE_HEADS,
    PUBLICATIONS,
    bytes_of_vector,
    vector_key,
    vector_of_bytes,
)
from shared.domain.records import Order
from shared.errors import InvalidInput, NotFound, Paused, Unavailable
from shared.messages.reviewing import Approve, Retract
from shared.messages.serving_reading import SearchRequest
from shared.services import auditing, embedding, knowledge, publishing, reviewing
from shared.services.serving.searching import search
from tests.fakes.word_embedder import WordEmbedder
from tests.support.entries import revise, submit
from tests.support.system import WORKSPACE, System, caller, play

ADA = caller("ada", role="reviewer")
WHO = caller("key:a", scopes=("serve",))


def with_embedder(system, **how):
    """Gives the system an embedder and returns it."""
    made = WordEmbedder(synonyms={"automobile": "car", "vehicle": "car"}, **how)
    system.deps = replace(system.deps, embedder=made)
    return made


async def publish(system, number=0, **fields):
    entry_id = await submit(system, number, **fields)
    await approve(system, entry_id)
    return entry_id


async def approve(system, entry_id):
    await reviewing.decide(system.deps, ADA, entry_id, Approve(), None, verdict="approve", notes="")
    await publishing.publish_entry(system.deps, WORKSPACE, entry_id)


async def retract(system, entry_id):
    await reviewing.retract(system.deps, ADA, entry_id, Retract(reason="old"), None)
    await publishing.publish_entry(system.deps, WORKSPACE, entry_id)


async def ask(system, text, **more):
    return await search(system.deps, WHO, SearchRequest(text=text, **more))


async def vector(system, entry_id, revision=1, model="words-64"):
    key = vector_key(WORKSPACE, entry_id, revision, model)
    return vector_of_bytes((await system.deps.blobs.get(key)).data)


async def publications(system):
    page = await system.store.find(WORKSPACE, PUBLICATIONS, order=Order("version"))
    return [(one.operation, one.entry_id, one.revision) for one in page.items]


# --- publishing -----------------------------------------------------------------------------------


def test_a_published_revision_has_its_embedding_beside_it(tmp_path):
    async def scenario(system):
        made = with_embedder(system)
        entry_id = await publish(system, content="the automobile stalls", topic="repair")
        expected = made.of("repair\n\nthe automobile stalls").vector
        assert await vector(system, entry_id) == pytest.approx(expected, abs=1e-6)
        assert made.calls == [("document", 1)]
        assert await publications(system) == [("add", entry_id, 1)]

    play(tmp_path, scenario)


def test_what_is_embedded_once_is_not_embedded_again(tmp_path):
    async def scenario(system):
        made = with_embedder(system)
        entry_id = await publish(system)
        for _ in range(3):
            await publishing.publish_entry(system.deps, WORKSPACE, entry_id)
        await knowledge.rebuild(system.deps, WORKSPACE)
        assert made.calls == [("document", 1)]
        assert (await ask(system, "word0x1")).routing_info.tier == "bm25+vector"

    play(tmp_path, scenario)


def test_without_an_embedder_nothing_is_embedded(tmp_path):
    async def scenario(system):
        entry_id = await publish(system)
        assert await publishing.embed_missing(system.deps, WORKSPACE) == 0
        assert await embedding.embed_documents(system.deps, []) == []
        keys = await system.deps.blobs.list("workspaces/default/knowledge/")
        assert keys == [f"workspaces/default/knowledge/{entry_id}/1.json"]
        assert (await ask(system, "word0x1")).routing_info.tier == "bm25"

    play(tmp_path, scenario)


def test_an_embedder_that_is_away_delays_no_publication(tmp_path, caplog):
    async def scenario(system):
        made = with_embedder(system)
        made.failure = Unavailable("no answer")
        first, second = await publish(system, 0), await publish(system, 1)
        assert [one.entry_id for one in (await ask(system, "word0x1")).items] == [first]
        assert caplog.messages.count("embedding.documents_left_out") == 2
        made.failure = None
        third = await publish(system, 2)
        assert await publications(system) == [
            ("add", first, 1),
            ("add", second, 1),
            ("add", third, 1),
            ("add", second, 1),
            ("add", first, 1),
        ]
        assert await system.index.unembedded(WORKSPACE, "words-64", 9) == []
        assert made.calls[-2:] == [("document", 1), ("document", 2)]
        head = await system.store.get(WORKSPACE, KNOWLEDGE_HEADS, "head")
        assert head.version == await system.index.version(WORKSPACE) == 5
        assert (await knowledge.verify(system.deps, WORKSPACE)).ok
        assert (await auditing.verify_audit(system.deps, WORKSPACE)).ok
        newest = (await system.store.audit_page(WORKSPACE, limit=1)).items[0]
        assert newest.action == "knowledge.embedded"
        assert newest.data == {"version": 5, "embedded": 2, "model": "words-64"}

    play(tmp_path, scenario)


def test_another_instance_learns_of_a_late_embedding_from_the_publications(tmp_path):
    async def scenario(system):
        made = with_embedder(system)
        made.failure = Unavailable("no answer")
        entry_id = await publish(system, content="the automobile stalls")
        async with System(tmp_path, seed=1) as other:
            other.index._folder = tmp_path / "another_disk"
            with_embedder(other)
            assert (await ask(other, "vehicle")).items == []
            made.failure = None
            assert await publishing.embed_missing(system.deps, WORKSPACE) == 2
            other.clock.advance(1)
            assert [one.entry_id for one in (await ask(other, "vehicle")).items] == [entry_id]

    play(tmp_path, scenario)


def test_a_changed_model_embeds_what_there_is_anew(tmp_path):
    async def scenario(system):
        with_embedder(system)
        ids = [await publish(system, number) for number in range(5)]
        with_embedder(system, model="words-32", dims=32)
        answer = await ask(system, "word0x1")
        assert answer.routing_info.tier == "bm25"
        assert "nothing that fits is embedded" in answer.routing_info.reason
        assert await publishing.embed_missing(system.deps, WORKSPACE, 3) == 8
        assert await publishing.embed_missing(system.deps, WORKSPACE, 3) == 10
        assert await publishing.embed_missing(system.deps, WORKSPACE, 3) == 0
        system.clock.advance(1)
        assert (await ask(system, "word0x1")).routing_info.tier == "bm25+vector"
        for entry_id in ids:
            assert len(await vector(system, entry_id, model="words-32")) == 32
            assert len(await vector(system, entry_id)) == 64, "the other model's stays"

    play(tmp_path, scenario)


def test_a_late_embedding_brings_nothing_back_that_was_retracted_or_replaced(tmp_path):
    async def scenario(system):
        made = with_embedder(system)
        made.failure = Unavailable("no answer")
        gone, replaced, stays = [await publish(system, number) for number in range(3)]
        await reviewing.retract(system.deps, ADA, gone, Retract(reason="old"), None)
        await revise(system, replaced, 9)
        await reviewing.decide(
            system.deps, ADA, replaced, Approve(), None, verdict="approve", notes=""
        )
        made.failure = None
        await publishing.embed_missing(system.deps, WORKSPACE)
        assert (await publications(system))[3:] == [("add", stays, 1)]
        for entry_id in (gone, replaced):
            await publishing.publish_entry(system.deps, WORKSPACE, entry_id)
        found = {(one.entry_id, one.revision) for one in (await ask(system, "billing")).items}
        assert found == {(replaced, 2), (stays, 1)}
        assert (await knowledge.verify(system.deps, WORKSPACE)).ok

    play(tmp_path, scenario)


def test_where_nothing_is_shown_any_more_nothing_is_published_again(tmp_path):
    async def scenario(system):
        made = with_embedder(system)
        made.failure = Unavailable("no answer")
        entry_id = await publish(system)
        await reviewing.retract(system.deps, ADA, entry_id, Retract(reason="old"), None)
        made.failure = None
        assert await publishing.embed_missing(system.deps, WORKSPACE) == 0
        assert len(await publications(system)) == 1

    play(tmp_path, scenario)


def test_nothing_is_embedded_while_publishing_is_stopped(tmp_path):
    async def scenario(system):
        made = with_embedder(system)
        made.failure = Unavailable("no answer")
        await publish(system)
        made.failure = None
        await system.change_settings(publishing_stopped=True)
        with pytest.raises(Paused):
            await publishing.embed_missing(system.deps, WORKSPACE)
        assert len(await publications(system)) == 1

    play(tmp_path, scenario)


def test_a_text_that_the_model_refuses_is_found_by_words_and_not_tried_again(tmp_path, caplog):
    async def scenario(system):
        made = with_embedder(system, refused="word1x")
        made.failure = Unavailable("no answer")
        ids = [await publish(system, number) for number in range(3)]
        made.failure = None
        await publishing.embed_missing(system.deps, WORKSPACE)
        assert await vector(system, ids[1]) == ()
        assert len(await vector(system, ids[0])) == len(await vector(system, ids[2])) == 64
        assert caplog.messages.count("embedding.document_refused") == 1
        made.calls.clear()
        assert await publishing.embed_missing(system.deps, WORKSPACE) == 0
        assert made.calls == []
        assert ids[1] in [one.entry_id for one in (await ask(system, "word1x3")).items]

    play(tmp_path, scenario)


@pytest.mark.parametrize("data", [b"xyz", bytes_of_vector([1.0] * 5)])
def test_a_damaged_embedding_is_left_out_and_written_anew(tmp_path, caplog, data):
    async def scenario(system):
        with_embedder(system)
        entry_id = await publish(system, content="the automobile stalls")
        key = vector_key(WORKSPACE, entry_id, 1, "words-64")
        await system.deps.blobs.put(key, data, if_generation=None)
        await knowledge.rebuild(system.deps, WORKSPACE)
        assert (await ask(system, "automobile")).routing_info.tier == "bm25"
        assert "embedding.object_damaged" in caplog.messages
        await publishing.embed_missing(system.deps, WORKSPACE)
        assert len(await vector(system, entry_id)) == 64
        system.clock.advance(1)
        assert [one.entry_id for one in (await ask(system, "vehicle")).items] == [entry_id]

    play(tmp_path, scenario)


def test_of_two_that_embed_at_once_the_first_embedding_stays(tmp_path):
    async def scenario(system):
        made = with_embedder(system)
        made.failure = Unavailable("no answer")
        entry_id = await publish(system)
        made.failure = None
        document = await knowledge.read_published(system.deps, WORKSPACE, entry_id, 1)
        await asyncio.gather(*(embedding.embed_documents(system.deps, [document]) for _ in "ab"))
        assert made.calls[-2:] == [("document", 1)] * 2
        assert len(await vector(system, entry_id)) == 64

    play(tmp_path, scenario)


def test_a_retraction_asks_no_embedder(tmp_path):
    async def scenario(system):
        made = with_embedder(system)
        entry_id = await publish(system)
        made.calls.clear()
        await retract(system, entry_id)
        assert made.calls == []
        assert (await ask(system, "word0x1")).items == []

    play(tmp_path, scenario)


# --- searching ------------------------------------------------------------------------------------


def test_search_by_meaning_finds_what_shares_no_word(tmp_path):
    async def scenario(system):
        with_embedder(system)
        car = await publish(system, content="the automobile stalls in winter", tags=["x"])
        other = await publish(system, 1)
        answer = await ask(system, "vehicle", limit=1)
        assert [one.entry_id for one in answer.items] == [car]
        assert answer.items[0].content == "the automobile stalls in winter"
        assert answer.routing_info.tier == "bm25+vector"
        assert "matches by bm25+vector" in answer.routing_info.reason
        assert {one.entry_id for one in (await ask(system, "vehicle")).items} == {car, other}
        assert [one.entry_id for one in (await ask(system, "vehicle", tags=["x"])).items] == [car]

    play(tmp_path, scenario)


def test_an_embedder_that_fails_leaves_the_answer_to_the_words_and_says_so(tmp_path, caplog):
    async def scenario(system):
        made = with_embedder(system)
        entry_id = await publish(system)
        made.failure = Unavailable("secret details")
        answer = await ask(system, "word0x1")
        assert [one.entry_id for one in answer.items] == [entry_id]
        assert answer.routing_info.tier == "bm25"
        assert answer.routing_info.reason == (
            "1 of 1 matches by bm25; by words only: the embedder does not answer"
        )
        made.calls.clear()
        assert "does not answer" in (await ask(system, "word0x1")).routing_info.reason
        assert made.calls == [], "for a while it is not asked"
        made.failure = None
        system.clock.advance(embedding.REST_S)
        assert (await ask(system, "word0x1")).routing_info.tier == "bm25+vector"
        assert caplog.messages.count("embedding.query_left_out") == 1

    play(tmp_path, scenario)


def test_a_query_that_the_model_refuses_is_answered_by_words(tmp_path):
    async def scenario(system):
        made = with_embedder(system)
        await publish(system)
        made.failure = InvalidInput("no")
        for _ in range(2):
            answer = await ask(system, "word0x1")
            assert answer.routing_info.reason.endswith(
                "by words only: the embedder refuses the text"
            )
        assert made.calls[1:] == [("query", 1)] * 2, "the next query may be another"

    play(tmp_path, scenario)


def test_a_blank_text_is_not_embedded(tmp_path):
    async def scenario(system):
        made = with_embedder(system)
        assert await embedding.embedding_of_query(system.deps, "  ") == (None, "")
        assert made.calls == []

    play(tmp_path, scenario)


def test_what_was_retracted_is_not_found_by_meaning_either(tmp_path):
    async def scenario(system):
        with_embedder(system)
        entry_id = await publish(system, content="the automobile stalls")
        await reviewing.retract(system.deps, ADA, entry_id, Retract(reason="old"), None)
        answer = await ask(system, "vehicle")
        assert (answer.items, answer.routing_info.withheld) == ([], 1)

    play(tmp_path, scenario)


def test_the_embedder_is_closed_with_the_system(tmp_path):
    async def scenario(system):
        made = with_embedder(system)
        await system.deps.close()
        assert made.closed

    play(tmp_path, scenario)


def test_an_embedding_of_what_was_never_published_is_none(tmp_path, caplog):
    async def scenario(system):
        with_embedder(system)
        with caplog.at_level(logging.WARNING):
            assert await embedding.embedding_of(system.deps, WORKSPACE, "ent_none", 1) is None
        assert caplog.messages == []
        with pytest.raises(NotFound):
            await vector(system, "ent_none")

    play(tmp_path, scenario)
