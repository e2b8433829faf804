"""A System on the stores that processes share, in the place of SQLite.

A folder has a database of its own, which other processes over that folder share (see `joining`).
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import pytest

from shared.adapters.analytics_firestore import FirestoreAnalytics
from shared.adapters.analytics_postgres import PostgresAnalytics
from shared.adapters.archive_firestore import FirestoreArchive
from shared.adapters.archive_postgres import PostgresArchive
from shared.adapters.evidence_firestore import FirestoreEvidence
from shared.adapters.evidence_postgres import PostgresEvidence
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.store_firestore import FirestoreStore
from shared.adapters.store_postgres import PostgresStore
from tests.support.joining import CHOSEN
from tests.support.postgres_fixture import pool_on


class _Firestore(FirestoreStore):
    """Stands where the SQLite store stood: a project for each folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"test-{hashlib.sha256(str(path).encode()).hexdigest()[:20]}")

    @property
    def path(self) -> Self:
        """What its analytics, its evidence and its archive are made of."""
        return self


class _Postgres(PostgresStore):
    """Stands where the SQLite store stood: on the database that a file of the folder names."""

    def __init__(self, path: Path) -> None:
        self.path: PostgresPool = pool_on(_dsn_file(path).read_text("utf-8"))
        super().__init__(self.path)


def _dsn_file(path: Path) -> Path:
    return path.with_suffix(".dsn")


_CLASSES: Mapping[str, Mapping[str, object]] = {
    "firestore": {
        "SqliteStore": _Firestore,
        "SqliteAnalytics": FirestoreAnalytics,
        "SqliteEvidence": FirestoreEvidence,
        "SqliteArchive": FirestoreArchive,
    },
    "postgres": {
        "SqliteStore": _Postgres,
        "SqliteAnalytics": PostgresAnalytics,
        "SqliteEvidence": PostgresEvidence,
        "SqliteArchive": PostgresArchive,
    },
}


def put(patch: pytest.MonkeyPatch, store: str) -> None:
    """Builds each System on a store from now on, where its server is known already."""
    for name, instead in _CLASSES[store].items():
        patch.setattr(f"tests.support.system.{name}", instead)
    patch.setenv(CHOSEN, store)


def on_firestore(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """Builds each System on Firestore's emulator from now on; needs `firestore_server`."""
    for name, value in request.getfixturevalue("firestore_server").environment.items():
        patch.setenv(name, value)
    put(patch, "firestore")


def on_postgres(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """Builds each System on PostgreSQL from now on; needs `postgres`."""
    databases = request.getfixturevalue("postgres")

    class Here(_Postgres):
        def __init__(self, path: Path) -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not _dsn_file(path).exists():
                _dsn_file(path).write_text(databases.fresh(), encoding="utf-8")
            super().__init__(path)

    put(patch, "postgres")
    patch.setattr("tests.support.system.SqliteStore", Here)


STORES: Mapping[str, Callable[[pytest.FixtureRequest, pytest.MonkeyPatch], None]] = {
    "firestore": on_firestore,
    "postgres": on_postgres,
}
