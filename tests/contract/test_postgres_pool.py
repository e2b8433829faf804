"""Connections to PostgreSQL: made late, kept while good, never too many."""

import asyncio

import pytest

from shared.adapters import postgres_pool
from shared.adapters.postgres_login import DsnLogin
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.store_postgres import PostgresStore
from shared.domain.entries import CONTENT_KEYS
from shared.errors import Unavailable
from tests.contract.store_records import (
    HERE,
    raise_count,
)
from tests.support.cutting_proxy import CuttingProxy
from tests.support.postgres_fixture import pool_on

pytestmark = pytest.mark.contract


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
