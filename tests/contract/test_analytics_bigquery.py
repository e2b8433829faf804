"""BigQuery keeps the contract of analytics, fed with rows that come late, twice and out of order.

The statements are executed as they are sent, on DuckDB; see tests/fakes/bigquery.py for what that
proves and what it does not.
"""

import asyncio
import json
import tempfile
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters import analytics_bigquery
from shared.adapters.analytics_bigquery import PERMISSION, BigQueryAnalytics
from shared.adapters.evidence_sqlite import SqliteEvidence
from shared.adapters.feed_pubsub import encoded
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.feedback import OutcomeEvidence, RatingEvidence
from shared.errors import InvalidInput, Unavailable
from shared.ports import EvidenceRow
from tests.contract.store_records import HERE, RATING, THERE
from tests.contract.store_suite_sums import SumsSuite
from tests.contract.test_store import OUTCOMES, RATINGS
from tests.fakes.bigquery import SCHEMAS, BigQueryServer, schema
from tests.support.exporting import FedAnalytics

pytestmark = pytest.mark.contract


class TestBigQueryAnalytics(SumsSuite):
    @pytest.fixture(autouse=True)
    def server(self):
        with BigQueryServer() as server:
            self.open_pair = lambda root: opened(root, server)
            yield


def opened(root, server):
    store = SqliteStore(root / "whetstone.db")
    return store, FedAnalytics(store, SqliteEvidence(store.path), server)


@given(ratings=RATINGS, outcomes=OUTCOMES, after=st.integers(0, 5), upto=st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_sums_equal_plain_addition_on_bigquery(ratings, outcomes, after, upto):
    suite = TestBigQueryAnalytics()
    with BigQueryServer() as server, tempfile.TemporaryDirectory() as folder:
        suite.open_pair = lambda root: opened(root, server)
        suite.check_sums(Path(folder), ratings, outcomes, after, upto)


@pytest.fixture
def server():
    with BigQueryServer() as server:
        yield server


@pytest.fixture
def analytics(server, request):
    return connected(server, request, head_age_s=0)


def connected(server, request, **how):
    made = BigQueryAnalytics(server.project, server.dataset, endpoint=server.url, **how)
    request.addfinalizer(lambda: asyncio.run(made.close()))
    return made


def arrive(server, *places, workspace=HERE):
    for place in places:
        row = EvidenceRow(workspace, place, replace(RATING, feedback_id=f"fb_{place}"))
        server.deliver("evidence_ratings", encoded(row))


def head(analytics, workspace=HERE):
    return asyncio.run(analytics.head(workspace))[0]


# --- the head -------------------------------------------------------------------------------------


def test_the_head_waits_for_the_row_that_is_missing(server, analytics):
    assert head(analytics) == 0
    arrive(server, 2, 3, 5)
    assert head(analytics) == 0
    arrive(server, 1)
    assert head(analytics) == 3
    arrive(server, 4)
    assert head(analytics) == 5


@given(places=st.lists(st.integers(1, 12), max_size=20), window=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_the_head_is_the_longest_unbroken_start_however_rows_come(places, window):
    with BigQueryServer() as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(analytics_bigquery, "WINDOW", window)
        analytics = BigQueryAnalytics(
            server.project, server.dataset, endpoint=server.url, head_age_s=0
        )
        for count, place in enumerate(places, 1):
            arrive(server, place)
            arrived, whole = set(places[:count]), 0
            while whole + 1 in arrived:
                whole += 1
            assert head(analytics) == whole
        asyncio.run(analytics.close())


def test_the_head_is_each_workspaces_own(server, analytics):
    arrive(server, 1, 2)
    arrive(server, 1, workspace=THERE)
    assert (head(analytics), head(analytics, THERE), head(analytics, "third")) == (2, 1, 0)


def test_a_head_is_looked_for_beyond_the_one_before_and_not_again_while_it_is_young(
    server, request
):
    analytics = connected(server, request, head_age_s=1000)
    arrive(server, 1)
    assert head(analytics) == 1
    arrive(server, 2)
    assert head(analytics) == 1
    assert len(server.asked) == 2


# --- rows that come twice -------------------------------------------------------------------------


def test_a_row_that_arrived_three_times_counts_once(server, analytics):
    arrive(server, 1, 1, 2, 1)
    (sums,) = asyncio.run(analytics.rating_sums(HERE, 0, 2))
    assert (sums.n, sums.quality) == (2, 2 * RATING.quality)
    (quality,) = asyncio.run(analytics.quality_sums(HERE, 0, 2))
    assert quality.n == 2
    assert head(analytics) == 2


def test_nothing_in_a_name_of_a_workspace_is_read_as_sql(server, analytics):
    tricky = "x' OR '1'='1"
    arrive(server, 1)
    assert head(analytics, tricky) == 0
    arrive(server, 1, 2, workspace=tricky)
    (sums,) = asyncio.run(analytics.rating_sums(tricky, 0, 5))
    assert sums.n == 2
    assert not any("OR '1'" in sql for sql in server.asked)


# --- the tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "kind"),
    [("evidence_ratings", RatingEvidence), ("evidence_outcomes", OutcomeEvidence)],
)
def test_a_table_has_the_place_and_every_figure_of_a_row_none_missing(table, kind):
    names = {str: "STRING", int: "INTEGER", float: "FLOAT"}
    declared = [("workspace", "STRING"), ("seq", "INTEGER")]
    declared += [(one.name, names.get(one.type, "STRING")) for one in fields(kind)]
    assert [(one["name"], one["type"]) for one in schema(table)] == declared
    assert {one["mode"] for one in schema(table)} == {"REQUIRED"}
    assert all(one["description"] for one in schema(table))


def test_there_is_one_table_for_each_log():
    assert sorted(path.stem for path in SCHEMAS.glob("*.json")) == [
        "evidence_outcomes",
        "evidence_ratings",
    ]


def test_a_message_is_its_row_as_json():
    row = json.loads(encoded(EvidenceRow(HERE, 7, replace(RATING, pattern="é"))))
    assert (row["workspace"], row["seq"], row["pattern"]) == (HERE, 7, "é")
    assert row["cost_nanousd"] == RATING.cost_nanousd


# --- what does not work ---------------------------------------------------------------------------


def test_a_passing_failure_is_tried_again(server, analytics):
    arrive(server, 1)
    server.failures = [503]
    assert head(analytics) == 1
    assert server.labels == {"application": "whetstone"}


def test_a_missing_permission_is_named(server, analytics):
    server.failures = [403] * 2
    with pytest.raises(Unavailable, match=PERMISSION):
        head(analytics)


def test_a_table_that_does_not_exist_is_unavailable_and_named(server, request):
    other = BigQueryAnalytics(server.project, "other", endpoint=server.url)
    request.addfinalizer(lambda: asyncio.run(other.close()))
    with pytest.raises(Unavailable, match=r"local\.other\.evidence_\w+ does not exist"):
        head(other)


def test_a_server_that_stays_away_is_given_up(server, request):
    analytics = connected(server, request, deadline_s=0.3)
    server.failures = [503] * 100
    with pytest.raises(Unavailable, match="evidence_"):
        asyncio.run(analytics.rating_sums(HERE, 0, 1))


@pytest.mark.parametrize(("project", "dataset"), [("p`", "d"), ("p", "d; DROP"), ("", "d")])
def test_a_name_that_could_be_read_as_sql_is_refused(project, dataset):
    with pytest.raises(InvalidInput, match="not the name"):
        BigQueryAnalytics(project, dataset)


def test_without_credentials_nothing_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(Unavailable, match="no credentials"):
        head(BigQueryAnalytics("local", "learning"))
