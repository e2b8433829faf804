"""How the Firestore store walks along an index where a filter is its own, and other corners."""

import asyncio

import pytest

from shared.adapters import firestore_client, firestore_queries, store_firestore
from shared.adapters.firestore_running import Turns
from shared.adapters.store_firestore import FirestoreStore
from shared.domain.entries import CONTENT_KEYS, ENTRIES
from shared.domain.operations import CONSUMED, Consumed
from shared.domain.records import Filter, Order
from shared.domain.times import to_text
from shared.errors import Unavailable
from tests.contract.store_records import HERE, NOW, all_pages, entry, key, puts, write
from tests.support.firestore_coverage import recorded

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("on_firestore")]

PENDING = Filter("state", "==", "pending_approval")


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("given", "fits"),
    [
        (Filter("revision", "==", 2), lambda one: one.revision == 2),
        (Filter("decided_at", "==", None), lambda one: one.decided_at is None),
        (Filter("confidence_score", ">=", 0.5), lambda one: one.confidence_score >= 0.5),
    ],
)
def test_a_walk_takes_as_many_steps_as_it_needs_and_shows_each_record_once(
    play_stores, monkeypatch, given, fits, descending
):
    monkeypatch.setattr(firestore_queries, "CHUNK", 3)

    async def scenario(store):
        entries = [
            entry(number, revision=1 + number % 2, decided_at=to_text(NOW) if number % 3 else None)
            for number in range(20)
        ]
        await write(store, puts(ENTRIES, *entries))
        wanted = [one.id for one in entries if fits(one)]
        if descending:
            wanted.reverse()
        order = Order("submitted_at", descending)
        with recorded() as sent:
            assert await all_pages(store, ENTRIES, PENDING, given, order=order, limit=2) == wanted
        assert len(sent) > len(wanted) / 2

        async def inside(tx):
            found = await tx.find(ENTRIES, PENDING, given, order=order, limit=len(wanted))
            tx.put(CONTENT_KEYS, key("seen", str(len(found))))
            return [one.id for one in found]

        assert await store.transact(HERE, inside) == wanted
        counted = [await store.count(HERE, ENTRIES, PENDING, given, at_most=n) for n in (3, 99)]
        assert counted == [3, len(wanted)]

    play_stores(scenario)


def test_a_page_stops_looking_after_some_thousand_records_and_the_next_one_goes_on(
    play_stores, monkeypatch
):
    monkeypatch.setattr(firestore_queries, "CHUNK", 3)
    monkeypatch.setattr(store_firestore, "MOST_LOOKED_THROUGH", 6)

    async def scenario(store):
        entries = [entry(number, revision=2 if number in {0, 15} else 1) for number in range(18)]
        await write(store, puts(ENTRIES, *entries))
        pages, cursor = [], None
        while True:
            page = await store.find(
                HERE, ENTRIES, PENDING, Filter("revision", "==", 2), limit=2, cursor=cursor
            )
            pages.append([one.id for one in page.items])
            cursor = page.next_cursor
            if cursor is None:
                break
        assert pages == [[entries[0].id], [], [entries[15].id], []]

    play_stores(scenario)


def test_every_step_of_a_walk_in_a_transaction_is_checked_again(play_stores, monkeypatch):
    monkeypatch.setattr(firestore_queries, "CHUNK", 3)

    async def scenario(store):
        await write(store, puts(ENTRIES, *(entry(number, revision=2) for number in range(9))))
        runs = []

        async def work(tx):
            found = await tx.find(ENTRIES, PENDING, Filter("revision", "==", 2), limit=8)
            runs.append([one.topic for one in found])
            if len(runs) == 1:
                await write(store, puts(ENTRIES, entry(6, revision=2, topic="new")))
            tx.put(CONTENT_KEYS, key("done"))

        await store.transact(HERE, work)
        assert ["new" in one for one in runs] == [False, True]

    play_stores(scenario)


