"""The list of Firestore's indexes follows from the declared queries, and serves them."""

import itertools
import json

import pytest
from click.testing import CliRunner

from shared.adapters.firestore_indexes import composite_indexes, field_rules, index_file
from shared.adapters.firestore_queries import counting, structured, walk
from shared.cli.main import main
from shared.domain import collections
from shared.domain.entries import ENTRIES
from shared.domain.records import Filter, Order
from tests.support.firestore_coverage import FILE, Indexes, shape_of

DECLARED = [(one, query) for one in collections.ALL for query in one.queries]


def filter_on(collection, name):
    lists = "list" in str(collection.record.model_fields[name].annotation)
    return Filter(name, "contains" if lists else "==", "x")


def test_the_file_is_what_the_declared_queries_ask_for():
    assert json.loads(FILE.read_text("utf-8")) == index_file()


def test_the_command_writes_it_and_says_where_it_is_out_of_date(tmp_path):
    file = tmp_path / "firestore.indexes.json"
    file.write_text("{}", "utf-8")
    command = ["firestore-indexes", "--file", str(file)]
    assert CliRunner().invoke(main, [*command, "--check"]).exit_code == 1
    assert file.read_text("utf-8") == "{}"
    assert CliRunner().invoke(main, command).exit_code == 0
    assert file.read_bytes() == FILE.read_bytes()
    assert CliRunner().invoke(main, [*command, "--check"]).exit_code == 0


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("collection", "query"), DECLARED, ids=lambda one: getattr(one, "name", 0))
def test_every_declared_query_however_narrowed_has_its_indexes(collection, query, descending):
    equal = [Filter(name, "==", "x") for name in query.equal]
    order = Order(query.order, descending)
    indexes = Indexes()
    for many in range(len(query.narrow) + 1):
        for names in itertools.combinations(query.narrow, many):
            narrowing = [filter_on(collection, name) for name in names]
            for more in ([], [Filter(query.order, ">=", "x")] if query.order != "id" else []):
                asked = walk("w", collection, [*equal, *narrowing, *more], order)
                assert indexes.misses(asked.query) is None


@pytest.mark.parametrize(("collection", "query"), DECLARED, ids=lambda one: getattr(one, "name", 0))
def test_every_count_is_served_or_walked(collection, query):
    indexes = Indexes()
    for many in range(len(collection.all_columns) + 1)[:3]:
        for names in itertools.combinations(collection.all_columns, many):
            for operator in ("==", ">="):
                made = counting(collection, [Filter(name, operator, "x") for name in names])
                assert made is None or indexes.misses(made) is None


def test_no_index_is_there_that_no_declared_query_asks_for():
    """Each composite index is missed by a query as soon as it is gone."""
    listed = json.loads(FILE.read_text("utf-8"))
    asked = []
    for collection, query in DECLARED:
        equal = [Filter(name, "==", "x") for name in query.equal]
        for descending in (False, True):
            order = Order(query.order, descending)
            asked.append(walk("w", collection, equal, order).query)
            for name in query.narrow:
                filters = [*equal, filter_on(collection, name)]
                asked.append(walk("w", collection, filters, order).query)
    asked += [
        structured("audit_log", [(name, "==", "x")], [("seq", True)])
        for name in ("action", "actor", "subject")
    ]
    asked.append(structured("outbox", [("lane", "==", 1)], [("at", False)]))
    wanted = {frozenset(_fields(shape_of(query))) for query in asked}
    for one in listed["indexes"]:
        fields = {(part["fieldPath"], *_way(part)) for part in one["fields"]}
        assert any(fields <= {*want} for want in wanted if (one["collectionGroup"],) in want), one
    assert len({json.dumps(one) for one in listed["indexes"]}) == len(listed["indexes"])


def _fields(shape):
    yield (shape.collection,)
    yield from ((name, "ASCENDING") for name in shape.equal)
    yield from ((name, "CONTAINS") for name in shape.lists)
    yield from (one for one in shape.orders if one[0] != "__name__")


def _way(part):
    return (part.get("order") or part["arrayConfig"],)


@pytest.mark.parametrize(
    "query",
    [
        structured("entries", [("state", "==", "x")], [("topic", False)]),
        structured("entries", [("risk", "==", 1)]),
        structured("entries", [("state", "==", "x")], everywhere=True),
        structured("entries", [("tags", "contains", "x")], [("submitted_at", False)]),
        structured("entries", [("state", "==", "x"), ("topic", "==", "x")], [("id", False)]),
        structured("entries", [("confidence_score", ">=", 1)], [("submitted_at", False)]),
        structured("outbox", (), [("at", False)]),
        structured("consumed_events", [("expires_at", "<=", 1)], [("expires_at", False)]),
    ],
)
def test_a_query_without_an_index_is_noticed(query):
    assert Indexes().misses(query) is not None


def test_the_record_itself_is_never_indexed_and_every_end_is_a_ttl():
    rules = {(one.collection, one.field): one for one in field_rules()}
    for collection in collections.ALL:
        assert rules[collection.name, "doc"].own == ()
        if collection.expires is not None:
            assert rules[collection.name, collection.expires].expires


def test_firestores_limits_on_indexes_are_kept():
    assert len(composite_indexes()) <= 200
    assert len(field_rules()) <= 200
    assert all(len(one.fields) <= 100 for one in composite_indexes())


def test_a_narrowing_that_is_not_declared_is_applied_here():
    order = Order("submitted_at")
    filters = [Filter("state", "==", "approved"), Filter("revision", "==", 2)]
    asked = walk("w", ENTRIES, filters, order)
    assert [one.field for one in asked.rest] == ["revision"]
    assert shape_of(asked.query).equal == {"state"}
