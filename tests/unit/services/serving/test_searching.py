import logging
from dataclasses import replace

from functions.publish.main import app as publish_app
from shared.domain.entries import REVISIONS, revision_id
from shared.errors import CorruptData, Unavailable
from shared.messages.reviewing import Approve, Retract
from shared.messages.serving_reading import SearchRequest
from shared.services import reviewing
from shared.services.serving.searching import search
from tests.support.entries import revise, submit, words
from tests.support.system import WORKSPACE, caller, play

ADA = caller("ada", role="reviewer")
WHO = caller("key:a", scopes=("serve",))
SAME = "invoices can be reissued by the customer"


async def approve(system, entry_id):
    await reviewing.decide(system.deps, ADA, entry_id, Approve(), None, verdict="approve", notes="")


async def retract(system, entry_id):
    await reviewing.retract(system.deps, ADA, entry_id, Retract(reason="old"), None)


async def publish(system, number=0, **fields):
    entry_id = await submit(system, number, **fields)
    await approve(system, entry_id)
    system.attach(publish_app)
    await system.drain()
    return entry_id


async def ask(system, text, /, *, who=WHO, deps=None, **more):
    return await search(deps or system.deps, who, SearchRequest(text=text, **more))


def ids(answer):
    return [one.entry_id for one in answer.items]


def test_published_knowledge_is_found_with_its_content(tmp_path):
    async def scenario(system):
        entry_id = await publish(system, tags=["billing"], confidence_score=0.75)
        answer = await ask(system, "word0x3")
        [item] = answer.items
        assert (item.entry_id, item.revision, item.topic) == (entry_id, 1, "billing")
        assert (item.content, item.tags, item.confidence_score) == (words(0), ["billing"], 0.75)
        assert item.score > 0
        assert any("**word0x3**" in one for one in item.highlights)
        assert answer.knowledge_version == 1
        info = answer.routing_info
        assert (info.tier, info.candidates, info.withheld) == ("bm25", 1, 0)
        assert info.reason == "1 of 1 matches by bm25"
        assert info.latency_ms >= 0

    play(tmp_path, scenario)


def test_what_was_not_approved_is_not_found(tmp_path):
    async def scenario(system):
        await submit(system)
        system.attach(publish_app)
        await system.drain()
        answer = await ask(system, "word0x3")
        assert (answer.items, answer.knowledge_version) == ([], 0)

    play(tmp_path, scenario)


def test_a_retraction_holds_before_the_index_knows_of_it(tmp_path):
    async def scenario(system):
        gone, kept = [await publish(system, n, content=f"{SAME} {words(n)}") for n in (1, 2)]
        await retract(system, gone)
        answer = await ask(system, "invoices reissued")
        assert ids(answer) == [kept]
        assert answer.routing_info.withheld == 1
        assert len((await system.index.search(WORKSPACE, "invoices", limit=9)).hits) == 2

    play(tmp_path, scenario)


def test_while_a_revision_waits_the_published_one_is_shown(tmp_path):
    async def scenario(system):
        entry_id = await publish(system, topic="billing")
        await revise(system, entry_id, 1, topic="refunds", tags=["new"])
        [item] = (await ask(system, "word0x3")).items
        assert (item.revision, item.topic, item.tags) == (1, "billing", [])
        assert item.content == words(0)
        assert (await ask(system, "word1x3")).items == []
        await approve(system, entry_id)
        assert (await ask(system, "word0x3")).items == [], "replaced, though still in the index"
        await system.drain()
        [item] = (await ask(system, "word1x3")).items
        assert (item.revision, item.content) == (2, words(1))

    play(tmp_path, scenario)


