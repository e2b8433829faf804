"""The Firestore store keeps the contract, on Google's own emulator."""

from pathlib import Path

import pytest

from shared.adapters.analytics_firestore import FirestoreAnalytics
from shared.adapters.store_firestore import FirestoreStore
from tests.contract.store_suite import StoreSuite
from tests.support.firestore_fixture import new_project

pytestmark = pytest.mark.contract


@pytest.fixture(autouse=True)
def emulator(firestore_server, monkeypatch):
    for name, value in firestore_server.environment.items():
        monkeypatch.setenv(name, value)


_projects: dict[Path, str] = {}


def open_firestore(root):
    """Opens the project that belongs to a folder, so that a folder opened again is a restart."""
    store = FirestoreStore(_projects.setdefault(root, new_project()))
    return store, FirestoreAnalytics(store)


class TestFirestoreStore(StoreSuite):
    open_pair = staticmethod(open_firestore)
