"""The services on Firestore: their own tests, run once more, and an index for every query.

Each test of the modules below builds its System on the Firestore store in place of the SQLite one.
"""

import importlib
import inspect
import re
from pathlib import Path
from typing import ClassVar

import pytest

from shared.adapters.analytics_firestore import FirestoreAnalytics
from shared.adapters.store_firestore import FirestoreStore
from tests.support.firestore_coverage import Indexes, recorded, shape_of
from tests.support.firestore_fixture import new_project

pytestmark = pytest.mark.contract

MODULES = (
    "access",
    "alerting",
    "claiming",
    "conversing",
    "leasing",
    "learning_status",
    "outcomes",
    "publication_log",
    "publishing",
    "rating",
    "relaying",
    "requesting",
    "review_reading",
    "reviewing",
    "rolling_back",
    "scheduling",
    "summarizing",
    "training",
    "trusting",
)

_SQL = re.compile(r"\brows\(system|_reading|_writing|sqlite|multiprocessing")
"""Marks a test that looks into the SQLite file, or has other processes open it."""

for _name in MODULES:
    _module = importlib.import_module(f"tests.unit.services.test_{_name}")
    for _test, _function in vars(_module).items():
        if _test.startswith("test_") and not _SQL.search(inspect.getsource(_function)):
            globals()[f"{_test}__{_name}"] = _function


class _Store(FirestoreStore):
    """Stands where the SQLite store stood, with a database for each folder."""

    databases: ClassVar[dict[Path, str]] = {}

    def __init__(self, path: Path) -> None:
        super().__init__(self.databases.setdefault(path, new_project()))

    @property
    def path(self):
        return self


@pytest.fixture(autouse=True)
def on_firestore(firestore_server, monkeypatch):
    for name, value in firestore_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tests.support.system.SqliteStore", _Store)
    monkeypatch.setattr("tests.support.system.SqliteAnalytics", FirestoreAnalytics)


@pytest.fixture(autouse=True)
def indexes_are_listed():
    indexes = Indexes()
    with recorded() as sent:
        yield
    asked = [one for one in sent if "expires_at" not in shape_of(one).ranges]
    assert [missing for query in asked if (missing := indexes.misses(query))] == []
