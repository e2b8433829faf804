"""Transactions of several instances on PostgreSQL: nothing is lost, nobody blocks the others."""

import asyncio
import random
from dataclasses import replace

import psycopg
import pytest

from shared.adapters.analytics_postgres import PostgresAnalytics
from shared.adapters.postgres_errors import Contended
from shared.domain.entries import CONTENT_KEYS, ENTRIES
from shared.domain.records import Filter, Order
from shared.errors import Conflict
from tests.contract.postgres_steps import chain_of, locked, played, waits_for_a_lock
from tests.contract.store_records import (
    HERE,
    RATING,
    THERE,
    audit_entry,
    creates,
    entry,
    everything,
    key,
    puts,
    raise_count,
    write,
)
from tests.support.postgres_fixture import pool_on

pytestmark = pytest.mark.contract

PENDING = Filter("state", "==", "pending_approval")


def test_no_update_is_lost_among_64_who_race_over_four_instances(postgres):
    async def scenario(*stores):
        seen = await asyncio.gather(*(raise_count(stores[n % 4]) for n in range(64)))
        assert sorted(seen) == list(range(1, 65))

    played(postgres.fresh(), scenario, stores=4)


def test_of_64_decisions_on_one_entry_one_stands_and_the_others_see_it(postgres):
    async def scenario(*stores):
        await write(stores[0], creates(ENTRIES, entry(1)))

        def decide(number):
            async def work(tx):
                known = await tx.get(ENTRIES, "ent_0001")
                if known.state != "pending_approval":
                    raise Conflict(known.topic)
                tx.put(
                    ENTRIES, known.model_copy(update={"state": "approved", "topic": f"{number}"})
                )
                tx.audit(audit_entry(f"{number}"))
                tx.add("decided", {"n": 1})

            return stores[number % 4].transact(HERE, work)

        done = await asyncio.gather(*(decide(n) for n in range(64)), return_exceptions=True)
        (winner,) = [number for number, one in enumerate(done) if one is None]
        losers = [one for one in done if one is not None]
        assert {(type(one), one.detail) for one in losers} == {(Conflict, f"{winner}")}
        assert (await stores[0].get(HERE, ENTRIES, "ent_0001")).topic == f"{winner}"
        assert await stores[0].counters(HERE, "") == {"decided": {"n": 1}}
        assert await chain_of(stores[0]) == (1, None)

    played(postgres.fresh(), scenario, stores=4)


def test_what_was_not_found_is_still_not_there_when_the_transaction_commits(postgres):
    """Two who each add a record where they have counted none: one of them counts again."""

    async def scenario(*stores):
        def add_first(number):
            async def work(tx):
                found = await tx.find(ENTRIES, PENDING, order=Order("submitted_at"))
                if not found:
                    tx.create(ENTRIES, entry(number))

            return stores[number % 3].transact(HERE, work)

        await asyncio.gather(*(add_first(number) for number in range(12)))
        assert await stores[0].count(HERE, ENTRIES, at_most=99) == 1

    played(postgres.fresh(), scenario, stores=3)


def test_two_who_each_write_what_the_other_has_read_do_not_both_succeed_on_the_old_state(postgres):
    async def scenario(*stores):
        for round_ in range(20):
            one, other = f"a{round_}", f"b{round_}"

            def swap(mine, theirs):
                async def work(tx):
                    if await tx.get(CONTENT_KEYS, theirs) is None:
                        tx.create(CONTENT_KEYS, key(mine))

                return work

            await asyncio.gather(
                stores[0].transact(HERE, swap(one, other)),
                stores[1].transact(HERE, swap(other, one)),
            )
            there = await stores[0].get_many(HERE, CONTENT_KEYS, [one, other])
            assert sum(record is not None for record in there) == 1

    played(postgres.fresh(), scenario, stores=2)


@pytest.mark.parametrize("before", ["old", None])
def test_a_blind_write_is_never_overwritten_by_who_has_read_the_state_before_it(postgres, before):
    """A single blind write takes no lock; whoever raises the same record must not undo it."""

    async def scenario(one, other):
        names = [f"k{number}" for number in range(80)]
        if before is not None:
            await write(one, puts(CONTENT_KEYS, *(key(name, before) for name in names)))

        def append_to(name):
            async def work(tx):
                known = await tx.get(CONTENT_KEYS, name)
                tx.put(CONTENT_KEYS, key(name, (known.entry_id if known else "") + "+"))

            return work

        for name in names:
            await asyncio.gather(
                one.transact(HERE, append_to(name)),
                write(other, puts(CONTENT_KEYS, key(name, "blind"))),
            )
        left = {record.entry_id for record in await one.get_many(HERE, CONTENT_KEYS, names)}
        assert left <= {"blind", "blind+"}

    played(postgres.fresh(), scenario, stores=2)


def test_blind_writes_of_two_records_come_wholly_before_or_after_who_reads_one_of_them(postgres):
    async def scenario(one, other):
        async def copy(tx):
            known = await tx.get(CONTENT_KEYS, "a")
            tx.put(CONTENT_KEYS, key("b", f"copy of {known.entry_id}"))

        await write(one, puts(CONTENT_KEYS, key("a", "0"), key("b", "0")))
        for number in map(str, range(1, 80)):
            pair = puts(CONTENT_KEYS, key("a", number), key("b", number))
            await asyncio.gather(one.transact(HERE, copy), write(other, pair))
            kept = await one.get(HERE, CONTENT_KEYS, "b")
            assert kept.entry_id in {number, f"copy of {number}"}

    played(postgres.fresh(), scenario, stores=2)


