"""The throwaway PostgreSQL server."""

import tempfile
from pathlib import Path

import psycopg
import pytest

from localcloud import postgres
from localcloud.postgres import LocalPostgres
from localcloud.process import StartError
from tests.support.backends import missing


@pytest.fixture(scope="module")
def server():
    with tempfile.TemporaryDirectory(prefix="whetstone-postgres-") as folder:
        Path(folder).chmod(0o755)
        running = LocalPostgres(Path(folder) / "data")
        try:
            running.start()
        except StartError as error:
            missing(str(error))
        try:
            yield running
        finally:
            running.stop()


def ask(dsn, sql):
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(sql).fetchone()


def test_its_role_is_nobody_special_and_owns_its_database(server):
    special = (
        "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = 'whetstone'"
    )
    assert ask(server.dsn, special) == (False, False, False)
    assert ask(server.dsn, "SELECT current_user, current_database()") == ("whetstone", "whetstone")
    assert server.environment["PGPORT"] == str(server.port)


def test_a_database_is_made_as_a_copy_and_removed(server):
    first = server.create_database("first")
    with psycopg.connect(first, autocommit=True) as connection:
        connection.execute("CREATE TABLE here (a int)")
    second = server.create_database("second", "first")
    assert ask(second, "SELECT to_regclass('here')") == ("here",)
    server.drop_database("second")
    with pytest.raises(psycopg.OperationalError, match="second"):
        psycopg.connect(second)


def test_what_is_committed_outlives_a_stop_and_a_kill_on_the_same_port(server):
    dsn = server.create_database("kept")
    ask_rows = "SELECT COUNT(*) FROM kept"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (a int)")
    for number, end in enumerate((server.stop, server.kill)):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("INSERT INTO kept VALUES (1)")
            end()
            assert not server.running()
        server.start()
        assert ask(dsn, ask_rows) == (number + 1,)


def test_a_statement_that_fails_tells_why(server):
    with pytest.raises(StartError, match="syntax error"):
        server.execute("no sql")


def test_it_is_durable_unless_asked_otherwise(server):
    assert ask(server.dsn, "SHOW fsync") == ("on",)
    assert ask(server.dsn, "SHOW synchronous_commit") == ("on",)
    with tempfile.TemporaryDirectory(prefix="whetstone-postgres-") as folder:
        Path(folder).chmod(0o755)
        with LocalPostgres(Path(folder) / "data", durable=False) as quick:
            assert ask(quick.dsn, "SHOW fsync") == ("off",)
    assert not quick.running()


def test_where_it_is_not_installed_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "_DEBIAN", tmp_path)
    with pytest.raises(StartError, match="install the package `postgresql`"):
        LocalPostgres(tmp_path / "data").start()
