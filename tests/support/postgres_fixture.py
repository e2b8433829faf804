"""A PostgreSQL server for a session of tests, and a fresh, migrated database for whoever asks."""

import asyncio
import itertools
import tempfile
from pathlib import Path

import pytest

from localcloud.postgres import LocalPostgres
from localcloud.process import StartError
from shared.adapters.analytics_postgres import PostgresAnalytics
from shared.adapters.postgres_login import DsnLogin
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.store_postgres import PostgresStore
from tests.support.backends import missing

TEMPLATE = "whetstone_template"


class Databases:
    """Databases of one server."""

    def __init__(self, server: LocalPostgres) -> None:
        self.server = server
        self._numbers = itertools.count()
        self._of_folder: dict[object, str] = {}

    def fresh(self, template: str = TEMPLATE) -> str:
        """Returns the DSN of a new database with the newest schema, or a copy of `template`."""
        return self.server.create_database(f"test_{next(self._numbers)}", template)

    def of(self, folder: object) -> str:
        """Returns the DSN of the folder's database, the same for the same folder."""
        if folder not in self._of_folder:
            self._of_folder[folder] = self.fresh()
        return self._of_folder[folder]

    def open_pair(self, folder: object) -> tuple[PostgresStore, PostgresAnalytics]:
        """Returns the store and the analytics on the folder's database."""
        pool = pool_on(self.of(folder))
        return PostgresStore(pool), PostgresAnalytics(pool)


def pool_on(dsn: str, **options: float) -> PostgresPool:
    """Returns a pool of connections to a database."""
    return PostgresPool(DsnLogin(dsn), **options)


async def _migrate(dsn: str) -> None:
    store = PostgresStore(pool_on(dsn))
    await store.ping()
    await store.close()


@pytest.fixture(scope="session")
def postgres():
    """The databases of a server that runs as long as the session."""
    with tempfile.TemporaryDirectory(prefix="whetstone-postgres-") as folder:
        Path(folder).chmod(0o755)  # its server runs as another user where this one is root
        server = LocalPostgres(Path(folder) / "data", durable=False)
        try:
            server.start()
        except StartError as error:
            missing(str(error))
        try:
            asyncio.run(_migrate(server.create_database(TEMPLATE)))
            yield Databases(server)
        finally:
            server.stop()
