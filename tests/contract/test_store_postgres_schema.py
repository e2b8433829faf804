"""The schema of the PostgreSQL store: migrations, columns, indexes, plans, walls and views."""

import asyncio
import sqlite3

import psycopg
import pytest
from psycopg.rows import dict_row

from shared.adapters import postgres_schema, sqlite_schema
from shared.adapters.postgres_statements import POSTGRES
from shared.adapters.sql_statements import make_listing
from shared.adapters.store_postgres import PostgresStore
from shared.domain import collections
from shared.domain.entries import ENTRIES
from shared.domain.records import Filter, Order, Query
from shared.errors import Unavailable
from tests.contract.operator_views import SHOWN, write_shown
from tests.contract.store_records import (
    HERE,
    THERE,
    creates,
    entry,
    everything,
    may_be_none,
    puts,
    write,
)
from tests.support.postgres_fixture import pool_on

pytestmark = pytest.mark.contract

QUERIES = [(one, query) for one in collections.ALL for query in one.queries]
LOGS = {
    "audit_log",
    "outbox",
    "counters",
    "evidence_ratings",
    "evidence_outcomes",
    "evidence_prompts",
}


def open_and_close(dsn):
    async def scenario():
        store = PostgresStore(pool_on(dsn))
        await store.ping()
        await store.close()

    asyncio.run(scenario())


def ask(dsn, sql, *parameters):
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(sql, parameters).fetchall()


def run(dsn, sql):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql)


@pytest.fixture(scope="module")
def migrated(postgres):
    """A connection to a database that nobody changes."""
    with psycopg.connect(postgres.fresh(), autocommit=True) as connection:
        yield connection


# --- migrations -----------------------------------------------------------------------------------


def test_each_migration_runs_once_however_many_start_at_once(postgres):
    dsn = postgres.fresh("template1")

    async def scenario():
        stores = [PostgresStore(pool_on(dsn)) for _ in range(8)]
        await asyncio.gather(*(one.ping() for one in stores))
        await asyncio.gather(*(one.close() for one in stores))

    asyncio.run(scenario())
    numbers = [number for (number,) in ask(dsn, "SELECT number FROM schema_migrations")]
    assert sorted(numbers) == [number for number, _ in postgres_schema.migrations()]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_a_database_of_a_newer_version_is_refused_and_left_alone(postgres):
    dsn = postgres.fresh()
    run(dsn, "INSERT INTO schema_migrations (number, checksum) VALUES (9999, 1)")
    with pytest.raises(Unavailable, match="9999"):
        open_and_close(dsn)


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE schema_migrations SET checksum = 1",
        "ALTER TABLE schema_migrations DROP COLUMN checksum",
    ],
    ids=["another checksum", "none"],
)
def test_a_database_of_a_build_with_an_edited_migration_is_refused(postgres, edit):
    dsn = postgres.fresh()
    run(dsn, edit)
    with pytest.raises(Unavailable, match=r"another than this one's.*new database"):
        open_and_close(dsn)


def test_a_migration_that_fails_leaves_nothing_and_is_tried_again(postgres, monkeypatch):
    dsn = postgres.fresh()
    known = postgres_schema.migrations()
    bad = (known[-1][0] + 1, "CREATE TABLE half (a text); CREATE TABLE half (a text);")
    with monkeypatch.context() as patch:
        patch.setattr(postgres_schema, "migrations", lambda: [*known, bad])
        with pytest.raises(Unavailable):
            open_and_close(dsn)
    assert ask(dsn, "SELECT to_regclass('half')") == [(None,)]
    open_and_close(dsn)


def test_a_role_that_passes_the_walls_is_refused(postgres):
    dsn = postgres.fresh().replace("whetstone@", "postgres@")
    with pytest.raises(Unavailable, match="row-level security"):
        open_and_close(dsn)


def test_this_version_runs_on_the_schema_of_the_next(postgres):
    """A later migration only adds columns that may be null, tables and indexes."""
    dsn = postgres.fresh()
    for name in {one.name for one in collections.ALL} | LOGS:
        run(dsn, f"ALTER TABLE {name} ADD COLUMN next_version_has_this text")

    async def scenario():
        store = PostgresStore(pool_on(dsn))
        await write(store, creates(ENTRIES, entry(1)), everything)
        await write(store, puts(ENTRIES, entry(1, topic="new")), everything)
        assert (await store.get(HERE, ENTRIES, "ent_0001")).topic == "new"
        assert len(await store.audit_chain(HERE, 0, 9)) == 2
        await store.close()

    asyncio.run(scenario())


# --- tables ---------------------------------------------------------------------------------------


def columns(migrated, table):
    rows = migrated.execute(
        "SELECT column_name, is_nullable, collation_name, data_type"
        " FROM information_schema.columns WHERE table_name = %s",
        (table,),
    )
    return {name: (nullable == "YES", collation, kind) for name, nullable, collation, kind in rows}


