"""The schema of the SQLite store: migrations, columns, indexes, plans, and views for operators."""

import asyncio
import shutil
import sqlite3
import threading
from contextlib import closing, contextmanager

import pytest

from shared.adapters import sqlite_schema
from shared.adapters.analytics_sqlite import SqliteAnalytics
from shared.adapters.local_files import exclusive
from shared.adapters.sqlite_statements import listing
from shared.adapters.store_sqlite import SqliteStore
from shared.domain import collections
from shared.domain.entries import CONTENT_KEYS, ENTRIES
from shared.domain.records import Filter, Order, Query
from shared.errors import CorruptData, Unavailable
from tests.contract.operator_views import SHOWN, write_shown
from tests.contract.store_records import (
    HERE,
    creates,
    entry,
    everything,
    key,
    may_be_none,
    puts,
    write,
)

pytestmark = pytest.mark.contract

OTHERS = {
    "audit_log",
    "outbox",
    "counters",
    "evidence_ratings",
    "evidence_outcomes",
    "evidence_prompts",
}
"""Tables that are no collection."""

QUERIES = [(one, query) for one in collections.ALL for query in one.queries]


def make_file(path):
    """Makes an empty store."""
    asyncio.run(SqliteStore(path).close())


def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "whetstone.db"
    make_file(path)
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 9999")
    with pytest.raises(Unavailable, match="9999"):
        SqliteStore(path)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (9999,)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "whetstone.db"
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(CorruptData, match="not a database"):
        SqliteStore(path)
    assert path.read_bytes() == b"not a database, " * 100


def test_a_path_that_cannot_be_opened_is_unavailable(tmp_path):
    (tmp_path / "whetstone.db").mkdir()
    with pytest.raises(Unavailable, match="cannot be opened"):
        SqliteStore(tmp_path / "whetstone.db")


