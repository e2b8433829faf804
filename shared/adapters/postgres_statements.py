"""The SQL of the PostgreSQL store, made once for each collection, and how statements are sent.

Several statements travel together (libpq's pipeline): what must happen under a lock takes one way
to the server and back, not one a statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from psycopg import AsyncConnection

from shared.adapters.sql_statements import (
    AUDIT_COLUMNS,
    Dialect,
    Statements,
    column_values,
    make_appends,
    make_statements,
)
from shared.domain.records import Collection, R

POSTGRES = Dialect(
    mark="%s", equal="{field} = %s", null="{field} IS NULL", contains="%s = ANY({field})"
)

WITHIN = "SELECT set_config('whetstone.workspace', %s, true)"
"""Lets the rest of the transaction see one workspace."""

SWEEPING = "SELECT set_config('whetstone.sweeping', 'on', true)"
"""Lets the rest of the transaction sweep all workspaces."""

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('whetstone:' || %s, 0))"
LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtextextended('whetstone:' || %s, 0))"

HEADS = """
SELECT (SELECT seq FROM audit_log WHERE workspace = %(w)s ORDER BY seq DESC LIMIT 1),
       (SELECT hash FROM audit_log WHERE workspace = %(w)s ORDER BY seq DESC LIMIT 1),
       (SELECT COALESCE(MAX(seq), 0) FROM evidence_ratings WHERE workspace = %(w)s),
       (SELECT COALESCE(MAX(seq), 0) FROM evidence_outcomes WHERE workspace = %(w)s),
       (SELECT COALESCE(MAX(seq), 0) FROM evidence_prompts WHERE workspace = %(w)s)
"""
AUDIT_INSERT = f"INSERT INTO audit_log ({AUDIT_COLUMNS}) VALUES ({POSTGRES.marks(9)})"
OUTBOX_INSERT = (
    "INSERT INTO outbox (event_id, type, workspace, doc, claimed_by, claimed_until)"
    " VALUES (%s, %s, %s, %s, %s, now() + make_interval(secs => %s)) RETURNING position"
)
COUNTER_ADD = (
    "INSERT INTO counters (workspace, name, field, value) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (workspace, name, field) DO UPDATE SET value = counters.value + excluded.value"
)
COUNTERS = (
    "SELECT name, field, value FROM counters WHERE workspace = %s AND starts_with(name, %s)"
    " ORDER BY name, field"
)
COUNTER = "SELECT field, value FROM counters WHERE workspace = %s AND name = %s ORDER BY field"
AUDIT_PAGE = (
    f"SELECT {AUDIT_COLUMNS} FROM audit_log WHERE workspace = %s{{}} AND seq < %s"
    " ORDER BY seq DESC LIMIT %s"
)
OUTBOX_CLAIM = """
UPDATE outbox SET claimed_by = %(by)s, claimed_until = now() + make_interval(secs => %(seconds)s)
WHERE position IN (
    SELECT position FROM outbox
    WHERE (claimed_by = %(by)s OR claimed_until < now()) AND position <> ALL(%(not)s)
    ORDER BY position LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING position, doc
"""
OUTBOX_DONE = "DELETE FROM outbox WHERE position = ANY(%s)"
APPENDS = make_appends(POSTGRES)

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Reads:
    """How a transaction reads a collection: with `xmin`, which changes with each write of a row."""

    docs: str
    many: str
    many_locked: str
    versions: str
    versions_locked: str


@cache
def statements(collection: Collection[R]) -> Statements:
    """Returns the statements that read and write single records of `collection`."""
    return make_statements(POSTGRES, collection)


@cache
def reads(collection: Collection[R]) -> Reads:
    """Returns the statements that read records by id; parameters: workspace, ids."""
    which = f"FROM {collection.name} WHERE workspace = %s AND id = ANY(%s)"
    locked = "ORDER BY id FOR NO KEY UPDATE"
    return Reads(
        docs=f"SELECT id, doc {which}",
        many=f"SELECT id, doc, xmin::text {which}",
        many_locked=f"SELECT id, doc, xmin::text {which} {locked}",
        versions=f"SELECT id, xmin::text {which}",
        versions_locked=f"SELECT id, xmin::text {which} {locked}",
    )


def row_of(workspace: str, collection: Collection[R], record: R) -> Row:
    """Returns the parameters that write `record`."""
    doc = record.__pydantic_serializer__.to_json(record).decode()
    return (workspace, record.id, *column_values(collection)(record), doc)


async def send(
    connection: AsyncConnection[Any], *statements: tuple[str, Any]
) -> list[Sequence[Row]]:
    """Executes statements with their parameters, all on one way; returns the rows of each.

    Outside of a transaction block they are one transaction by themselves. After an error none of
    the later ones is executed, and the connection is closed: the driver no longer knows which
    statements the server has prepared.

    Raises:
        psycopg.Error: the first error.
        UnicodeEncodeError: a parameter is no text.
    """
    try:
        async with connection.pipeline():
            cursors = [
                await connection.execute(sql.encode(), parameters) for sql, parameters in statements
            ]
    except BaseException:
        connection.pgconn.finish()
        raise
    return [await one.fetchall() if one.description else () for one in cursors]
