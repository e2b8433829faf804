"""A transaction of the SQLite store, and what the transactions of one commit share.

Records are written when a transaction's function has returned, since the next transaction may read
them. What no transaction reads (audit records, events, evidence, counters) waits for the end of the
group and goes in together.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from pydantic_core import to_json

from shared.adapters.sql_statements import (
    AUDIT_COLUMNS,
    EVIDENCE_TABLES,
    evidence_row,
    make_appends,
)
from shared.adapters.sqlite_statements import SQLITE, listing, row_of, statements
from shared.domain import audit
from shared.domain.audit import AuditEntry
from shared.domain.feedback import Evidence
from shared.domain.records import Collection, Filter, Order, R, Scalar
from shared.errors import AlreadyExists
from shared.messages.events import Event

MAX_WRITES = 500
"""Writes in one transaction, as Firestore has it."""

_AUDIT_HEAD = "SELECT seq, hash FROM audit_log WHERE workspace = ? ORDER BY seq DESC LIMIT 1"
_AUDIT_INSERT = f"INSERT INTO audit_log ({AUDIT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_OUTBOX_INSERT = "INSERT INTO outbox (event_id, type, workspace, doc) VALUES (?, ?, ?, ?)"
_COUNTER_ADD = (
    "INSERT INTO counters (workspace, name, field, value) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (workspace, name, field) DO UPDATE SET value = value + excluded.value"
)
_APPENDS = make_appends(SQLITE)

_TAKEN = (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE)

Row = tuple[Scalar, ...]


class SqliteGroup:
    """What the transactions of one commit leave for its end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._counters: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._audits: list[tuple[str, AuditEntry]] = []
        self._events: list[Row] = []
        self._evidence: list[tuple[str, Evidence]] = []

    def take(self, transaction: "SqliteTransaction") -> None:
        """Takes over what the transaction left for the end."""
        workspace = transaction.workspace
        for key, amount in transaction.counters.items():
            self._counters[workspace, *key] += amount
        self._audits += [(workspace, entry) for entry in transaction.audits]
        self._evidence += [(workspace, row) for row in transaction.evidence]
        self._events += transaction.events

    def finish(self) -> None:
        """Writes it."""
        many = self._connection.executemany
        if self._counters:
            many(_COUNTER_ADD, [(*key, amount) for key, amount in self._counters.items()])
        if self._audits:
            many(_AUDIT_INSERT, self._linked())
        if self._events:
            many(_OUTBOX_INSERT, self._events)
        for kind, rows in self._numbered().items():
            many(_APPENDS[kind], rows)

    def _linked(self) -> list[Row]:
        heads: dict[str, tuple[int, str]] = {}
        rows: list[Row] = []
        for workspace, entry in self._audits:
            if workspace not in heads:
                found = self._connection.execute(_AUDIT_HEAD, (workspace,)).fetchone()
                heads[workspace] = found or (0, audit.GENESIS)
            seq, head = heads[workspace]
            link = audit.link(workspace, seq + 1, head, entry)
            heads[workspace] = (link.seq, link.hash)
            data = to_json(entry.data).decode()
            who = (entry.at, entry.actor, entry.action, entry.subject)
            rows.append((workspace, link.seq, *who, data, head, link.hash))
        return rows

    def _numbered(self) -> dict[type[Evidence], list[Row]]:
        last: dict[tuple[str, str], int] = {}
        rows: defaultdict[type[Evidence], list[Row]] = defaultdict(list)
        for workspace, row in self._evidence:
            log = (EVIDENCE_TABLES[type(row)], workspace)
            if log not in last:
                sql = f"SELECT COALESCE(MAX(seq), 0) FROM {log[0]} WHERE workspace = ?"
                last[log] = self._connection.execute(sql, (workspace,)).fetchone()[0]
            last[log] += 1
            rows[type(row)].append(evidence_row(workspace, last[log], row))
        return rows