@pytest.mark.parametrize(
    "filters",
    [
        (Filter("revision", "==", 1),),
        (PENDING, Filter("tags", "contains", "all"), Filter("topic", "==", "topic 1")),
        (PENDING, Filter("topic", "==", "topic 1"), Filter("submitter", "==", "model")),
    ],
)
def test_a_count_is_right_whether_an_index_serves_it_or_it_is_walked(play_stores, filters):
    async def scenario(store):
        entries = [entry(number) for number in range(12)]
        await write(store, puts(ENTRIES, *entries))
        fitting = [one for one in entries if one.topic == "topic 1" or len(filters) == 1]
        assert await store.count(HERE, ENTRIES, *filters, at_most=99) == len(fitting)
        assert await store.count(HERE, ENTRIES, *filters, at_most=2) == 2
        assert await store.count(HERE, ENTRIES, *filters, at_most=0) == 0

    play_stores(scenario)


def test_what_was_renewed_while_it_was_purged_is_kept(play_stores, monkeypatch):
    async def scenario(store):
        early, late = to_text(NOW), to_text(NOW.replace(hour=23))
        await write(store, puts(CONSUMED, Consumed(id="mark", expires_at=early)))
        commit = store.client.commit

        async def renewed_first(writes, transaction=b""):
            monkeypatch.setattr(store.client, "commit", commit)
            await write(store, puts(CONSUMED, Consumed(id="mark", expires_at=late)))
            await commit(writes, transaction)

        monkeypatch.setattr(store.client, "commit", renewed_first)
        assert await store.purge_expired(NOW, 10) == 0
        assert (await store.get(HERE, CONSUMED, "mark")).expires_at == late

    play_stores(scenario)


def test_a_turn_that_is_given_up_keeps_nobody_waiting(play_stores):
    async def scenario(store):
        first, second, third = (Turns(store.client) for _ in range(3))
        await first.take(["a", "b"])
        waiting = asyncio.create_task(second.take(["b"]))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        first.free()
        await third.take(["a", "b"])
        third.free()
        assert store.client.turns == {}

    play_stores(scenario)


def test_who_comes_later_waits_for_the_turn_and_reads_again(play_stores):
    async def scenario(store):
        await write(store, puts(CONTENT_KEYS, key("a")))
        name, seen = store.client.name(HERE, CONTENT_KEYS.name, "a"), []
        has_read = asyncio.Event()

        async def change(tx):
            seen.append(await tx.get(CONTENT_KEYS, "a"))
            has_read.set()
            tx.put(CONTENT_KEYS, key("a", "mine"))

        first = Turns(store.client)
        await first.take([name])
        waiting = asyncio.create_task(store.transact(HERE, change))
        await has_read.wait()
        assert store.client.turns[name].wanted == 2
        await write(store, puts(CONTENT_KEYS, key("a", "theirs")))
        first.free()
        await waiting
        assert [one.entry_id for one in seen] == ["ent_1", "theirs"]
        assert (await store.get(HERE, CONTENT_KEYS, "a")).entry_id == "mine"
        assert store.client.turns == {}

    play_stores(scenario)


def test_a_transaction_that_has_ended_can_be_let_go_again(play_stores):
    async def scenario(store):
        await write(store, puts(CONTENT_KEYS, key("a")))
        name = store.client.name(HERE, CONTENT_KEYS.name, "a")
        reading = await store.client.get([name], opens=True)
        await store.client.rollback(reading.transaction)
        await store.client.rollback(reading.transaction)
        await write(store, puts(CONTENT_KEYS, key("a", "free")))

    play_stores(scenario)


def test_on_google_cloud_the_client_wants_credentials_and_says_so(monkeypatch, tmp_path):
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))

    async def scenario():
        store = FirestoreStore("p")
        with pytest.raises(Unavailable, match="Firestore does not answer"):
            await store.ping()
        await store.close()

    asyncio.run(scenario())


def test_a_commit_whose_answer_was_lost_is_not_tried_again(play_stores, monkeypatch):
    """It has happened; to do it again is the caller's, with an Idempotency-Key."""

    async def scenario(store):
        commits = []
        api = store.client._api
        sent = api.commit

        async def lost(**call):
            commits.append(call)
            await sent(**call)
            raise firestore_client.api.ServiceUnavailable("lost")

        monkeypatch.setattr(api, "commit", lost)
        with pytest.raises(Unavailable):
            await write(store, lambda tx: tx.add("c", {"n": 1}))
        assert len(commits) == 1
        assert await store.counters(HERE, "c") == {"c": {"n": 1}}

    play_stores(scenario)
