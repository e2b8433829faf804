"""Brings the schema of a PostgreSQL database up to date.

Migrations are numbered files, each run once, in order, in one transaction. Of the instances that
start together one runs them, the others wait for it. A migration only adds: the previous version of
the code still runs on the new schema.
"""

from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from shared.errors import Unavailable

_MIGRATIONS = Path(__file__).parent / "postgres_migrations"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('whetstone.migrations', 0))"
_FIND = "SELECT to_regclass('schema_migrations') IS NOT NULL"
_MAKE = (
    "CREATE TABLE IF NOT EXISTS schema_migrations"
    " (number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
)
_VERSION = "SELECT COALESCE(MAX(number), 0) FROM schema_migrations"
_DONE = "INSERT INTO schema_migrations (number) VALUES (%s)"
_PASSES_WALLS = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"


def migrations() -> list[tuple[int, str]]:
    """Returns each migration's number and SQL, in order."""
    files = sorted(_MIGRATIONS.glob("*.sql"))
    return [(int(file.name[:4]), file.read_text("utf-8")) for file in files]


async def migrate(connection: AsyncConnection[Any]) -> None:
    """Runs the migrations that the database has not seen; `connection` is in autocommit mode.

    Raises:
        Unavailable: the database is of a newer version than this code knows, or the role that is
            logged in is not held by row-level security.
        psycopg.Error: the database does not answer, or the role may not make tables.
    """
    if await _one(connection, _PASSES_WALLS):
        raise Unavailable(
            "the database role is a superuser or passes row-level security: log in as another one"
        )
    known = migrations()
    version = await _version(connection)
    _refuse_newer(version, known[-1][0])
    if version == known[-1][0]:
        return
    async with connection.transaction():
        await connection.execute(_LOCK)
        await connection.execute(_MAKE)
        version = await _one(connection, _VERSION)  # another instance may have been first
        _refuse_newer(version, known[-1][0])
        for number, sql in known:
            if number > version:
                await connection.execute(sql.encode())
                await connection.execute(_DONE, (number,))


async def _version(connection: AsyncConnection[Any]) -> int:
    return await _one(connection, _VERSION) if await _one(connection, _FIND) else 0


async def _one(connection: AsyncConnection[Any], sql: str) -> int:
    row = await (await connection.execute(sql.encode())).fetchone()
    return int(row[0]) if row else 0


def _refuse_newer(version: int, known: int) -> None:
    if version > known:
        raise Unavailable(
            f"the database has schema {version}, this version knows {known}:"
            " deploy the newer version"
        )
