"""The services on Firestore: their own tests, run once more, and an index for every query.

Each test of the modules below builds its System on the Firestore store in place of the SQLite one.
"""

import importlib
import inspect
import re

import pytest

from tests.support.firestore_coverage import Indexes, recorded, shape_of
from tests.support.other_stores import on_firestore

pytestmark = pytest.mark.contract

MODULES = (
    "access",
    "alerting",
    "claiming",
    "conversing",
    "drifting",
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


@pytest.fixture(autouse=True)
def on_the_emulator(request, monkeypatch):
    on_firestore(request, monkeypatch)


@pytest.fixture(autouse=True)
def indexes_are_listed():
    indexes = Indexes()
    with recorded() as sent:
        yield
    asked = [one for one in sent if "expires_at" not in shape_of(one).ranges]
    assert [missing for query in asked if (missing := indexes.misses(query))] == []
