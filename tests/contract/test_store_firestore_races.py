"""What Firestore's transactions rest on, with several clients that know nothing of each other."""

import asyncio
import threading

import pytest

from shared.adapters import firestore_client, firestore_running
from shared.adapters.firestore_client import Stale
from shared.adapters.firestore_values import encode
from shared.adapters.firestore_writes import AUDIT, COUNTERS, Write
from shared.adapters.store_firestore import FirestoreStore
from shared.domain.audit import ChainCheck
from shared.domain.entries import CONTENT_KEYS, DECISIONS, ENTRIES, REVISIONS, Decision
from shared.domain.feedback import CONVERSATIONS, RECOMMENDATIONS, Recommendation
from shared.domain.records import Filter
from shared.domain.times import to_text
from shared.errors import AlreadyExists, Conflict, Unavailable
from tests.contract.store_records import (
    HERE,
    NOW,
    OUTCOME,
    RATING,
    THERE,
    audit_entry,
    creates,
    entry,
    event,
    key,
    puts,
    raise_count,
    write,
)
from tests.support.firestore_fixture import new_project

pytestmark = pytest.mark.contract


@pytest.fixture(autouse=True)
def emulator(firestore_server, monkeypatch):
    for name, value in firestore_server.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def play():
    """Runs a scenario over several stores on one database."""

    def run(scenario, count=1, **options):
        async def whole():
            project = new_project()
            stores = [FirestoreStore(project, **options) for _ in range(count)]
            try:
                return await scenario(*stores)
            finally:
                for store in stores:
                    await store.close()

        return asyncio.run(whole())

    return run


async def chain_of(store, workspace=HERE):
    check, after = ChainCheck(), 0
    while links := await store.audit_chain(workspace, after, 50):
        check.feed(links)
        after = links[-1].seq
    return check


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


def test_of_64_who_decide_on_one_entry_from_several_instances_one_wins(play):
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
        assert (await chain_of(stores[0])).checked == 1

    play(scenario, 4)


def test_counting_up_one_record_from_several_instances_loses_nothing(play):
    async def scenario(*stores):
        seen = await asyncio.gather(*(raise_count(stores[n % 3]) for n in range(30)))
        assert sorted(seen) == list(range(1, 31))

    play(scenario, 3)


def test_two_that_each_read_what_the_other_writes_do_not_both_go_on(play):
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

    play(scenario, 2)


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


def test_what_a_query_would_now_find_in_addition_makes_the_function_run_again(play):
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

    play(scenario, 2)


def test_a_function_sees_one_moment_whatever_is_committed_meanwhile(play):
    async def scenario(first, second):
        await write(first, puts(CONTENT_KEYS, key("a", "0"), key("b", "0")))
        seen = []

        async def work(tx):
            one = await tx.get(CONTENT_KEYS, "a")
            await write(second, puts(CONTENT_KEYS, key("a", "1"), key("b", "1")))
            seen.append((one.entry_id, (await tx.get(CONTENT_KEYS, "b")).entry_id))

        await first.transact(HERE, work)
        assert seen == [("0", "0")]

    play(scenario, 2)


def test_a_create_behind_a_read_that_found_nothing_runs_again_where_another_was_first(play):
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

    play(scenario, 2)


def test_a_create_of_what_was_read_or_is_there_says_that_the_id_is_taken(play):
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

    play(scenario)


def test_contention_that_does_not_end_is_unavailable(play, monkeypatch):
    monkeypatch.setattr(firestore_running, "CONTENTION_S", -1)

    async def scenario(first, second):
        async def work(tx):
            known = await tx.get(CONVERSATIONS, "conversations")
            await raise_count(second)
            tx.put(CONVERSATIONS, known)

        await raise_count(first)
        with pytest.raises(Unavailable, match="others keep changing"):
            await first.transact(HERE, work)

    play(scenario, 2)


def test_a_database_that_does_not_answer_is_unavailable(monkeypatch):
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    monkeypatch.setattr(firestore_client, "_READ_AGAIN", None)

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


