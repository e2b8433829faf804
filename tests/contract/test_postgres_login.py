"""Logins to PostgreSQL: by a DSN, and through a connector that makes blocking connections."""

import asyncio

import psycopg
import pytest

from shared.adapters.postgres_login import CloudSqlLogin, DsnLogin
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.store_postgres import PostgresStore
from shared.errors import Unavailable
from tests.contract.store_records import everything, raise_count, write

pytestmark = pytest.mark.contract


class LocalConnector:
    """Connects to a server of this machine as the Cloud SQL connector does to an instance.

    Blocking, in a thread, with the options that it was given; it takes the same arguments.
    """

    def __init__(self, dsn):
        self.dsn = dsn
        self.asked = []
        self.closed = False

    async def connect_async(self, instance, driver, **options):
        self.asked.append((instance, driver, options))
        taken_by_google = ("enable_iam_auth", "ip_type", "user", "db", "timeout")
        given = {name: value for name, value in options.items() if name not in taken_by_google}
        return await asyncio.to_thread(psycopg.connect, self.dsn, **given)

    async def close_async(self):
        self.closed = True


class BrokenConnector:
    """Fails as the connector does where Google's API does not answer."""

    async def connect_async(self, *_, **__):
        raise OSError("no way to sqladmin.googleapis.com")


def login_over(connector):
    return CloudSqlLogin("p:r:i", "sa@p.iam", "whetstone", connector=lambda: connector)


def test_a_store_runs_on_what_the_connector_opens(postgres):
    connector = LocalConnector(postgres.fresh())

    async def scenario():
        store = PostgresStore(PostgresPool(login_over(connector), size=2))
        await asyncio.gather(*(raise_count(store) for _ in range(20)))
        await write(store, everything)
        assert await raise_count(store) == 21
        await store.close()

    asyncio.run(scenario())
    assert connector.closed
    assert 1 <= len(connector.asked) <= 2
    instance, driver, options = connector.asked[0]
    assert (instance, driver) == ("p:r:i", "psycopg")
    assert options["enable_iam_auth"] is True
    assert (options["user"], options["db"], options["ip_type"]) == (
        "sa@p.iam",
        "whetstone",
        "private",
    )


def test_each_loop_has_a_connector_of_its_own(postgres):
    made = []

    def make():
        made.append(LocalConnector(dsn))
        return made[-1]

    dsn = postgres.fresh()
    store = PostgresStore(
        PostgresPool(CloudSqlLogin("p:r:i", "sa@p.iam", "whetstone", connector=make))
    )
    assert made == []
    for number in range(1, 3):
        assert asyncio.run(raise_count(store)) == number
    assert len(made) == 2
    asyncio.run(store.close())


def test_without_credentials_of_google_the_store_is_unavailable(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    store = PostgresStore(PostgresPool(CloudSqlLogin("p:r:i", "sa@p.iam", "whetstone")))

    async def scenario():
        with pytest.raises(Unavailable, match="connector"):
            await store.ping()
        await store.close()

    asyncio.run(scenario())


def test_a_connector_that_fails_makes_the_store_unavailable():
    for connector in (BrokenConnector(), LocalConnector("host=127.0.0.1 port=1 dbname=x")):
        store = PostgresStore(PostgresPool(login_over(connector)))
        with pytest.raises(Unavailable):
            asyncio.run(store.ping())


@pytest.mark.parametrize("login", ["dsn", "connector"])
def test_limits_that_free_what_a_frozen_instance_holds_are_set(postgres, login):
    dsn = postgres.fresh()
    make = DsnLogin(dsn) if login == "dsn" else login_over(LocalConnector(dsn))

    async def scenario():
        pool = PostgresPool(make)
        async with pool.connection() as connection:
            rows = await connection.execute(
                "SELECT name FROM pg_settings WHERE name LIKE '%timeout' AND setting::int > 0"
            )
            limited = {name for (name,) in await rows.fetchall()}
        await pool.close()
        return limited

    assert asyncio.run(scenario()) >= {
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
    }
