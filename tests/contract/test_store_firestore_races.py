"""What Firestore's transactions rest on, with several clients that know nothing of each other."""

import asyncio
import threading

import pytest

from shared.adapters import firestore_client, firestore_running
from shared.adapters.store_firestore import FirestoreStore
from shared.domain.entries import CONTENT_KEYS, DECISIONS, ENTRIES, Decision
from shared.domain.feedback import CONVERSATIONS, RECOMMENDATIONS, Recommendation
from shared.domain.records import Filter
from shared.domain.times import to_text
from shared.errors import AlreadyExists, Conflict, Unavailable
from tests.contract.store_records import (
    HERE,
    NOW,
    audit_entry,
    creates,
    entry,
    event,
    key,
    puts,
    raise_count,
    write,
)
from tests.support.firestore_fixture import chain_of, new_project

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("on_firestore")]


# --- transactions ---------------------------------------------------------------------------------


def decision(reviewer):
    return Decision(
        id="ent_0001:000001",
        entry_id="ent_0001",
        revision=1,
        content_hash="hash 1",
        verdict="approve",
        reviewer=reviewer,
        reviewers=[reviewer],
        decided_at=to_text(NOW),
        seconds_to_decision=1.0,
    )


def test_of_64_who_decide_on_one_entry_from_several_instances_one_wins(play_stores):
    async def decide(store, reviewer):
        async def work(tx):
            one = await tx.get(ENTRIES, "ent_0001")
            known = await tx.get(DECISIONS, "ent_0001:000001")
            if known is not None:
                raise Conflict(known.reviewer)
            tx.put(ENTRIES, one.model_copy(update={"state": "approved"}))
            tx.create(DECISIONS, decision(reviewer))
            tx.add("review", {"approved": 1})
            tx.audit(audit_entry(reviewer, action="entry.approved"))
            tx.emit(event(f"evt_{reviewer}"))
            return reviewer

        return await store.transact(HERE, work)

    async def scenario(*stores):
        await write(stores[0], creates(ENTRIES, entry(1)))
        done = await asyncio.gather(
            *(decide(stores[number % 4], f"r{number}") for number in range(64)),
            return_exceptions=True,
        )
        (winner,) = [one for one in done if isinstance(one, str)]
        told = [one.detail for one in done if isinstance(one, Conflict)]
        assert told == [winner] * 63
        assert (await stores[0].get(HERE, DECISIONS, "ent_0001:000001")).reviewer == winner
        assert await stores[0].counters(HERE, "review") == {"review": {"approved": 1}}
        assert [one.event.event_id for one in await stores[0].outbox(9)] == [f"evt_{winner}"]
        assert (await chain_of(stores[0], HERE)).checked == 1

    play_stores(scenario, 4)


def test_counting_up_one_record_from_several_instances_loses_nothing(play_stores):
    async def scenario(*stores):
        seen = await asyncio.gather(*(raise_count(stores[n % 3]) for n in range(30)))
        assert sorted(seen) == list(range(1, 31))

    play_stores(scenario, 3)


def test_two_that_each_read_what_the_other_writes_do_not_both_go_on(play_stores):
    """Without a guard on what was only read both would leave, and nobody would be on call."""

    async def leave(store, mine, other):
        async def work(tx):
            both = await tx.get_many(CONTENT_KEYS, [mine, other])
            if all(one.entry_id == "on call" for one in both):
                tx.put(CONTENT_KEYS, key(mine, "left"))

        await store.transact(HERE, work)

    async def scenario(first, second):
        for _ in range(2):
            await write(first, puts(CONTENT_KEYS, key("a", "on call"), key("b", "on call")))
            await asyncio.gather(leave(first, "a", "b"), leave(second, "b", "a"))
            left = await first.get_many(HERE, CONTENT_KEYS, ["a", "b"])
            assert sorted(one.entry_id for one in left) == ["left", "on call"]

    play_stores(scenario, 2)


def recommendation(id):
    return Recommendation(
        id=id,
        agent_id="agent",
        agent_name="agent",
        correlation_id="c",
        workflow_id="wf",
        recommendation_type="price",
        content="text",
        content_hash="hash",
        confidence_score=0.5,
        reasoning="",
        submitted_by="key:a",
        created_at=to_text(NOW),
    )


def test_what_a_query_would_now_find_in_addition_makes_the_function_run_again(play_stores):
    async def scenario(first, second):
        runs = []

        async def settle(tx):
            found = await tx.find(RECOMMENDATIONS, Filter("workflow_id", "==", "wf"))
            runs.append(len(found))
            if len(runs) == 1:
                await write(second, creates(RECOMMENDATIONS, recommendation("rec_1")))
            tx.put(CONTENT_KEYS, key("settled", str(len(found))))

        await first.transact(HERE, settle)
        assert runs == [0, 1]
        assert (await first.get(HERE, CONTENT_KEYS, "settled")).entry_id == "1"

    play_stores(scenario, 2)