def test_a_record_that_is_too_large_for_a_document_is_refused_and_leaves_nothing(play):
    async def scenario(store):
        with pytest.raises(Exception, match="takes no such record"):
            await write(store, puts(ENTRIES, entry(1, content="x" * 1_100_000)))
        assert await store.get(HERE, ENTRIES, "ent_0001") is None

    play(scenario)


@pytest.mark.parametrize("id", ["a/b", ".", "..", "__all__", "a.b/c..d", "ü/\x00", "`=`"])
def test_any_id_names_a_record_of_its_own(play, id):
    async def scenario(store):
        await write(store, creates(CONTENT_KEYS, key(id, "this"), key(f"{id}x", "other")))
        assert (await store.get(HERE, CONTENT_KEYS, id)).entry_id == "this"
        page = await store.find(HERE, CONTENT_KEYS, limit=1)
        rest = await store.find(HERE, CONTENT_KEYS, cursor=page.next_cursor)
        assert [one.id for one in page.items + rest.items] == [id, f"{id}x"]

    play(scenario)


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


# --- logs -----------------------------------------------------------------------------------------


def test_those_who_number_at_once_give_each_place_once(play):
    async def scenario(*stores):
        async def appends(number):
            one = audit_entry(f"s{number}")
            await write(
                stores[number % 4], lambda tx: tx.audit(one), lambda tx: tx.append(RATING, OUTCOME)
            )
            if number % 5 == 0:
                await stores[(number + 1) % 4].audit_chain(HERE, 0, 1)

        await asyncio.gather(*(appends(number) for number in range(60)))
        await asyncio.gather(*(store.number_pending(1000) for store in stores))
        check = await chain_of(stores[0])
        assert (check.checked, check.first_broken) == (60, None)
        links = await stores[1].audit_chain(HERE, 0, 100)
        assert {one.subject for one in links} == {f"s{number}" for number in range(60)}
        for log in ("evidence_ratings", "evidence_outcomes"):
            rows = await stores[0].logs.rows(HERE, log, 0, 100, 100)
            assert [one["seq"] for one in rows] == list(range(1, 61))

    play(scenario, 4)


def test_the_head_of_a_log_is_written_once_for_all_that_waited(play, monkeypatch):
    async def scenario(store):
        for number in range(15):
            await write(store, lambda tx, n=number: tx.audit(audit_entry(f"s{n}")))
        commits = []
        commit = store.client.commit

        async def counted(writes, transaction=b""):
            commits.append(len(writes))
            await commit(writes, transaction)

        monkeypatch.setattr(store.client, "commit", counted)
        assert (await chain_of(store)).checked == 15
        assert commits == [16]
        assert await store.number_pending(100) == 0

    play(scenario)


def test_a_row_that_is_committed_late_gets_a_later_place(play):
    async def scenario(first, second):
        await write(first, lambda tx: tx.audit(audit_entry("early")))

        async def late(tx):
            tx.audit(audit_entry("late"))
            assert (await second.audit_chain(HERE, 0, 9))[-1].seq == 1

        await first.transact(HERE, late)
        links = await second.audit_chain(HERE, 0, 9)
        assert [(one.seq, one.subject) for one in links] == [(1, "early"), (2, "late")]

    play(scenario, 2)


def test_the_sweeper_numbers_all_workspaces(play):
    async def scenario(store):
        for workspace in (HERE, THERE):
            await write(
                store,
                lambda tx: tx.audit(audit_entry()),
                lambda tx: tx.append(RATING, RATING),
                workspace=workspace,
            )
        assert await store.number_pending(100) == 6
        assert await store.number_pending(100) == 0

    play(scenario)


def test_numbering_that_another_keeps_disturbing_is_unavailable(play, monkeypatch):
    async def scenario(store):
        await write(store, lambda tx: tx.audit(audit_entry()))

        async def refused(writes, transaction=b""):
            raise Stale

        monkeypatch.setattr(store.client, "commit", refused)
        monkeypatch.setattr("shared.adapters.firestore_logs._WAIT_S", 0)
        with pytest.raises(Unavailable, match=AUDIT):
            await store.audit_page(HERE)

    play(scenario)


