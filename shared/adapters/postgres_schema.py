"""Brings the schema of a PostgreSQL database up to date.

Migrations are numbered files, each run once, in order, in one transaction. Of the instances that
start together one runs them, the others wait for it. Each is noted with a checksum. A migration
only adds: the previous version of the code still runs on the new schema.
"""

import zlib
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from shared.errors import Unavailable

_MIGRATIONS = Path(__file__).parent / "postgres_migrations"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('whetstone.migrations', 0))"
_FIND = "SELECT to_regclass('schema_migrations') IS NOT NULL"
_MAKE = (
    "CREATE TABLE IF NOT EXISTS schema_migrations"
    " (number integer PRIMARY KEY, checksum bigint NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now())"
)
_SEEN = "SELECT number, to_jsonb(one) ->> 'checksum' FROM schema_migrations one ORDER BY number"
_DONE = "INSERT INTO schema_migrations (number, checksum) VALUES (%s, %s)"
_PASSES_WALLS = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"


def migrations() -> list[tuple[int, str]]:
    """Returns each migration's number and SQL, in order."""
    files = sorted(_MIGRATIONS.glob("*.sql"))
    return [(int(file.name[:4]), file.read_text("utf-8")) for file in files]


async def migrate(connection: AsyncConnection[Any]) -> None:
    """Runs the migrations that the database has not seen; `connection` is in autocommit mode.

    Raises:
        Unavailable: the database is of a newer version than this code knows, or of a build whose
            migrations were others under the same numbers, or the role that is logged in is not held
            by row-level security.
        psycopg.Error: the database does not answer, or the role may not make tables.
    """
    if await _one(connection, _PASSES_WALLS):
        raise Unavailable(
            "the database role is a superuser or passes row-level security: log in as another one"
        )
    known = migrations()
    if await _one(connection, _FIND) and await _version(connection, known) == known[-1][0]:
        return
    async with connection.transaction():
        await connection.execute(_LOCK)
        await connection.execute(_MAKE)
        version = await _version(connection, known)  # another instance may have been first
        for number, sql in known:
            if number > version:
                await connection.execute(sql.encode())
                await connection.execute(_DONE, (number, checksum(sql)))


def checksum(sql: str) -> int:
    """Returns a number that tells a migration from one that was edited."""
    return zlib.crc32(sql.encode())


async def _version(connection: AsyncConnection[Any], known: list[tuple[int, str]]) -> int:
    rows = await (await connection.execute(_SEEN.encode())).fetchall()
    version = rows[-1][0] if rows else 0
    if version > known[-1][0]:
        raise Unavailable(
            f"the database has schema {version}, this version knows {known[-1][0]}:"
            " deploy the newer version"
        )
    here = {number: str(checksum(sql)) for number, sql in known}
    for number, seen in rows:
        if seen != here.get(number):
            raise Unavailable(
                f"the database was made by a build whose schema {number} is another than this"
                " one's: run that build, or use a new database"
            )
    return int(version)


async def _one(connection: AsyncConnection[Any], sql: str) -> int:
    row = await (await connection.execute(sql.encode())).fetchone()
    return int(row[0]) if row else 0