def test_a_function_sees_one_moment_whatever_is_committed_meanwhile(play_stores):
    async def scenario(first, second):
        await write(first, puts(CONTENT_KEYS, key("a", "0"), key("b", "0")))
        seen = []

        async def work(tx):
            one = await tx.get(CONTENT_KEYS, "a")
            await write(second, puts(CONTENT_KEYS, key("a", "1"), key("b", "1")))
            seen.append((one.entry_id, (await tx.get(CONTENT_KEYS, "b")).entry_id))

        await first.transact(HERE, work)
        assert seen == [("0", "0")]

    play_stores(scenario, 2)


def test_a_create_behind_a_read_that_found_nothing_runs_again_where_another_was_first(play_stores):
    """The function decides again with what is there now; it is not told that the id is taken."""

    async def scenario(first, second):
        runs = []

        async def work(tx):
            known = await tx.get(CONTENT_KEYS, "a")
            runs.append(known)
            if known is not None:
                return known.entry_id
            await write(second, creates(CONTENT_KEYS, key("a", "theirs")))
            tx.create(CONTENT_KEYS, key("a", "mine"))
            return "mine"

        assert await first.transact(HERE, work) == "theirs"
        assert len(runs) == 2

    play_stores(scenario, 2)


def test_a_create_of_what_was_read_or_is_there_says_that_the_id_is_taken(play_stores):
    async def scenario(store):
        await write(store, creates(CONTENT_KEYS, key("a")))

        async def known(tx):
            await tx.get(CONTENT_KEYS, "a")
            tx.create(CONTENT_KEYS, key("a"))

        async def unread(tx):
            await tx.get(CONTENT_KEYS, "none")
            tx.put(CONTENT_KEYS, key("none"))
            tx.create(CONTENT_KEYS, key("a"))

        for work in (known, unread):
            with pytest.raises(AlreadyExists):
                await store.transact(HERE, work)
        assert await store.get(HERE, CONTENT_KEYS, "none") is None

    play_stores(scenario)


def test_contention_that_does_not_end_is_unavailable(play_stores, monkeypatch):
    monkeypatch.setattr(firestore_running, "CONTENTION_S", -1)

    async def scenario(first, second):
        async def work(tx):
            known = await tx.get(CONVERSATIONS, "conversations")
            await raise_count(second)
            tx.put(CONVERSATIONS, known)

        await raise_count(first)
        with pytest.raises(Unavailable, match="others keep changing"):
            await first.transact(HERE, work)

    play_stores(scenario, 2)


def test_a_database_that_does_not_answer_is_unavailable(monkeypatch):
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    monkeypatch.setattr(firestore_client, "_PASSING", ())

    async def scenario():
        store = FirestoreStore("nowhere")
        for call in (
            store.ping(),
            store.find(HERE, ENTRIES),
            store.count(HERE, ENTRIES, at_most=1),
            write(store, puts(CONTENT_KEYS, key("a"))),
        ):
            with pytest.raises(Unavailable, match="does not answer"):
                await call
        await store.close()

    asyncio.run(scenario())


def test_a_record_that_is_too_large_for_a_document_is_refused_and_leaves_nothing(play_stores):
    async def scenario(store):
        with pytest.raises(Exception, match="takes no such record"):
            await write(store, puts(ENTRIES, entry(1, content="x" * 1_100_000)))
        assert await store.get(HERE, ENTRIES, "ent_0001") is None

    play_stores(scenario)


@pytest.mark.parametrize("id", ["a/b", ".", "..", "__all__", "a.b/c..d", "ü/\x00", "`=`"])
def test_any_id_names_a_record_of_its_own(play_stores, id):
    async def scenario(store):
        await write(store, creates(CONTENT_KEYS, key(id, "this"), key(f"{id}x", "other")))
        assert (await store.get(HERE, CONTENT_KEYS, id)).entry_id == "this"
        page = await store.find(HERE, CONTENT_KEYS, limit=1)
        rest = await store.find(HERE, CONTENT_KEYS, cursor=page.next_cursor)
        assert [one.id for one in page.items + rest.items] == [id, f"{id}x"]

    play_stores(scenario)


def test_one_store_serves_several_event_loops():
    project = new_project()
    store = FirestoreStore(project)
    failures = []

    def one_loop(number):
        async def scenario():
            await write(store, creates(CONTENT_KEYS, key(f"k{number}")))
            await raise_count(store)
            await store.close()

        try:
            asyncio.run(scenario())
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=one_loop, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    one_loop(9)