async def rewrite(store, document, **changes):
    """Changes fields of a document behind the store's back."""
    one = Write()
    one.update.name = document.name
    for name, value in changes.items():
        one.update.fields[name].CopyFrom(encode(value))
        one.update_mask.field_paths.append(name)
    await store.client.commit([one])


def test_the_chain_shows_a_record_that_was_changed_behind_the_store(play):
    async def scenario(store):
        for name in "abc":
            await write(store, lambda tx, name=name: tx.audit(audit_entry(name)))
        (_, second, _) = await store.logs._pending(HERE, AUDIT, 9)
        assert (await chain_of(store)).first_broken is None
        await rewrite(store, second, subject="x")
        assert (await chain_of(store)).first_broken == 2

    play(scenario)


def test_the_chain_protects_a_record_from_its_number_on_and_not_before(play):
    """The limit that docs/decisions/0023 states: who may write the database has until then."""

    async def scenario(store):
        await write(store, lambda tx: tx.audit(audit_entry("a")))
        (waiting,) = await store.logs._pending(HERE, AUDIT, 9)
        await rewrite(store, waiting, subject="x")
        assert (await chain_of(store)).first_broken is None
        assert await store.logs._pending(HERE, AUDIT, 9) == []

    play(scenario)


# --- counters, outbox, events ---------------------------------------------------------------------


def test_a_counter_is_spread_over_its_shards_and_no_further(play):
    async def scenario(store):
        await asyncio.gather(
            *(write(store, lambda tx: tx.add("c`\\.x", {"a.b": 1, "__n__": 2})) for _ in range(40))
        )
        assert await store.counters(HERE, "c") == {"c`\\.x": {"__n__": 80, "a.b": 40}}
        names = [store.client.name(HERE, COUNTERS, f"c`\\.x:{n}") for n in range(9)]
        assert 2 <= len((await store.client.get(names)).found) <= 4

    play(scenario, shards=4)


def test_the_outbox_is_read_in_order_over_its_lanes_whatever_the_limit(play):
    async def scenario(store):
        names = [f"evt_{number:02d}" for number in range(40)]
        for name in names:
            await write(store, lambda tx, name=name: tx.emit(event(name)))
        for limit in (0, 1, 7, 39, 40, 100):
            items = await store.outbox(limit)
            assert [one.event.event_id for one in items] == names[:limit]

    play(scenario)


def test_the_hook_gets_the_events_of_a_commit_and_only_those():
    async def scenario():
        told = []

        async def committed(items):
            told.append([one.event.event_id for one in items])
            assert await store.get(HERE, CONTENT_KEYS, "a") is not None
            await store.outbox_done(items)

        store = FirestoreStore(new_project(), committed=committed)
        await write(store, lambda tx: tx.emit(event("evt_1")), puts(CONTENT_KEYS, key("a")))
        await write(store, puts(CONTENT_KEYS, key("b")))
        with pytest.raises(AlreadyExists):
            await write(store, lambda tx: tx.emit(event("evt_2")), creates(CONTENT_KEYS, key("a")))
        assert told == [["evt_1"]]
        assert await store.outbox(9) == []
        await store.close()

    asyncio.run(scenario())


def test_a_hook_that_fails_is_logged_and_leaves_the_events_to_the_sweeper(caplog):
    async def scenario():
        async def committed(items):
            raise Unavailable("no bus")

        store = FirestoreStore(new_project(), committed=committed)
        await write(store, lambda tx: tx.emit(event("evt_1")))
        assert [one.event.event_id for one in await store.outbox(9)] == ["evt_1"]
        await store.close()

    asyncio.run(scenario())
    assert [one.message for one in caplog.records] == ["publishing_after_commit_failed"]


def test_on_google_cloud_what_has_expired_is_left_to_the_ttl_policies(monkeypatch):
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST")
    assert asyncio.run(FirestoreStore("p").purge_expired(NOW, 10)) == 0
    assert REVISIONS.expires is None
