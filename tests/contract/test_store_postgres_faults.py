"""The PostgreSQL store among others and among faults: races, restarts, lost answers, relays."""

import asyncio
import base64
import itertools
import json
import logging
import random
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from localcloud.postgres import LocalPostgres
from shared.adapters import postgres_pool
from shared.adapters.analytics_postgres import PostgresAnalytics
from shared.adapters.postgres_login import DsnLogin
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.store_postgres import PostgresStore
from shared.domain.audit import ChainCheck
from shared.domain.entries import CONTENT_KEYS, ENTRIES
from shared.domain.feedback import CONVERSATIONS
from shared.domain.operations import CONSUMED, Consumed
from shared.domain.records import Filter, Order
from shared.domain.times import to_text
from shared.errors import AlreadyExists, Conflict, InvalidInput, Unavailable
from tests.contract.store_records import (
    HERE,
    NOW,
    RATING,
    THERE,
    audit_entry,
    creates,
    entry,
    event,
    everything,
    key,
    puts,
    raise_count,
    write,
)
from tests.support.cutting_proxy import CuttingProxy
from tests.support.postgres_fixture import pool_on

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
PENDING = Filter("state", "==", "pending_approval")


def played(dsn, scenario, *, stores=1, **options):
    """Runs a scenario over stores that share a database, as instances of a function do."""

    async def whole():
        opened = [PostgresStore(pool_on(dsn), **options) for _ in range(stores)]
        try:
            return await scenario(*opened)
        finally:
            for store in opened:
                await store.close()

    return asyncio.run(whole())


async def chain_of(store, workspace=HERE):
    check = ChainCheck()
    check.feed(await store.audit_chain(workspace, 0, 10**6))
    return check.checked, check.first_broken


# --- races ----------------------------------------------------------------------------------------


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


@asynccontextmanager
async def locked(store, workspace=HERE):
    """Holds the lock under which a workspace commits."""
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('whetstone:' || %s, 0))"
    async with store._pool.connection() as connection:
        await connection.execute("BEGIN")
        await connection.execute(lock, (workspace,))
        yield
        await connection.execute("COMMIT")


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


# --- faults ---------------------------------------------------------------------------------------


@pytest.fixture
def server():
    """A server of its own, durable, to be killed."""
    with tempfile.TemporaryDirectory(prefix="whetstone-postgres-") as folder:
        Path(folder).chmod(0o755)
        with LocalPostgres(Path(folder) / "data") as running:
            yield running


def mark_of(number):
    return f"w{number:06d}"


async def write_marked(store, number):
    mark = mark_of(number)

    async def work(tx):
        known = await tx.get(CONVERSATIONS, "conversations")
        tx.create(CONTENT_KEYS, key(mark))
        tx.audit(audit_entry(mark))
        tx.emit(event(mark))
        tx.append(replace(RATING, feedback_id=mark))
        tx.add("written", {"n": 1})
        return known

    await store.transact(HERE, work)


@pytest.mark.crash
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_server_that_ends_in_the_middle_loses_nothing_told_and_the_store_goes_on(server, end):
    async def scenario(store):
        numbers, enough = itertools.count(), asyncio.Event()
        told, refused = [], []

        async def lane():
            while not refused:
                number = next(numbers)
                try:
                    await write_marked(store, number)
                except Unavailable as error:
                    refused.append(error)
                else:
                    told.append(mark_of(number))
                if len(told) >= 60:
                    enough.set()

        async def end_it():
            await enough.wait()
            await asyncio.to_thread(getattr(server, end))

        await asyncio.gather(end_it(), *(lane() for _ in range(6)))
        with pytest.raises(Unavailable):
            await store.ping()
        await asyncio.to_thread(server.start)
        await write_marked(store, next(numbers))
        chain = await store.audit_chain(HERE, 0, 10**6)
        subjects = {one.subject for one in chain}
        assert set(told) <= subjects
        assert await chain_of(store) == (len(chain), None)
        assert await store.count(HERE, CONTENT_KEYS, at_most=10**6) == len(chain)
        assert await store.counters(HERE, "") == {"written": {"n": len(chain)}}
        assert {one.event.event_id for one in await store.outbox(10**6)} == subjects

    played(server.dsn, scenario)


def test_a_store_without_a_server_is_unavailable(server):
    dsn = server.dsn
    server.stop()

    async def scenario(store):
        async def nothing(tx):
            return await tx.get(ENTRIES, "a")

        analytics = PostgresAnalytics(pool_on(dsn))
        for attempt in (
            store.ping,
            lambda: store.get(HERE, ENTRIES, "a"),
            lambda: store.find(HERE, ENTRIES),
            lambda: store.outbox(1),
            lambda: store.purge_expired(NOW, 1),
            lambda: store.transact(HERE, nothing),
            lambda: write(store, everything),
            lambda: write(store, puts(CONTENT_KEYS, key("a"))),
            lambda: analytics.head(HERE),
        ):
            with pytest.raises(Unavailable):
                await attempt()

    played(dsn, scenario)


