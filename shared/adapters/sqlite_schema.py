"""Opens the SQLite file and brings its schema up to date.

Migrations are numbered files, each run once, in order, in one transaction; the file's
`user_version` says how far it has come, and its `application_id` is a checksum of those that it has
seen. A migration only adds: the previous version of the code still runs on the new schema.
"""

import sqlite3
import zlib
from pathlib import Path

from shared.adapters.local_files import exclusive
from shared.domain import collections
from shared.errors import CorruptData, Unavailable

_MIGRATIONS = Path(__file__).parent / "sqlite_migrations"

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 4000",
)

EXPIRING = tuple(one for one in collections.ALL if one.expires)
"""Collections whose records are deleted when their time has come."""


def connect(path: Path, *, busy_timeout_s: float = 15.0) -> sqlite3.Connection:
    """Returns a connection in autocommit mode, durable at commit.

    Any thread may use it, one at a time.
    """
    connection = sqlite3.connect(
        path,
        timeout=busy_timeout_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def open_current(path: Path) -> sqlite3.Connection:
    """Returns a connection to the file, made where it is missing, at the newest schema.

    One at a time makes the file: SQLite's change to a log does not wait for others.

    Raises:
        Unavailable: the file is of a newer version than this code knows, or cannot be opened.
        CorruptData: it is not an SQLite database.
    """
    try:
        with exclusive(path.with_name(path.name + ".lock")):
            return _current(path)
    except OSError as error:
        raise Unavailable(f"the database {path} cannot be opened: {error}") from error


def _current(path: Path) -> sqlite3.Connection:
    try:
        connection = connect(path)
    except sqlite3.OperationalError as error:
        raise Unavailable(f"the database {path} cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        raise CorruptData(f"the file {path} is not a database: {error}") from error
    try:
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def unreadable() -> Unavailable:
    """Returns the error for a read that did not work now."""
    return Unavailable("the store cannot be read now; try again")


def migrations() -> list[tuple[int, str]]:
    """Returns each migration's number and SQL, in order."""
    files = sorted(_MIGRATIONS.glob("*.sql"))
    return [(int(file.name[:4]), file.read_text("utf-8")) for file in files]


def checksum(applied: list[tuple[int, str]]) -> int:
    """Returns a number in 1..2**31 - 1 that tells these migrations from edited ones."""
    return zlib.crc32("".join(sql for _, sql in applied).encode()) % (2**31 - 1) + 1


def migrate(connection: sqlite3.Connection) -> None:
    """Runs the migrations that the file has not seen.

    Raises:
        Unavailable: the file is of a newer version than this code knows, or of a build whose
            migrations were others under the same numbers.
    """
    known = migrations()
    version = _checked_version(connection, known)
    for number, _ in known:
        if number > version:
            _apply(connection, [one for one in known if one[0] <= number])


def _checked_version(connection: sqlite3.Connection, known: list[tuple[int, str]]) -> int:
    connection.execute("BEGIN")  # so that both are read as of one moment
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (seen,) = connection.execute("PRAGMA application_id").fetchone()
    connection.execute("COMMIT")
    if version > known[-1][0]:
        raise Unavailable(
            f"the database has schema {version}, this version knows {known[-1][0]}:"
            " deploy the newer version"
        )
    if version and seen != checksum([one for one in known if one[0] <= version]):
        raise Unavailable(
            f"the database was made by a build whose schema {version} is another than this one's:"
            " run that build, or start in a new data directory (WHETSTONE_DATA_DIR)"
        )
    return int(version)


def _apply(connection: sqlite3.Connection, upto: list[tuple[int, str]]) -> None:
    number, sql = upto[-1]
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < number:  # another process may have been first
            for statement in sql.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(f"PRAGMA application_id = {checksum(upto)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
