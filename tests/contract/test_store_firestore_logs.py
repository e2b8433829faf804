"""Logs, counters and the outbox on Firestore, with clients that know nothing of each other."""

import asyncio

import pytest

from shared.adapters.firestore_client import Stale
from shared.adapters.firestore_values import encode
from shared.adapters.firestore_writes import AUDIT, COUNTERS, Write
from shared.adapters.store_firestore import FirestoreStore
from shared.domain.entries import CONTENT_KEYS, REVISIONS
from shared.errors import AlreadyExists, Unavailable
from tests.contract.store_records import (
    HERE,
    NOW,
    OUTCOME,
    PROMPT,
    RATING,
    THERE,
    audit_entry,
    creates,
    event,
    key,
    puts,
    write,
)
from tests.support.firestore_fixture import chain_of, new_project

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("on_firestore")]


# --- logs -----------------------------------------------------------------------------------------


def test_those_who_number_at_once_give_each_place_once(play_stores):
    async def scenario(*stores):
        async def appends(number):
            one = audit_entry(f"s{number}")
            await write(
                stores[number % 4],
                lambda tx: tx.audit(one),
                lambda tx: tx.append(RATING, OUTCOME, PROMPT),
            )
            if number % 5 == 0:
                await stores[(number + 1) % 4].audit_chain(HERE, 0, 1)

        await asyncio.gather(*(appends(number) for number in range(60)))
        await asyncio.gather(*(store.number_pending(1000) for store in stores))
        check = await chain_of(stores[0], HERE)
        assert (check.checked, check.first_broken) == (60, None)
        links = await stores[1].audit_chain(HERE, 0, 100)
        assert {one.subject for one in links} == {f"s{number}" for number in range(60)}
        for log in ("evidence_ratings", "evidence_outcomes", "evidence_prompts"):
            rows = await stores[0].logs.rows(HERE, log, 0, 100, 100)
            assert [one["seq"] for one in rows] == list(range(1, 61))

    play_stores(scenario, 4)


def test_the_head_of_a_log_is_written_once_for_all_that_waited(play_stores, monkeypatch):
    async def scenario(store):
        for number in range(15):
            await write(store, lambda tx, n=number: tx.audit(audit_entry(f"s{n}")))
        commits = []
        commit = store.client.commit

        async def counted(writes, transaction=b""):
            commits.append(len(writes))
            await commit(writes, transaction)

        monkeypatch.setattr(store.client, "commit", counted)
        assert (await chain_of(store, HERE)).checked == 15
        assert commits == [16]
        assert await store.number_pending(100) == 0

    play_stores(scenario)


def test_a_row_that_is_committed_late_gets_a_later_place(play_stores):
    async def scenario(first, second):
        await write(first, lambda tx: tx.audit(audit_entry("early")))

        async def late(tx):
            tx.audit(audit_entry("late"))
            assert (await second.audit_chain(HERE, 0, 9))[-1].seq == 1

        await first.transact(HERE, late)
        links = await second.audit_chain(HERE, 0, 9)
        assert [(one.seq, one.subject) for one in links] == [(1, "early"), (2, "late")]

    play_stores(scenario, 2)


def test_the_sweeper_numbers_all_workspaces(play_stores):
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

    play_stores(scenario)


def test_numbering_that_another_keeps_disturbing_is_unavailable(play_stores, monkeypatch):
    async def scenario(store):
        await write(store, lambda tx: tx.audit(audit_entry()))

        async def refused(writes, transaction=b""):
            raise Stale

        monkeypatch.setattr(store.client, "commit", refused)
        monkeypatch.setattr("shared.adapters.firestore_logs._WAIT_S", 0)
        with pytest.raises(Unavailable, match=AUDIT):
            await store.audit_page(HERE)

    play_stores(scenario)


async def rewrite(store, document, **changes):
    """Changes fields of a document behind the store's back."""
    one = Write()
    one.update.name = document.name
    for name, value in changes.items():
        one.update.fields[name].CopyFrom(encode(value))
        one.update_mask.field_paths.append(name)
    await store.client.commit([one])


def test_the_chain_shows_a_record_that_was_changed_behind_the_store(play_stores):
    async def scenario(store):
        for name in "abc":
            await write(store, lambda tx, name=name: tx.audit(audit_entry(name)))
        (_, second, _) = await store.logs._pending(HERE, AUDIT, 9)
        assert (await chain_of(store, HERE)).first_broken is None
        await rewrite(store, second, subject="x")
        assert (await chain_of(store, HERE)).first_broken == 2

    play_stores(scenario)


def test_the_chain_protects_a_record_from_its_number_on_and_not_before(play_stores):
    """The limit that docs/decisions/0023 states: who may write the database has until then."""

    async def scenario(store):
        await write(store, lambda tx: tx.audit(audit_entry("a")))
        (waiting,) = await store.logs._pending(HERE, AUDIT, 9)
        await rewrite(store, waiting, subject="x")
        assert (await chain_of(store, HERE)).first_broken is None
        assert await store.logs._pending(HERE, AUDIT, 9) == []

    play_stores(scenario)


# --- counters, outbox, events ---------------------------------------------------------------------


def test_a_counter_is_spread_over_its_shards_and_no_further(play_stores):
    async def scenario(store):
        await asyncio.gather(
            *(write(store, lambda tx: tx.add("c`\\.x", {"a.b": 1, "__n__": 2})) for _ in range(40))
        )
        assert await store.counters(HERE, "c") == {"c`\\.x": {"__n__": 80, "a.b": 40}}
        names = [store.client.name(HERE, COUNTERS, f"c`\\.x:{n}") for n in range(9)]
        assert 2 <= len((await store.client.get(names)).found) <= 4

    play_stores(scenario, shards=4)


def test_the_outbox_is_read_in_order_over_its_lanes_whatever_the_limit(play_stores):
    async def scenario(store):
        names = [f"evt_{number:02d}" for number in range(40)]
        for name in names:
            await write(store, lambda tx, name=name: tx.emit(event(name)))
        for limit in (0, 1, 7, 39, 40, 100):
            items = await store.outbox(limit)
            assert [one.event.event_id for one in items] == names[:limit]

    play_stores(scenario)


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