@pytest.mark.parametrize("blind", [True, False])
def test_a_commit_whose_answer_is_lost_is_unavailable_and_safe_to_repeat(postgres, blind):
    dsn = postgres.fresh()

    async def scenario():
        async with CuttingProxy(postgres.server.port) as proxy:
            store = PostgresStore(
                pool_on(dsn.replace(f":{postgres.server.port}/", f":{proxy.port}/"))
            )

            async def once(tx):
                if not blind and await tx.get(CONTENT_KEYS, "done") is not None:
                    return "again"
                tx.create(CONTENT_KEYS, key("done"))
                tx.add("c", {"n": 1})
                return "first"

            await store.ping()
            proxy.cut_answer_to(b"INSERT INTO counters")  # with it goes COMMIT
            with pytest.raises(Unavailable):
                await store.transact(HERE, once)
            if blind:
                with pytest.raises(AlreadyExists):
                    await store.transact(HERE, once)
            else:
                assert await store.transact(HERE, once) == "again"
            assert await store.counters(HERE, "c") == {"c": {"n": 1}}
            await store.close()

    asyncio.run(scenario())


def test_connections_that_were_cut_while_they_rested_are_replaced_without_an_error(postgres):
    dsn = postgres.fresh()

    async def scenario():
        async with CuttingProxy(postgres.server.port) as proxy:
            store = PostgresStore(
                pool_on(dsn.replace(f":{postgres.server.port}/", f":{proxy.port}/"))
            )
            for _ in range(3):
                assert await raise_count(store) > 0
                proxy.cut()
                await asyncio.sleep(0.02)
            await store.close()

    asyncio.run(scenario())


def test_a_statement_that_takes_too_long_is_unavailable(postgres):
    dsn = postgres.fresh()

    async def scenario(store):
        async with store._pool.connection() as connection:
            await connection.execute("SET statement_timeout = 20")
        with pytest.raises(Unavailable):
            async with store._pool.connection() as connection:
                await connection.execute("SELECT pg_sleep(5)")
        await store.ping()

    played(dsn, scenario)


def test_values_that_cannot_be_stored_are_invalid_also_in_questions(postgres):
    async def scenario(store):
        nul = Filter("topic", "==", "a\x00b")
        for attempt in (
            lambda: write(store, puts(CONTENT_KEYS, key("a\x00"))),
            lambda: write(store, lambda tx: tx.append(replace(RATING, cost_nanousd=2**80))),
            lambda: store.get(HERE, CONTENT_KEYS, "a\x00"),
            lambda: store.find(HERE, ENTRIES, PENDING, nul, order=Order("submitted_at")),
            lambda: store.transact(HERE, lambda tx: tx.get(CONTENT_KEYS, "\ud800")),
        ):
            with pytest.raises(InvalidInput):
                await attempt()
        assert await raise_count(store) == 1

    played(postgres.fresh(), scenario)


def forged(cursor, last):
    """Returns cursors of the same list with a part of another type."""
    padded = cursor + "=" * (-len(cursor) % 4)
    fingerprint, _, record_id = json.loads(base64.urlsafe_b64decode(padded))
    bodies = (f'["{fingerprint}",{last},"{record_id}"]', f'["{fingerprint}",0.5,{last}]')
    return [base64.urlsafe_b64encode(body.encode()).decode() for body in bodies]


def test_refused_work_leaves_the_statements_behind_it_as_they_were(postgres):
    """The driver prepares what it has sent often, and must not count on what was never executed."""

    async def scenario(store):
        for number in range(30):
            with pytest.raises(InvalidInput):
                await store.get(HERE, CONTENT_KEYS, f"{number}\x00")
            await write(store, creates(CONTENT_KEYS, key(f"a{number}")))
            with pytest.raises(AlreadyExists):
                await write(
                    store, creates(CONTENT_KEYS, key(f"a{number}")), lambda tx: tx.emit(event("e"))
                )
            with pytest.raises(InvalidInput):
                await write(store, everything, lambda tx: tx.append(replace(RATING, sign=2**70)))
            await write(store, everything)
        assert await chain_of(store) == (30, None)

    played(postgres.fresh(), scenario)


@pytest.mark.parametrize("last", ["7", '"x"', "true", "null", "1e300", '"\\u0000"'])
def test_a_forged_cursor_is_refused_or_read_but_never_breaks(postgres, last):
    async def scenario(store):
        order = Order("confidence_score")
        await write(store, puts(ENTRIES, *(entry(number) for number in range(5))))
        page = await store.find(HERE, ENTRIES, PENDING, order=order, limit=1)
        for cursor in forged(page.next_cursor, last):
            with suppress(InvalidInput):
                found = await store.find(HERE, ENTRIES, PENDING, order=order, cursor=cursor)
                assert len(found.items) <= 5

    played(postgres.fresh(), scenario)


# --- processes ------------------------------------------------------------------------------------


