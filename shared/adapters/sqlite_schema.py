"""Opens the SQLite file and brings its schema up to date.

Migrations are numbered files, each run once, in order, in one transaction; the file's `user_version` says how far it has
come. A migration only adds: the previous version of the code still runs on the new schema.
"""

import sqlite3
from pathlib import Path

from shared.domain import collections
from shared.errors import Unavailable

_MIGRATIONS = Path(__file__).parent / "sqlite_migrations"

EXPIRING = tuple(one for one in collections.ALL if one.expires)
"""Collections whose records are deleted when their time has come."""


def connect(path: Path, *, busy_timeout_s: float = 15.0) -> sqlite3.Connection:
    """Returns a connection in autocommit mode, durable at commit, usable from any thread (one at a time)."""
    connection = sqlite3.connect(
        path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    return connection


def unreadable() -> Unavailable:
    """Returns the error for a read that did not work now."""
    return Unavailable("the store cannot be read now; try again")


def migrations() -> list[tuple[int, str]]:
    """Returns each migration's number and SQL, in order."""
    return [(int(file.name[:4]), file.read_text("utf-8")) for file in sorted(_MIGRATIONS.glob("*.sql"))]


def migrate(connection: sqlite3.Connection) -> None:
    """Runs the migrations that the file has not seen.

    Raises:
        Unavailable: the file is of a newer version than this code knows.
    """
    known = migrations()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > known[-1][0]:
        msg = f"the database has schema {version}, this version knows {known[-1][0]}: deploy the newer version"
        raise Unavailable(msg)
    for number, sql in known:
        if number > version:
            _apply(connection, number, sql)


def _apply(connection: sqlite3.Connection, number: int, sql: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < number:  # another process may have been first
            for statement in sql.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
