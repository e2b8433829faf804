"""The walls, the guard of every route and the learning loop, on the stores that processes share.

Each test of the modules below builds its System on Firestore, then on PostgreSQL, in place of
SQLite; the functions are the same apps. test_cloud has them in processes of their own.
"""

import importlib

import pytest

from tests.support.other_stores import STORES

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.embedded("names its stores itself")]

for _name in ("walls", "every_route", "learning_loop"):
    _module = importlib.import_module(f"tests.e2e.test_{_name}")
    for _test, _function in vars(_module).items():
        if _test.startswith("test_"):
            globals()[f"{_test}__{_name}"] = _function


@pytest.fixture(autouse=True, params=STORES)
def on_store(request, monkeypatch):
    STORES[request.param](request, monkeypatch)