def start_writer(place, name, count):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.store_writer", place, name, str(count)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_on_an_empty_database_migrate_it_and_lose_nothing(postgres):
    dsn = postgres.fresh("template1")
    writers = [start_writer(dsn, name, 60) for name in "xy"]
    try:
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        told = [line for one in writers for line in one.communicate("\n", 60)[0].split()]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert [writer.returncode for writer in writers] == [0, 0]

    async def scenario(store):
        assert sorted(one.subject for one in await store.audit_chain(HERE, 0, 999)) == sorted(told)
        assert await chain_of(store) == (120, None)
        assert (await store.get(HERE, CONVERSATIONS, "conversations")).completed == 120
        assert await store.counters(HERE, "") == {"written": {"n": 120}}

    played(dsn, scenario)


# --- outbox ---------------------------------------------------------------------------------------


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


async def waits_for_a_lock(store):
    """Returns when a statement of this database waits for another."""
    waiting = (
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    found = None
    while found is None:
        async with store._pool.connection() as connection:
            found = await (await connection.execute(waiting)).fetchone()


# --- life -----------------------------------------------------------------------------------------


def test_a_store_serves_one_loop_after_the_other(postgres):
    store = PostgresStore(pool_on(postgres.fresh()))
    assert [asyncio.run(raise_count(store)) for _ in range(3)] == [1, 2, 3]
    asyncio.run(store.close())


def test_nothing_connects_before_it_is_used_and_a_closed_store_is_unavailable(postgres):
    async def scenario():
        connected = []

        class Counted(DsnLogin):
            async def __call__(self):
                connected.append(1)
                return await super().__call__()

        store = PostgresStore(PostgresPool(Counted(postgres.fresh())))
        assert connected == []
        await store.ping()
        assert connected == [1]
        await store.close()
        for attempt in (
            lambda: raise_count(store),
            lambda: store.get(HERE, CONTENT_KEYS, "a"),
            lambda: store.outbox(1),
            store.ping,
        ):
            with pytest.raises(Unavailable):
                await attempt()

    asyncio.run(scenario())


def test_a_pool_lends_no_more_than_its_size_and_gives_up_in_time(postgres):
    async def scenario():
        pool = pool_on(postgres.fresh(), size=2, wait_s=0.02)
        async with pool.connection(), pool.connection():
            with pytest.raises(Unavailable, match="wait"):
                async with pool.connection():
                    pass
        async with pool.connection() as connection:
            assert not connection.closed
        await pool.close()

    asyncio.run(scenario())


def backend_of(pool):
    async def ask():
        async with pool.connection() as connection:
            return connection.info.backend_pid

    return ask()


@pytest.mark.parametrize(
    ("limit", "kept"), [(None, True), ("LIFETIME_S", False), ("TRUSTED_S", True)]
)
def test_a_connection_is_kept_while_it_is_young_and_answers(postgres, monkeypatch, limit, kept):
    if limit is not None:
        monkeypatch.setattr(postgres_pool, limit, 0.0)

    async def scenario():
        pool = pool_on(postgres.fresh())
        assert (await backend_of(pool) == await backend_of(pool)) is kept
        await pool.close()

    asyncio.run(scenario())


def test_a_connection_that_does_not_answer_after_a_rest_is_replaced(postgres, monkeypatch):
    """As where the network has forgotten it: nothing says so, and nothing comes back."""
    monkeypatch.setattr(postgres_pool, "TRUSTED_S", 0.0)
    monkeypatch.setattr(postgres_pool, "ANSWER_S", 0.05)
    dsn = postgres.fresh()

    async def scenario():
        async with CuttingProxy(postgres.server.port) as proxy:
            pool = pool_on(dsn.replace(f":{postgres.server.port}/", f":{proxy.port}/"))
            first = await backend_of(pool)
            proxy.hold_answer_to(b"SELECT 1")
            assert await backend_of(pool) != first
            await pool.close()

    asyncio.run(scenario())


def test_who_is_chosen_to_give_way_in_a_deadlock_writes_again(postgres):
    """That is who has waited longer: the store."""

    async def scenario(store, other):
        await write(store, puts(CONTENT_KEYS, key("a"), key("b")))
        async with other._pool.connection() as connection:
            for sql in (
                "BEGIN",
                f"SELECT set_config('whetstone.workspace', '{HERE}', true)",
                "UPDATE content_keys SET doc = doc WHERE id = 'b'",
            ):
                await connection.execute(sql)
            writing = asyncio.create_task(
                write(store, puts(CONTENT_KEYS, key("a", "new"), key("b", "new")))
            )
            await waits_for_a_lock(store)
            await connection.execute("UPDATE content_keys SET doc = doc WHERE id = 'a'")
            await connection.execute("COMMIT")
        await writing
        found = await store.get_many(HERE, CONTENT_KEYS, ["a", "b"])
        assert [one.entry_id for one in found] == ["new", "new"]

    played(postgres.fresh(), scenario, stores=2)
