"""Relays and sweepers of several instances share one outbox on PostgreSQL."""

import asyncio
import logging

import pytest

from shared.adapters.store_postgres import PostgresStore
from shared.domain.entries import CONTENT_KEYS
from shared.domain.operations import CONSUMED, Consumed
from shared.domain.times import to_text
from tests.contract.postgres_steps import played, waits_for_a_lock
from tests.contract.store_records import (
    HERE,
    NOW,
    THERE,
    audit_entry,
    event,
    key,
    puts,
    write,
)
from tests.support.postgres_fixture import pool_on

pytestmark = pytest.mark.contract


def ids(items):
    return [item.event.event_id for item in items]


def test_two_relays_take_different_events_and_get_their_own_again(postgres):
    async def scenario(one, other):
        names = [f"evt_{number}" for number in range(6)]
        await write(one, lambda tx: [tx.emit(event(name)) for name in names])
        assert ids(await one.outbox(2)) == names[:2]
        assert ids(await other.outbox(3)) == names[2:5]
        assert ids(await one.outbox(9)) == [*names[:2], names[5]]
        assert ids(await other.outbox(9)) == names[2:5]

    played(postgres.fresh(), scenario, stores=2)


def test_relays_at_the_same_moment_never_take_the_same_event(postgres):
    async def scenario(*relays):
        names = [f"evt_{number:03d}" for number in range(200)]
        await write(relays[0], lambda tx: [tx.emit(event(name)) for name in names])
        taken = await asyncio.gather(*(one.outbox(50) for one in relays))
        assert sorted(name for items in taken for name in ids(items)) == names

    played(postgres.fresh(), scenario, stores=4)


def test_what_a_relay_that_died_had_taken_comes_back_when_its_claim_has_run_out(postgres):
    async def scenario(dead, other):
        await write(dead, lambda tx: tx.emit(event("evt_1")))
        assert ids(await dead.outbox(9)) == ["evt_1"]
        assert ids(await other.outbox(9)) == ["evt_1"]

    played(postgres.fresh(), scenario, stores=2, claim_s=0.0)


def test_committed_events_are_handed_over_before_the_answer_and_kept_from_other_relays(postgres):
    dsn = postgres.fresh()
    handed = []

    async def scenario(other):
        async def publish(items):
            handed.append(ids(items))
            assert await other.outbox(9) == []
            assert await publisher.outbox(9) == []
            await publisher.outbox_done(items)

        publisher = PostgresStore(pool_on(dsn), committed=publish)
        steps = (lambda tx: tx.emit(event("evt_1")), lambda tx: tx.emit(event("evt_2", THERE)))
        await write(publisher, *steps)
        await write(publisher, *steps, lambda tx: tx.audit(audit_entry()))
        await write(publisher, puts(CONTENT_KEYS, key("a")))
        assert handed == [["evt_1", "evt_2"]] * 2
        assert await publisher.outbox(9) == []
        await publisher.close()

    played(dsn, scenario)


def test_a_hook_that_fails_is_logged_and_its_events_wait_for_the_sweeper(postgres, caplog):
    dsn = postgres.fresh()

    async def scenario():
        async def broken(_):
            raise RuntimeError("no bus")

        store = PostgresStore(pool_on(dsn), committed=broken)
        await write(store, lambda tx: tx.emit(event("evt_1")))
        assert ids(await store.outbox(9)) == ["evt_1"]
        await store.close()

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert [record.message for record in caplog.records] == ["events_not_published"]


def test_a_record_that_gets_more_time_while_it_is_purged_stays(postgres):
    dsn = postgres.fresh()
    early, late = to_text(NOW), to_text(NOW.replace(year=2030))

    async def scenario(store):
        await write(store, puts(CONSUMED, Consumed(id="c", expires_at=early)))
        async with store._pool.connection() as connection:
            await connection.execute("BEGIN")
            await connection.execute("SELECT set_config('whetstone.workspace', %s, true)", (HERE,))
            await connection.execute("UPDATE consumed_events SET expires_at = %s", (late,))
            purging = asyncio.create_task(store.purge_expired(NOW, 9))
            await waits_for_a_lock(store)
            await connection.execute("COMMIT")
        assert await purging == 0
        assert await store.count(HERE, CONSUMED, at_most=9) == 1

    played(dsn, scenario)
