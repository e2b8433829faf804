"""The PostgreSQL store among faults: killed servers, cut connections, lost answers, processes."""

import asyncio
import itertools
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud.postgres import LocalPostgres
from shared.adapters.analytics_postgres import PostgresAnalytics
from shared.adapters.store_postgres import PostgresStore
from shared.domain.entries import CONTENT_KEYS, ENTRIES
from shared.domain.feedback import CONVERSATIONS
from shared.errors import AlreadyExists, Unavailable
from tests.contract.postgres_steps import chain_of, played
from tests.contract.store_records import (
    HERE,
    NOW,
    RATING,
    audit_entry,
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
