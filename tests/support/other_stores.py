"""A System on the stores that processes share, in the place of SQLite."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Self

import pytest

from shared.adapters.analytics_firestore import FirestoreAnalytics
from shared.adapters.analytics_postgres import PostgresAnalytics
from shared.adapters.evidence_firestore import FirestoreEvidence
from shared.adapters.evidence_postgres import PostgresEvidence
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.store_firestore import FirestoreStore
from shared.adapters.store_postgres import PostgresStore
from tests.support.firestore_fixture import new_project
from tests.support.postgres_fixture import pool_on


class _Firestore(FirestoreStore):
    """Stands where the SQLite store stood, with a database for each folder."""

    projects: ClassVar[dict[Path, str]] = {}

    def __init__(self, path: Path) -> None:
        super().__init__(self.projects.setdefault(path, new_project()))

    @property
    def path(self) -> Self:
        """What its analytics and its evidence are made of."""
        return self


def on_firestore(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """Builds each System on Firestore's emulator from now on; needs `firestore_server`."""
    for name, value in request.getfixturevalue("firestore_server").environment.items():
        patch.setenv(name, value)
    patch.setattr("tests.support.system.SqliteStore", _Firestore)
    patch.setattr("tests.support.system.SqliteAnalytics", FirestoreAnalytics)
    patch.setattr("tests.support.system.SqliteEvidence", FirestoreEvidence)


def on_postgres(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """Builds each System on PostgreSQL from now on; needs `postgres`."""
    databases = request.getfixturevalue("postgres")

    class Postgres(PostgresStore):
        def __init__(self, path: Path) -> None:
            self.path: PostgresPool = pool_on(databases.of(path))
            super().__init__(self.path)

    patch.setattr("tests.support.system.SqliteStore", Postgres)
    patch.setattr("tests.support.system.SqliteAnalytics", PostgresAnalytics)
    patch.setattr("tests.support.system.SqliteEvidence", PostgresEvidence)


STORES: Mapping[str, Callable[[pytest.FixtureRequest, pytest.MonkeyPatch], None]] = {
    "firestore": on_firestore,
    "postgres": on_postgres,
}
