"""The store on one SQLite file: the embedded default.

WAL, `synchronous=FULL`: what was answered is on the disk. Reads by id and short pages run on the event loop on a
connection of their own; see sqlite_writer for how writes are grouped. Several processes may open the file.
"""

import json
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import astuple
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from shared.adapters import sqlite_schema
from shared.adapters.sqlite_statements import Listing, conditions, listing, make_cursor, row_of, statements
from shared.adapters.sqlite_writer import GroupWriter
from shared.domain import audit
from shared.domain.audit import AuditEntry, AuditRecord
from shared.domain.feedback import OutcomeEvidence, RatingEvidence
from shared.domain.records import Collection, Filter, Order, R, Scalar
from shared.domain.times import to_text
from shared.errors import AlreadyExists, InvalidInput
from shared.messages.base import Page
from shared.messages.events import Event
from shared.ports import OutboxItem

T = TypeVar("T")

MAX_WRITES = 500
"""Writes in one transaction, as Firestore has it."""

_AUDIT_HEAD = "SELECT seq, hash FROM audit_log WHERE workspace = ? ORDER BY seq DESC LIMIT 1"
_AUDIT_COLUMNS = "workspace, seq, at, actor, action, subject, data, previous_hash, hash"
_AUDIT_INSERT = f"INSERT INTO audit_log ({_AUDIT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_OUTBOX_INSERT = "INSERT INTO outbox (event_id, type, workspace, doc) VALUES (?, ?, ?, ?)"
_COUNTER_ADD = (
    "INSERT INTO counters (workspace, name, field, value) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (workspace, name, field) DO UPDATE SET value = value + excluded.value"
)


def _append_statement(table: str, row: type[RatingEvidence | OutcomeEvidence]) -> str:
    names = list(row.__slots__)
    return (
        f"INSERT INTO {table} (workspace, seq, {', '.join(names)})"
        f" SELECT ?1, COALESCE(MAX(seq), 0) + 1, {', '.join(f'?{at}' for at in range(2, len(names) + 2))}"
        f" FROM {table} WHERE workspace = ?1"
    )


_APPEND = {
    RatingEvidence: _append_statement("evidence_ratings", RatingEvidence),
    OutcomeEvidence: _append_statement("evidence_outcomes", OutcomeEvidence),
}


class SqliteTransaction:
    """Reads at once, keeps writes until `flush`."""

    __slots__ = ("_audits", "_connection", "_workspace", "_writes")

    def __init__(self, connection: sqlite3.Connection, workspace: str) -> None:
        self._connection = connection
        self._workspace = workspace
        self._writes: list[tuple[str, Sequence[object]]] = []
        self._audits: list[AuditEntry] = []

    async def get(self, collection: Collection[R], id: str) -> R | None:
        """See Transaction."""
        self._check_reading()
        row = self._connection.execute(statements(collection).get, (self._workspace, id)).fetchone()
        return None if row is None else collection.record.model_validate_json(row[0])

    async def find(
        self, collection: Collection[R], *filters: Filter, order: Order | None = None, limit: int = 50
    ) -> list[R]:
        """See Transaction."""
        self._check_reading()
        asked = listing(self._workspace, collection, filters, order, limit, None)
        rows = self._connection.execute(asked.sql, asked.parameters).fetchall()
        return [collection.record.model_validate_json(doc) for _, _, doc in rows[:limit]]

    def create(self, collection: Collection[R], record: R) -> None:
        """See Transaction."""
        self._write(statements(collection).create, row_of(self._workspace, collection, record))

    def put(self, collection: Collection[R], record: R) -> None:
        """See Transaction."""
        self._write(statements(collection).put, row_of(self._workspace, collection, record))

    def delete(self, collection: Collection[R], id: str) -> None:
        """See Transaction."""
        self._write(statements(collection).delete, (self._workspace, id))

    def add(self, counter: str, amounts: Mapping[str, int]) -> None:
        """See Transaction."""
        for name, amount in amounts.items():
            self._write(_COUNTER_ADD, (self._workspace, counter, name, amount))

    def append(self, *rows: RatingEvidence | OutcomeEvidence) -> None:
        """See Transaction."""
        for row in rows:
            self._write(_APPEND[type(row)], (self._workspace, *astuple(row)))

    def audit(self, entry: AuditEntry) -> None:
        """See Transaction."""
        self._audits.append(entry)

    def emit(self, event: Event) -> None:
        """See Transaction."""
        doc = event.__pydantic_serializer__.to_json(event).decode()
        self._write(_OUTBOX_INSERT, (event.event_id, event.type, event.workspace, doc))

    def flush(self) -> None:
        """Executes the writes and links the audit records into the chain.

        Raises:
            AlreadyExists: a create-only write met an existing record.
        """
        execute = self._connection.execute
        try:
            for sql, parameters in self._writes:
                execute(sql, parameters)
        except sqlite3.IntegrityError as error:
            msg = "a record with this id exists already"
            raise AlreadyExists(msg) from error
        if self._audits:
            seq, head = execute(_AUDIT_HEAD, (self._workspace,)).fetchone() or (0, audit.GENESIS)
            for entry in self._audits:
                record = audit.link(self._workspace, seq + 1, head, entry)
                execute(_AUDIT_INSERT, _audit_row(record))
                seq, head = record.seq, record.hash

    def _write(self, sql: str, parameters: Sequence[object]) -> None:
        if len(self._writes) + len(self._audits) >= MAX_WRITES:
            msg = f"a transaction takes at most {MAX_WRITES} writes"
            raise RuntimeError(msg)
        self._writes.append((sql, parameters))

    def _check_reading(self) -> None:
        if self._writes:
            msg = "in a transaction all reads come before the first write"
            raise RuntimeError(msg)


