"""The walls, the guard of every route and the learning loop, on the stores that processes share.

Each test of the modules below builds its System on Firestore, then on PostgreSQL, in place of
SQLite; the functions are the same apps. test_cloud has them in processes of their own.
"""

import importlib
from pathlib import Path
from typing import ClassVar

import pytest

from shared.adapters.analytics_firestore import FirestoreAnalytics
from shared.adapters.analytics_postgres import PostgresAnalytics
from shared.adapters.store_firestore import FirestoreStore
from shared.adapters.store_postgres import PostgresStore
from tests.support.firestore_fixture import firestore_server, new_project
from tests.support.postgres_fixture import pool_on, postgres

__all__ = ["firestore_server", "postgres"]

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

for _name in ("walls", "every_route", "learning_loop"):
    _module = importlib.import_module(f"tests.e2e.test_{_name}")
    for _test, _function in vars(_module).items():
        if _test.startswith("test_"):
            globals()[f"{_test}__{_name}"] = _function


class _Firestore(FirestoreStore):
    """Stands where the SQLite store stood, with a database for each folder."""

    projects: ClassVar[dict[Path, str]] = {}

    def __init__(self, path: Path) -> None:
        super().__init__(self.projects.setdefault(path, new_project()))

    @property
    def path(self):
        return self


def _on_firestore(request, monkeypatch):
    for name, value in request.getfixturevalue("firestore_server").environment.items():
        monkeypatch.setenv(name, value)
    return _Firestore, FirestoreAnalytics


def _on_postgres(request, _):
    databases = request.getfixturevalue("postgres")

    class Postgres(PostgresStore):
        def __init__(self, path: Path) -> None:
            self.path = pool_on(databases.of(path))
            super().__init__(self.path)

    return Postgres, PostgresAnalytics


STORES = {"firestore": _on_firestore, "postgres": _on_postgres}


@pytest.fixture(autouse=True, params=STORES)
def on_store(request, monkeypatch):
    store, analytics = STORES[request.param](request, monkeypatch)
    monkeypatch.setattr("tests.support.system.SqliteStore", store)
    monkeypatch.setattr("tests.support.system.SqliteAnalytics", analytics)
