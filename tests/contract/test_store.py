"""Every store keeps the contract of its ports; one class an adapter."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.analytics_sqlite import SqliteAnalytics
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.feedback import OutcomeEvidence, RatingEvidence
from tests.contract.store_records import OUTCOME, RATING
from tests.contract.store_suite import StoreSuite

_FLAG = st.integers(0, 1)
_NAME = st.sampled_from(["a", "b", "é"])

RATINGS = st.lists(
    st.builds(
        RatingEvidence,
        at=st.just(RATING.at),
        day=st.integers(20_000, 20_001),
        feedback_id=st.just("fb"),
        request_id=st.just("req"),
        rater=st.just("ada"),
        pattern=_NAME,
        provider=_NAME,
        model=_NAME,
        snapshot_id=st.sampled_from(["", "snap_1"]),
        sign=st.sampled_from([1, -1]),
        quality=st.integers(1, 5),
        correct=_FLAG,
        cost_nanousd=st.integers(0, 10**15),
        costed=_FLAG,
        latency_ms=st.integers(0, 10**7),
        timed=_FLAG,
        propensity=st.just(0.5),
        cell=st.sampled_from(["", "3"]),
        weight=st.sampled_from([0, 256, 5120, 1 << 20]),
        input_tokens=st.integers(0, 1000),
        output_tokens=st.integers(0, 1000),
        tokened=_FLAG,
        standing=st.sampled_from([0, 2, 4]),
        arm=st.sampled_from(["", "can_1/candidate", "exp_2/a"]),
        epoch=st.integers(0, 1),
        bundle=st.sampled_from([-1, 0, 35]),
    ),
    max_size=40,
)
OUTCOMES = st.lists(
    st.builds(
        OutcomeEvidence,
        at=st.just(OUTCOME.at),
        day=st.integers(20_000, 20_001),
        second=st.integers(1, 20_002 * 86_400),
        recommendation_id=st.just("rec"),
        workflow_id=st.just("wf"),
        agent_id=_NAME,
        recommendation_type=_NAME,
        completed=_FLAG,
        points=st.integers(0, 2),
        quality=st.integers(0, 1000),
        timely=_FLAG,
        agreed=_FLAG,
        confident=_FLAG,
        confidence_millis=st.integers(0, 1000),
        evaluator=_NAME,
        ease_millis=st.integers(-1000, 1000),
    ),
    max_size=40,
)


def open_sqlite(root):
    store = SqliteStore(root / "whetstone.db")
    return store, SqliteAnalytics(store.path)


@pytest.mark.contract
class TestSqliteStore(StoreSuite):
    open_pair = staticmethod(open_sqlite)


@pytest.mark.contract
@given(ratings=RATINGS, outcomes=OUTCOMES, after=st.integers(0, 5), upto=st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_sums_equal_plain_addition_on_sqlite(ratings, outcomes, after, upto):
    with tempfile.TemporaryDirectory() as folder:
        suite = TestSqliteStore()
        suite.check_sums(Path(folder), ratings, outcomes, after, upto)
