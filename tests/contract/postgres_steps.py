"""Steps for tests of stores that share a PostgreSQL database."""

import asyncio
from contextlib import asynccontextmanager

from shared.adapters.store_postgres import PostgresStore
from shared.domain.audit import ChainCheck
from tests.contract.store_records import (
    HERE,
)
from tests.support.postgres_fixture import pool_on


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


@asynccontextmanager
async def locked(store, workspace=HERE):
    """Holds the lock under which a workspace commits."""
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('whetstone:' || %s, 0))"
    async with store._pool.connection() as connection:
        await connection.execute("BEGIN")
        await connection.execute(lock, (workspace,))
        yield
        await connection.execute("COMMIT")


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