class SqliteStore:
    """Implements `ports.Store`.

    Args:
        path: the database file; made, with its folder, where it is missing.

    Raises:
        Unavailable: the file was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._writing = sqlite_schema.connect(path)
        sqlite_schema.migrate(self._writing)
        self._writing.execute("PRAGMA busy_timeout = 0")
        self._reading = sqlite_schema.connect(path)
        self._writer = GroupWriter(self._writing)

    async def transact(self, workspace: str, run: Callable[[SqliteTransaction], Awaitable[T]]) -> T:
        """See Store."""
        return await self._writer.submit(lambda: SqliteTransaction(self._writing, workspace), run)

    async def get(self, workspace: str, collection: Collection[R], id: str) -> R | None:
        """See Store."""
        row = self._reading.execute(statements(collection).get, (workspace, id)).fetchone()
        return None if row is None else collection.record.model_validate_json(row[0])

    async def get_many(self, workspace: str, collection: Collection[R], ids: Sequence[str]) -> list[R | None]:
        """See Store."""
        return [await self.get(workspace, collection, id) for id in ids]

    async def find(
        self,
        workspace: str,
        collection: Collection[R],
        *filters: Filter,
        order: Order | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[R]:
        """See Store."""
        asked = listing(workspace, collection, filters, order, limit, cursor)
        rows = self._fetch(asked.sql, asked.parameters)
        items = [collection.record.model_validate_json(doc) for _, _, doc in rows[:limit]]
        return Page.model_construct(items=items, next_cursor=_next_cursor(asked, rows, limit))

    async def count(self, workspace: str, collection: Collection[R], *filters: Filter, at_most: int) -> int:
        """See Store."""
        where, parameters = conditions(workspace, collection, filters)
        sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {collection.name} WHERE {where} LIMIT ?)"
        return int(self._fetch(sql, (*parameters, at_most))[0][0])

    async def counters(self, workspace: str, prefix: str) -> dict[str, dict[str, int]]:
        """See Store."""
        rows = self._fetch(
            "SELECT name, field, value FROM counters WHERE workspace = ? AND name >= ? AND name < ? ORDER BY name, field",
            (workspace, prefix, prefix + "\U0010ffff"),
        )
        found: dict[str, dict[str, int]] = {}
        for name, field, value in rows:
            found.setdefault(name, {})[field] = value
        return found

    async def audit_page(
        self,
        workspace: str,
        *,
        action: str | None = None,
        subject: str | None = None,
        actor: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[AuditRecord]:
        """See Store."""
        before = _audit_cursor(cursor)
        wanted = {"action": action, "subject": subject, "actor": actor}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = "".join(f" AND {name} = ?" for name in given)
        rows = self._fetch(
            f"SELECT {_AUDIT_COLUMNS} FROM audit_log WHERE workspace = ?{where} AND seq < ? ORDER BY seq DESC LIMIT ?",
            (workspace, *given.values(), before, limit + 1),
        )
        items = [_audit_record(row) for row in rows[:limit]]
        return Page.model_construct(items=items, next_cursor=str(items[-1].seq) if len(rows) > limit else None)

    async def audit_chain(self, workspace: str, after_seq: int, limit: int) -> list[AuditRecord]:
        """See Store."""
        sql = f"SELECT {_AUDIT_COLUMNS} FROM audit_log WHERE workspace = ? AND seq > ? ORDER BY seq LIMIT ?"
        return [_audit_record(row) for row in self._fetch(sql, (workspace, after_seq, limit))]

    async def outbox(self, limit: int) -> list[OutboxItem]:
        """See Store."""
        rows = self._fetch("SELECT position, doc FROM outbox ORDER BY position LIMIT ?", (limit,))
        return [OutboxItem(position, Event.model_validate_json(doc)) for position, doc in rows]

    async def outbox_done(self, items: Sequence[OutboxItem]) -> None:
        """See Store."""
        positions = json.dumps([item.position for item in items])
        await self._execute("DELETE FROM outbox WHERE position IN (SELECT value FROM json_each(?))", (positions,))

    async def purge_expired(self, now: datetime, limit: int) -> int:
        """See Store."""
        purged = 0
        for collection in sqlite_schema.EXPIRING:
            keys = f"SELECT workspace, id FROM {collection.name} WHERE {collection.expires} < ? LIMIT ?"
            sql = f"DELETE FROM {collection.name} WHERE (workspace, id) IN ({keys})"
            purged += await self._execute(sql, (to_text(now), limit - purged))
        return purged

    async def ping(self) -> None:
        """See Store."""
        self._fetch("SELECT 1 FROM workspaces LIMIT 1", ())

    async def close(self) -> None:
        """See Store."""
        await self._writer.close()
        self._reading.close()
        self._writing.close()

    async def _execute(self, sql: str, parameters: Sequence[object]) -> int:
        statement = _Statement(self._writing, sql, parameters)

        async def nothing(_: _Statement) -> None:
            return None

        await self._writer.submit(lambda: statement, nothing)
        return statement.changed

    def _fetch(self, sql: str, parameters: Sequence[Scalar]) -> list[tuple[Scalar, ...]]:
        try:
            return self._reading.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            raise sqlite_schema.unreadable() from error


class _Statement:
    """One statement as a transaction of its own."""

    def __init__(self, connection: sqlite3.Connection, sql: str, parameters: Sequence[object]) -> None:
        self._connection, self._sql, self._parameters = connection, sql, parameters
        self.changed = 0

    def flush(self) -> None:
        self.changed = self._connection.execute(self._sql, self._parameters).rowcount


def _next_cursor(asked: Listing, rows: Sequence[Sequence[Scalar]], limit: int) -> str | None:
    if len(rows) <= limit:
        return None
    value, record_id, _ = rows[limit - 1]
    return make_cursor(asked, value, str(record_id))


def _audit_cursor(cursor: str | None) -> int:
    if cursor is None:
        return 2**62
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidInput.field("?cursor", "is not a cursor of this list; ask for the first page without it")
    return int(cursor)


def _audit_row(record: AuditRecord) -> tuple[Scalar, ...]:
    return (
        record.workspace,
        record.seq,
        record.at,
        record.actor,
        record.action,
        record.subject,
        audit.canonical_json(record.data),
        record.previous_hash,
        record.hash,
    )


def _audit_record(row: Sequence[Scalar]) -> AuditRecord:
    *head, data, previous_hash, record_hash = row
    return AuditRecord(*head, json.loads(str(data)), previous_hash, record_hash)  # type: ignore[arg-type]
