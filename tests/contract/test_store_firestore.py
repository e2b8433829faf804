"""The Firestore store keeps the contract, on Google's emulator; every query has its index."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from shared.adapters.analytics_firestore import FirestoreAnalytics
from shared.adapters.store_firestore import FirestoreStore
from tests.contract.store_suite import StoreSuite
from tests.contract.test_store import OUTCOMES, RATINGS
from tests.support.firestore_coverage import Indexes, recorded, shape_of
from tests.support.firestore_fixture import new_project

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("on_firestore")]

_projects: dict[Path, str] = {}


@pytest.fixture(autouse=True)
def indexes_are_listed():
    """Whatever a test asks: the emulator needs no index for it, Firestore does.

    But for what has expired, which is looked for on the emulator only.
    """
    indexes = Indexes()
    with recorded() as sent:
        yield
    asked = [one for one in sent if "expires_at" not in shape_of(one).ranges]
    assert [missing for query in asked if (missing := indexes.misses(query))] == []


def open_firestore(root):
    """Opens the project that belongs to a folder, so that a folder opened again is a restart."""
    store = FirestoreStore(_projects.setdefault(root, new_project()))
    return store, FirestoreAnalytics(store)


class TestFirestoreStore(StoreSuite):
    open_pair = staticmethod(open_firestore)


@given(ratings=RATINGS, outcomes=OUTCOMES)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_sums_equal_plain_addition_on_firestore(ratings, outcomes):
    suite = TestFirestoreStore()
    suite.check_sums(Path(os.urandom(8).hex()), ratings, outcomes, 1, 30)