def test_a_published_revision_that_is_lost_is_left_out_and_logged(tmp_path, caplog):
    async def scenario(system):
        entry_id = await publish(system)
        await revise(system, entry_id, 1)

        async def lose(tx):
            tx.delete(REVISIONS, revision_id(entry_id, 1))

        await system.store.transact(WORKSPACE, lose)
        with caplog.at_level(logging.ERROR):
            assert (await ask(system, "word0x3")).items == []
        assert "search.revision_missing" in caplog.messages

    play(tmp_path, scenario)


def test_the_limit_is_filled_however_many_hits_are_withheld(tmp_path):
    async def scenario(system):
        many = [await publish(system, n, content=f"{SAME} {words(n)}") for n in range(24)]
        hits = (await system.index.search(WORKSPACE, "invoices", limit=50)).hits
        best = [hit.entry_id for hit in hits]
        assert sorted(best) == sorted(many)
        for entry_id in best[:20]:
            await retract(system, entry_id)
        assert ids(await ask(system, "invoices", limit=3)) == best[20:23]
        answer = await ask(system, "invoices", limit=10)
        assert ids(answer) == best[20:]
        assert (answer.routing_info.candidates, answer.routing_info.withheld) == (24, 20)

    play(tmp_path, scenario)


def test_topic_and_tags_narrow_the_search(tmp_path):
    async def scenario(system):
        one = await publish(system, 1, content=f"{SAME} {words(1)}", topic="a", tags=["x", "y"])
        two = await publish(system, 2, content=f"{SAME} {words(2)}", topic="b", tags=["x"])
        assert sorted(ids(await ask(system, "invoices", tags=["x"]))) == sorted([one, two])
        answer = await ask(system, "invoices", tags=["x", "y"], topic="a")
        assert ids(answer) == [one]
        assert answer.routing_info.reason == "1 of 1 matches by bm25, topic as asked, tags as asked"
        assert ids(await ask(system, "invoices", topic="b")) == [two]

    play(tmp_path, scenario)


def test_what_another_process_published_is_found_within_a_second(tmp_path):
    async def scenario(system):
        await publish(system)
        await ask(system, "word0x3")
        await system.index.drop(WORKSPACE)  # as if the index of this process had never seen it
        assert (await ask(system, "word0x3")).items == []
        system.clock.advance(1)
        assert len((await ask(system, "word0x3")).items) == 1

    play(tmp_path, scenario)


class Broken:
    """The real index, whose changes fail."""

    def __init__(self, real, error):
        self._real, self._error = real, error

    def __getattr__(self, name):
        return getattr(self._real, name)

    async def version(self, workspace):
        raise self._error


def test_an_index_that_cannot_catch_up_still_answers(tmp_path, caplog):
    async def scenario(system):
        entry_id = await publish(system)
        for error in (Unavailable("no disk"), CorruptData("no sense")):
            deps = replace(system.deps, index=Broken(system.index, error))
            assert ids(await ask(system, "word0x3", deps=deps)) == [entry_id]
            system.clock.advance(1)
        assert caplog.messages.count("search.index_behind") == 2

    play(tmp_path, scenario)


def test_knowledge_of_another_workspace_is_never_found(tmp_path):
    async def scenario(system):
        await publish(system)
        theirs = caller("key:b", scopes=("serve",), workspace="other")
        answer = await ask(system, "word0x3", who=theirs)
        assert (answer.items, answer.knowledge_version) == ([], 0)

    play(tmp_path, scenario)


def test_an_index_with_foreign_hits_shows_none_of_them(tmp_path):
    async def scenario(system):
        await publish(system)

        class Foreign(Broken):
            async def version(self, workspace):
                return await self._real.version(WORKSPACE)

            async def search(self, workspace, text, **more):
                return await self._real.search(WORKSPACE, text, **more)

        deps = replace(system.deps, index=Foreign(system.index, None))
        theirs = caller("key:b", scopes=("serve",), workspace="other")
        answer = await ask(system, "word0x3", who=theirs, deps=deps)
        assert (answer.items, answer.routing_info.withheld) == ([], 1)

    play(tmp_path, scenario)