def test_migrating_again_changes_nothing(tmp_path):
    path = tmp_path / "whetstone.db"
    make_file(path)
    before = _schema(path)
    make_file(path)
    assert _schema(path) == before
    numbers = [number for number, _ in sqlite_schema.migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (numbers[-1],)


def test_a_file_of_a_build_with_an_edited_migration_is_refused_and_left_as_it_is(
    tmp_path, monkeypatch
):
    path = tmp_path / "whetstone.db"
    make_file(path)
    known = sqlite_schema.migrations()
    later = (known[-1][0] + 1, "CREATE TABLE later (a)")
    edited = [(number, f"{sql}\nCREATE TABLE edited (a);\n") for number, sql in known]
    monkeypatch.setattr(sqlite_schema, "migrations", lambda: [*edited, later])
    with pytest.raises(Unavailable, match=r"another than this one's.*new data directory"):
        SqliteStore(path)
    assert not {"edited", "later"} & set(_schema(path))
    monkeypatch.setattr(sqlite_schema, "migrations", lambda: [*known, later])
    for _ in range(2):
        make_file(path)
    assert "later" in _schema(path)


def test_many_who_open_a_new_file_at_once_migrate_it_once(tmp_path):
    path = tmp_path / "whetstone.db"
    errors = []

    def open_it():
        try:
            asyncio.run(SqliteStore(path).close())
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is shown
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_who_opens_a_file_that_another_is_making_waits_for_it(tmp_path, monkeypatch):
    path = tmp_path / "whetstone.db"
    tries, opened = threading.Event(), []

    @contextmanager
    def told(lock):
        tries.set()
        with exclusive(lock):
            yield

    def open_it():
        with closing(sqlite_schema.open_current(path)) as connection:
            opened.append(connection.execute("PRAGMA journal_mode").fetchone())

    monkeypatch.setattr(sqlite_schema, "exclusive", told)
    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        with exclusive(path.with_name("whetstone.db.lock")):
            first.execute("BEGIN IMMEDIATE")  # for which a change to a log would not wait
            second = threading.Thread(target=open_it)
            second.start()
            assert tries.wait(60)
            first.execute("COMMIT")
        second.join()
    assert opened == [("wal",)]


def test_a_migration_that_fails_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "whetstone.db"
    known = sqlite_schema.migrations()
    bad = (known[-1][0] + 1, "CREATE TABLE half (a);\nCREATE TABLE half (a);\n")
    monkeypatch.setattr(sqlite_schema, "migrations", lambda: [*known, bad])
    with pytest.raises(sqlite3.OperationalError):
        SqliteStore(path)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (known[-1][0],)
        assert "half" not in _schema(path)


def test_this_version_runs_on_the_schema_of_the_next(tmp_path):
    """A later migration only adds columns that may be null, tables and indexes."""
    path = tmp_path / "whetstone.db"
    make_file(path)
    with closing(sqlite3.connect(path)) as file:
        for one in collections.ALL:
            file.execute(f"ALTER TABLE {one.name} ADD COLUMN next_version_has_this TEXT")
        for name in OTHERS:
            file.execute(f"ALTER TABLE {name} ADD COLUMN next_version_has_this TEXT")
        file.execute("CREATE TABLE next_version_has_this (a)")

    async def scenario():
        store = SqliteStore(path)
        await write(store, creates(ENTRIES, entry(1)), everything)
        await write(store, puts(ENTRIES, entry(1, topic="new")), everything)
        assert (await store.get(HERE, ENTRIES, "ent_0001")).topic == "new"
        assert len(await store.audit_chain(HERE, 0, 9)) == 2
        assert await SqliteAnalytics(path).head(HERE) == (2, 2)
        await store.close()

    asyncio.run(scenario())


@pytest.fixture(scope="module")
def schema_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("schema") / "whetstone.db"
    make_file(path)
    with closing(sqlite3.connect(path)) as file:
        yield file


@pytest.mark.parametrize("collection", collections.ALL, ids=lambda one: one.name)
def test_each_collection_has_its_table_with_exactly_its_columns(schema_file, collection):
    rows = schema_file.execute(f"PRAGMA table_info({collection.name})").fetchall()
    names = [name for _, name, *_ in rows]
    asked = [name for name in collection.all_columns if name != "id"]
    assert sorted(names) == sorted(["workspace", "id", *asked, "doc"])
    keys = sorted((place, name) for _, name, _, _, _, place in rows if place)
    assert [name for _, name in keys] == ["workspace", "id"]


def _type_of(collection, name):
    """Returns the type of a field, also of one that follows from others."""
    record = collection.record
    if name in record.model_computed_fields:
        return record.model_computed_fields[name].return_type
    return record.model_fields[name].annotation


@pytest.mark.parametrize("collection", collections.ALL, ids=lambda one: one.name)
def test_only_fields_that_may_be_none_have_columns_that_may_be_null(schema_file, collection):
    rows = schema_file.execute(f"PRAGMA table_info({collection.name})").fetchall()
    for _, name, _, required, _, _ in rows:
        if name in collection.all_columns:
            assert bool(required) is not may_be_none(collection, name), name


def test_there_is_no_table_that_nothing_declares(schema_file):
    rows = schema_file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    tables = {name for (name,) in rows if not name.startswith("sqlite_")}
    assert tables == {one.name for one in collections.ALL} | OTHERS


@pytest.mark.parametrize(
    ("collection", "query"), QUERIES, ids=[f"{one.name}-{query}" for one, query in QUERIES]
)
@pytest.mark.parametrize("descending", [False, True])
def test_each_declared_question_is_answered_from_an_index_without_sorting(
    schema_file, collection, query, descending
):
    filters = tuple(Filter(name, "==", "x") for name in query.equal)
    order = Order(query.order or "id", descending)
    asked = listing(HERE, collection, filters, order, 50, None)
    plan = [
        row[3] for row in schema_file.execute(f"EXPLAIN QUERY PLAN {asked.sql}", asked.parameters)
    ]
    assert len(plan) == 1, plan
    assert plan[0].startswith(f"SEARCH {collection.name} USING"), plan
    for name in query.equal:
        assert f"{name}=?" in plan[0], plan


@pytest.mark.parametrize("order", ["submitted_at", "confidence_score", "due_at"])
@pytest.mark.parametrize("narrowed", ["topic", "submitter"])
@pytest.mark.parametrize("descending", [False, True])
def test_a_narrowed_queue_opens_no_row_that_it_does_not_return(
    schema_file, order, narrowed, descending
):
    filters = (Filter("state", "==", "x"), Filter(narrowed, "==", "x"))
    asked = listing(HERE, ENTRIES, filters, Order(order, descending), 50, None)
    plan = [
        row[3] for row in schema_file.execute(f"EXPLAIN QUERY PLAN {asked.sql}", asked.parameters)
    ]
    walk = f"SEARCH entries USING COVERING INDEX entries_by_state_{order}"
    assert any(step.startswith(walk) for step in plan), plan
    assert sum("entries" in step for step in plan) == 2, plan


@pytest.mark.parametrize("actor_or_action", ["actor", "action"])
def test_audit_records_of_someone_or_of_a_kind_are_found_by_an_index(schema_file, actor_or_action):
    sql = f"SELECT * FROM audit_log WHERE workspace = ? AND {actor_or_action} = ? AND seq < ?"
    rows = schema_file.execute(
        f"EXPLAIN QUERY PLAN {sql} ORDER BY seq DESC LIMIT 50", (HERE, "x", 9)
    )
    plan = [row[3] for row in rows]
    assert len(plan) == 1, plan
    assert f"audit_log_by_{actor_or_action}" in plan[0], plan


@pytest.mark.parametrize(("collection", "query"), QUERIES)
def test_indexes_are_named_after_their_questions(schema_file, collection, query):
    if query == Query((), "id"):
        return
    names = "_".join([*query.equal, query.order])
    index = f"{collection.name}_by_{names}"
    rows = schema_file.execute(f"PRAGMA index_info({index})").fetchall()
    columns = [name for _, _, name in rows]
    wanted = list(dict.fromkeys(["workspace", *query.equal, query.order, "id"]))
    assert columns[: len(wanted)] == wanted


@pytest.mark.parametrize("collection", sqlite_schema.EXPIRING, ids=lambda one: one.name)
def test_expired_records_are_found_by_an_index(schema_file, collection):
    sql = f"SELECT workspace, id FROM {collection.name} WHERE {collection.expires} <= ? LIMIT ?"
    plan = [row[3] for row in schema_file.execute(f"EXPLAIN QUERY PLAN {sql}", ("x", 1))]
    assert len(plan) == 1
    assert "USING" in plan[0], plan
    assert plan[0].startswith("SEARCH"), plan


def _schema(path):
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
    return dict(rows)


def test_a_copy_of_the_folder_opens_as_a_backup(tmp_path):
    async def scenario():
        store = SqliteStore(tmp_path / "live" / "whetstone.db")
        await write(store, creates(CONTENT_KEYS, key("a")))
        await store.close()

    asyncio.run(scenario())
    shutil.copytree(tmp_path / "live", tmp_path / "copy")

    async def reopened():
        store = SqliteStore(tmp_path / "copy" / "whetstone.db")
        try:
            return await store.get(HERE, CONTENT_KEYS, "a")
        finally:
            await store.close()

    assert asyncio.run(reopened()) == key("a")


def test_an_operator_finds_readable_tables_and_views(tmp_path):
    path = tmp_path / "whetstone.db"

    async def scenario():
        store = SqliteStore(path)
        await write_shown(store)
        await store.close()

    asyncio.run(scenario())
    with closing(sqlite3.connect(path)) as file:
        file.row_factory = sqlite3.Row
        for view, columns in SHOWN.items():
            (row,) = file.execute(f"SELECT * FROM {view}").fetchall()
            shown = dict(row)
            assert shown["workspace"] == HERE
            assert {name: shown[name] for name in columns} == columns, view
            assert "doc" not in shown
