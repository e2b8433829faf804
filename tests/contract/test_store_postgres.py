"""The PostgreSQL store keeps the contract of its ports."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.store_suite import StoreSuite
from tests.contract.test_store import OUTCOMES, RATINGS

pytestmark = pytest.mark.contract


class TestPostgresStore(StoreSuite):
    @pytest.fixture(autouse=True)
    def server(self, postgres):
        self.open_pair = postgres.open_pair


@given(ratings=RATINGS, outcomes=OUTCOMES, after=st.integers(0, 5), upto=st.integers(0, 50))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_sums_equal_plain_addition_on_postgres(postgres, ratings, outcomes, after, upto):
    suite = TestPostgresStore()
    suite.open_pair = postgres.open_pair
    suite.check_sums(object(), ratings, outcomes, after, upto)