@pytest.mark.parametrize("collection", collections.ALL, ids=lambda one: one.name)
def test_each_collection_has_its_table_with_exactly_its_columns(migrated, collection):
    found = columns(migrated, collection.name)
    asked = {name for name in collection.all_columns if name != "id"}
    assert found.keys() == {"workspace", "id", "doc"} | asked


@pytest.mark.parametrize("collection", collections.ALL, ids=lambda one: one.name)
def test_only_fields_that_may_be_none_have_columns_that_may_be_null(migrated, collection):
    for name, (nullable, _, _) in columns(migrated, collection.name).items():
        if name in collection.all_columns:
            assert nullable is may_be_none(collection, name), name


def test_what_lists_are_ordered_by_is_never_null(migrated):
    """SQLite and PostgreSQL sort NULL to different ends."""
    for collection, query in QUERIES:
        if query.order is not None:
            nullable, _, _ = columns(migrated, collection.name)[query.order]
            assert not nullable, (collection.name, query)


def test_the_tables_are_those_of_sqlite(migrated, tmp_path):
    file = sqlite_schema.open_current(tmp_path / "whetstone.db")
    try:
        rows = file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        tables = {name for (name,) in rows if not name.startswith("sqlite_")}
        assert tables == {one.name for one in collections.ALL} | LOGS
        for table in tables:
            there = {name for _, name, *_ in file.execute(f"PRAGMA table_info({table})")}
            only_here = {"claimed_by", "claimed_until"} if table == "outbox" else set()
            assert columns(migrated, table).keys() - only_here == there, table
    finally:
        file.close()
    found = migrated.execute(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
    assert {name for (name,) in found} == tables | {"schema_migrations"}


def test_words_sort_by_code_point_whatever_the_database_is_set_to(migrated):
    for collection in collections.ALL:
        for name, (_, collation, kind) in columns(migrated, collection.name).items():
            if kind == "text" and name != "doc":
                assert collation == "C", (collection.name, name)


# --- plans ----------------------------------------------------------------------------------------


def plan(migrated, sql, parameters, setting="workspace", value=HERE):
    """Returns the lines of a plan, made as for a large table."""
    with migrated.transaction():
        for name in ("seqscan", "bitmapscan", "sort"):
            migrated.execute(f"SET LOCAL enable_{name} = off")
        migrated.execute("SELECT set_config(%s, %s, true)", (f"whetstone.{setting}", value))
        rows = migrated.execute(f"EXPLAIN {sql}", parameters).fetchall()
    return [line for (line,) in rows]


@pytest.mark.parametrize(
    ("collection", "query"), QUERIES, ids=[f"{one.name}-{query}" for one, query in QUERIES]
)
@pytest.mark.parametrize("descending", [False, True])
def test_each_declared_question_is_answered_from_an_index_without_sorting(
    migrated, collection, query, descending
):
    kinds = collection.record.model_fields
    filters = tuple(
        Filter(name, "==", True if kinds[name].annotation is bool else "x") for name in query.equal
    )
    order = Order(query.order or "id", descending)
    asked = make_listing(POSTGRES, HERE, collection, filters, order, 50, None)
    lines = plan(migrated, asked.sql, asked.parameters)
    assert any("Index" in line for line in lines), lines
    assert not any("Sort" in line or "Seq Scan" in line for line in lines), lines
    (condition,) = [line for line in lines if "Index Cond" in line]
    for name in ("workspace", *query.equal):
        assert f"({name} = " in condition, lines


@pytest.mark.parametrize("actor_or_action", ["actor", "action"])
def test_audit_records_of_someone_or_of_a_kind_are_found_by_an_index(migrated, actor_or_action):
    sql = f"SELECT hash FROM audit_log WHERE workspace = %s AND {actor_or_action} = %s AND seq < %s"
    lines = plan(migrated, f"{sql} ORDER BY seq DESC LIMIT 50", (HERE, "x", 9))
    assert any(f"audit_log_by_{actor_or_action}" in line for line in lines), lines


@pytest.mark.parametrize(("collection", "query"), QUERIES)
def test_indexes_are_named_after_their_questions(migrated, collection, query):
    if query == Query((), "id"):
        return
    names = "_".join([*query.equal, query.order])
    rows = migrated.execute(
        "SELECT indexdef FROM pg_indexes WHERE indexname = %s", (f"{collection.name}_by_{names}",)
    )
    ((definition,),) = rows.fetchall()
    wanted = dict.fromkeys(["workspace", *query.equal, query.order, "id"])
    assert f"({', '.join(wanted)}" in definition


@pytest.mark.parametrize("collection", sqlite_schema.EXPIRING, ids=lambda one: one.name)
def test_expired_records_are_found_by_an_index(migrated, collection):
    sql = f"SELECT workspace, id FROM {collection.name} WHERE {collection.expires} <= %s LIMIT %s"
    lines = plan(migrated, sql, ("x", 1), setting="sweeping", value="on")
    assert any(f"{collection.name}_expiring" in line for line in lines), lines


# --- walls ----------------------------------------------------------------------------------------


def test_every_table_with_a_workspace_has_a_wall_that_holds_for_its_owner_too(migrated):
    rows = migrated.execute(
        "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relkind = 'r' AND a.attname = 'workspace'"
    ).fetchall()
    assert {name for name, _ in rows} == {one.name for one in collections.ALL} | LOGS
    assert all(walled for _, walled in rows)


@pytest.fixture(scope="module")
def two_workspaces(postgres):
    dsn = postgres.fresh()

    async def scenario():
        store = PostgresStore(pool_on(dsn))
        for workspace in (HERE, THERE):
            await write(store, creates(ENTRIES, entry(1)), everything, workspace=workspace)
        await store.close()

    asyncio.run(scenario())
    return dsn


def as_if_in(dsn, workspace, sql, setting="workspace"):
    """Returns the rows of a statement that forgets to name its workspace, and takes it back."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT set_config(%s, %s, true)", (f"whetstone.{setting}", workspace))
        cursor = connection.execute(sql)
        rows = cursor.fetchall() if cursor.description else []
        connection.rollback()
        return rows


@pytest.mark.parametrize("table", ["entries", *sorted(LOGS)])
def test_a_statement_without_a_condition_reads_one_workspace_only(two_workspaces, table):
    for workspace in (HERE, THERE):
        rows = as_if_in(two_workspaces, workspace, f"SELECT DISTINCT workspace FROM {table}")
        assert rows == [(workspace,)]
    assert ask(two_workspaces, f"SELECT * FROM {table}") == []
    assert as_if_in(two_workspaces, "third", f"SELECT * FROM {table}") == []


def test_a_statement_without_a_condition_changes_one_workspace_only(two_workspaces):
    for sql in ("UPDATE entries SET topic = 'x'", "DELETE FROM entries"):
        assert as_if_in(two_workspaces, HERE, sql + " RETURNING workspace") == [(HERE,)]
        assert ask(two_workspaces, sql + " RETURNING workspace") == []


def test_nothing_is_written_into_another_workspace(two_workspaces):
    counter = "INSERT INTO counters VALUES ('other', 'a', 'b', 1)"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_if_in(two_workspaces, HERE, counter)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_if_in(two_workspaces, HERE, "UPDATE entries SET workspace = 'other'")


def test_sweeping_opens_what_it_needs_and_nothing_else(two_workspaces):
    def sweeping(sql):
        return as_if_in(two_workspaces, "on", sql, setting="sweeping")

    assert sweeping("SELECT DISTINCT workspace FROM outbox ORDER BY 1") == [(HERE,), (THERE,)]
    open_to_it = {"outbox"} | {one.name for one in sqlite_schema.EXPIRING}
    for table in {one.name for one in collections.ALL} | LOGS:
        if table not in open_to_it:
            assert sweeping(f"SELECT 1 FROM {table}") == [], table
        else:
            sweeping(f"DELETE FROM {table} WHERE workspace = 'nobody'")
    rows = ask(
        two_workspaces, "SELECT tablename, cmd FROM pg_policies WHERE qual LIKE '%%sweeping%%'"
    )
    assert {table for table, _ in rows} == open_to_it
    assert {cmd for table, cmd in rows if table != "outbox"} == {"SELECT", "DELETE"}


# --- views ----------------------------------------------------------------------------------------


def test_an_operator_finds_readable_tables_and_views_of_one_workspace(postgres):
    dsn = postgres.fresh()

    async def scenario():
        store = PostgresStore(pool_on(dsn))
        await write_shown(store)
        await write(store, puts(ENTRIES, entry(1)), workspace=THERE)
        await store.close()

    asyncio.run(scenario())
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute("SELECT set_config('whetstone.workspace', %s, false)", (HERE,))
        for view, wanted in SHOWN.items():
            (row,) = connection.execute(f"SELECT * FROM {view}").fetchall()
            assert row["workspace"] == HERE
            assert {name: row[name] for name in wanted} == wanted, view
            assert "doc" not in row


@pytest.mark.parametrize(
    ("stored", "shown"), [("a\x00b\x00\x00", "a\ufffdb\ufffd\ufffd"), ("\\u0000", "\\u0000")]
)
def test_a_view_shows_also_what_holds_a_nul(postgres, stored, shown):
    """Reads entries by SQL; text of PostgreSQL cannot hold NUL, the JSON of a record can."""
    dsn = postgres.fresh()

    async def scenario():
        store = PostgresStore(pool_on(dsn))
        await write(store, puts(ENTRIES, entry(1, content=stored)))
        assert (await store.get(HERE, ENTRIES, "ent_0001")).content == stored
        await store.close()

    asyncio.run(scenario())
    assert as_if_in(dsn, HERE, "SELECT content FROM kb_entries") == [(shown,)]


def test_sqlite_knows_the_same_views(migrated, tmp_path):
    file = sqlite_schema.open_current(tmp_path / "whetstone.db")
    file.row_factory = sqlite3.Row
    try:
        rows = file.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall()
        for (view,) in rows:
            there = {row["name"] for row in file.execute(f"PRAGMA table_info({view})")}
            assert columns(migrated, view).keys() == there, view
    finally:
        file.close()