class SqliteTransaction:
    """Reads at once, keeps writes until `flush`."""

    __slots__ = (
        "_connection",
        "_creates",
        "_group",
        "_size",
        "_undoable",
        "_writes",
        "audits",
        "counters",
        "events",
        "evidence",
        "workspace",
    )

    def __init__(self, connection: sqlite3.Connection, workspace: str, group: SqliteGroup) -> None:
        self._connection = connection
        self._group = group
        self._creates = False
        self._undoable = False
        self._writes: list[tuple[str, Row]] = []
        self._size = 0
        self.workspace = workspace
        self.counters: dict[tuple[str, str], int] = {}
        self.audits: list[AuditEntry] = []
        self.events: list[Row] = []
        self.evidence: list[Evidence] = []

    async def get(self, collection: Collection[R], id: str) -> R | None:
        """See Transaction."""
        self._check_reading()
        row = self._connection.execute(statements(collection).get, (self.workspace, id)).fetchone()
        return (
            None if row is None else collection.record.__pydantic_validator__.validate_json(row[0])
        )

    async def get_many(self, collection: Collection[R], ids: Sequence[str]) -> list[R | None]:
        """See Transaction."""
        self._check_reading()
        return fetch_many(self._connection, self.workspace, collection, ids)

    async def find(
        self,
        collection: Collection[R],
        *filters: Filter,
        order: Order | None = None,
        limit: int = 50,
    ) -> list[R]:
        """See Transaction."""
        self._check_reading()
        asked = listing(self.workspace, collection, filters, order, limit, None)
        rows = self._connection.execute(asked.sql, asked.parameters).fetchall()
        return [collection.record.model_validate_json(doc) for _, _, doc in rows[:limit]]

    def create(self, collection: Collection[R], record: R) -> None:
        """See Transaction."""
        self._count()
        self._creates = True
        self._undoable = bool(self._writes)
        row = row_of(self.workspace, collection, record)
        self._writes.append((statements(collection).create, row))

    def put(self, collection: Collection[R], record: R) -> None:
        """See Transaction."""
        self._count()
        row = row_of(self.workspace, collection, record)
        self._writes.append((statements(collection).put, row))

    def delete(self, collection: Collection[R], id: str) -> None:
        """See Transaction."""
        self._count()
        self._writes.append((statements(collection).delete, (self.workspace, id)))

    def add(self, counter: str, amounts: Mapping[str, int]) -> None:
        """See Transaction."""
        self._count()
        for name, amount in amounts.items():
            self.counters[counter, name] = self.counters.get((counter, name), 0) + amount

    def append(self, *rows: Evidence) -> None:
        """See Transaction."""
        for row in rows:
            self._count()
            self.evidence.append(row)

    def audit(self, entry: AuditEntry) -> None:
        """See Transaction."""
        self._count()
        self.audits.append(entry)

    def emit(self, event: Event) -> None:
        """See Transaction."""
        self._count()
        doc = event.__pydantic_serializer__.to_json(event).decode()
        self.events.append((event.event_id, event.type, event.workspace, doc))

    def flush(self) -> None:
        """Executes the writes of records and hands the rest to the group.

        Raises:
            AlreadyExists: a create-only write met an existing record; nothing was written.
            sqlite3.Error, ValueError, OverflowError: writes may be left behind; roll back.
        """
        if self._undoable:
            self._connection.execute("SAVEPOINT one")
        try:
            for sql, rows in groupby(self._writes, itemgetter(0)):
                self._connection.executemany(sql, [row for _, row in rows])
        except sqlite3.IntegrityError as error:
            if not (self._creates and error.sqlite_errorcode in _TAKEN):
                raise
            if self._undoable:
                self._connection.execute("ROLLBACK TO one")
                self._connection.execute("RELEASE one")
            raise AlreadyExists("a record with this id exists already") from error
        if self._undoable:
            self._connection.execute("RELEASE one")
        self._group.take(self)

    def _count(self) -> None:
        self._size += 1
        if self._size > MAX_WRITES:
            raise RuntimeError(f"a transaction takes at most {MAX_WRITES} writes")

    def _check_reading(self) -> None:
        if self._size:
            raise RuntimeError("in a transaction all reads come before the first write")


def fetch_many(
    connection: sqlite3.Connection, workspace: str, collection: Collection[R], ids: Sequence[str]
) -> list[R | None]:
    """Returns the records with these ids in their order, None where there is none."""
    sql = statements(collection).get
    rows = [connection.execute(sql, (workspace, id)).fetchone() for id in ids]
    read = collection.record.__pydantic_validator__.validate_json
    return [None if row is None else read(row[0]) for row in rows]