def test_many_blind_writes_of_the_same_records_in_any_order_do_not_block_each_other(postgres):
    async def scenario(*stores):
        chance = random.Random(3)
        names = [f"k{number}" for number in range(6)]

        def some(number):
            chosen = chance.sample(names, 6)
            return write(
                stores[number % 3], puts(CONTENT_KEYS, *(key(name, f"{number}") for name in chosen))
            )

        await asyncio.gather(*(some(number) for number in range(60)))
        values = {one.entry_id for one in await stores[0].get_many(HERE, CONTENT_KEYS, names)}
        assert len(values) == 1

    played(postgres.fresh(), scenario, stores=3)


def test_positions_are_settled_in_the_order_of_commits(postgres):
    """Whoever sees the head never sees a row appear at or below it later."""
    dsn = postgres.fresh()

    async def scenario(*stores):
        pool = pool_on(dsn)
        analytics = PostgresAnalytics(pool)

        async def rows_upto(head):
            return sum(one.n for one in await analytics.rating_sums(HERE, 0, head))

        def append(number):
            row = replace(RATING, feedback_id=f"fb{number}")
            return write(stores[number % 3], lambda tx: tx.append(row))

        running = asyncio.gather(*(append(number) for number in range(120)))
        heads = []
        while not running.done():
            head, _ = await analytics.head(HERE)
            assert await rows_upto(head) == head
            heads.append(head)
        await running
        assert heads == sorted(heads)
        assert await analytics.head(HERE) == (120, 0)
        assert await rows_upto(120) == 120
        await pool.close()

    played(dsn, scenario, stores=3)


def test_workspaces_do_not_wait_for_each_other(postgres):
    async def scenario(one, other):
        async def slow(tx):
            tx.audit(audit_entry())

        async with locked(one):
            waiting = asyncio.create_task(other.transact(HERE, slow))
            await other.transact(THERE, slow)
            assert await other.get(HERE, ENTRIES, "x") is None
            await write(other, creates(CONTENT_KEYS, key("blind")))
            assert not waiting.done()
        await waiting

    played(postgres.fresh(), scenario, stores=2)


@pytest.mark.parametrize("read", ["get", "find"])
def test_of_two_in_one_commit_the_second_sees_what_the_first_has_written(postgres, read):
    async def scenario(one, other):
        async def raise_it(tx):
            if read == "get":
                known = await tx.get(ENTRIES, "ent_0001")
                revision = known.revision if known else 0
            else:
                revision = max([one.revision for one in await tx.find(ENTRIES)], default=0)
            tx.put(ENTRIES, entry(1, revision=revision + 1))
            return revision

        async with locked(one):
            first = asyncio.create_task(write(other, everything))
            await waits_for_a_lock(one)
            ran = [asyncio.create_task(other.transact(HERE, raise_it)) for _ in range(2)]
            while len(other._commits._waiting[HERE]) < 2:  # noqa: ASYNC110 -- nothing tells
                await asyncio.sleep(0)  # until both have read and wait for the next commit
        assert await first is None
        assert sorted(await asyncio.gather(*ran)) == [0, 1]

    played(postgres.fresh(), scenario, stores=2)


def test_waiting_transactions_are_committed_together(postgres):
    dsn = postgres.fresh()

    async def scenario(store):
        await asyncio.gather(*(write(store, everything) for _ in range(100)))

    played(dsn, scenario)
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT set_config('whetstone.workspace', %s, true)", (HERE,))
        ((commits, records),) = connection.execute(
            "SELECT COUNT(DISTINCT xmin::text), COUNT(*) FROM audit_log"
        ).fetchall()
    assert records == 100
    assert commits <= 20


def test_who_is_chosen_to_give_way_in_a_deadlock_writes_again(postgres):
    """That is who has waited for a second: the store, unless the other came even later."""

    async def crossed(store, other, writing):
        async with other._pool.connection() as connection:
            for sql in (
                "BEGIN",
                f"SELECT set_config('whetstone.workspace', '{HERE}', true)",
                "UPDATE content_keys SET doc = doc WHERE id = 'b'",
            ):
                await connection.execute(sql)
            writing.append(
                asyncio.create_task(
                    write(store, puts(CONTENT_KEYS, key("a", "new"), key("b", "new")))
                )
            )
            await waits_for_a_lock(store)
            await connection.execute("UPDATE content_keys SET doc = doc WHERE id = 'a'")
            await connection.execute("COMMIT")

    async def scenario(store, other):
        for _ in range(10):
            await write(store, puts(CONTENT_KEYS, key("a"), key("b")))
            writing = []
            try:
                await crossed(store, other, writing)
                other_gave_way = False
            except Contended:
                other_gave_way = True
            await asyncio.gather(*writing)
            found = await store.get_many(HERE, CONTENT_KEYS, ["a", "b"])
            assert [one.entry_id for one in found] == ["new", "new"]
            if not other_gave_way:
                return
        pytest.fail("the store was never the one that had waited longer")

    played(postgres.fresh(), scenario, stores=2)
