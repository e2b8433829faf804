"""The store on one SQLite file: the embedded default.

WAL, `synchronous=FULL`: what was answered is on the disk. Reads by id and short pages run on the
event loop on a connection of their own; see sqlite_writer for how writes are grouped. Several
processes may open the file.
"""

import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from shared.adapters import sqlite_checkpoints, sqlite_schema
from shared.adapters.declared_queries import audit_data, make_cursor, open_audit_cursor
from shared.adapters.sql_statements import AUDIT_COLUMNS, Listing
from shared.adapters.sqlite_checkpoints import Checkpoints
from shared.adapters.sqlite_statements import conditions, listing
from shared.adapters.sqlite_transaction import (
    SqliteGroup,
    SqliteTransaction,
    fetch_many,
)
from shared.adapters.sqlite_writer import GroupWriter
from shared.domain.audit import AuditRecord
from shared.domain.records import Collection, Filter, Order, R, Scalar
from shared.domain.times import to_text
from shared.messages.base import Page
from shared.messages.events import Event
from shared.ports import OutboxItem

T = TypeVar("T")


class SqliteStore:
    """Implements `ports.Store`.

    Args:
        path: the database file; made, with its folder, where it is missing.

    Raises:
        Unavailable: the file was written by a newer version, or cannot be opened.
        CorruptData: the file is not an SQLite database.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._writing = sqlite_schema.open_current(path)
        self._writing.execute("PRAGMA busy_timeout = 0")
        self._reading = sqlite_schema.connect(path)
        self._checkpoints: Checkpoints | None = None
        if sqlite_checkpoints.may_run():
            self._checkpoints = Checkpoints(path)
            self._writing.execute(f"PRAGMA wal_autocheckpoint = {sqlite_checkpoints.LOG_PAGES}")
        self._writer = GroupWriter(
            self._writing, lambda: SqliteGroup(self._writing), committed=self._committed
        )

    async def transact(self, workspace: str, run: Callable[[SqliteTransaction], Awaitable[T]]) -> T:
        """See Store."""
        return await self._writer.submit(
            lambda group: SqliteTransaction(self._writing, workspace, group), run
        )

    async def get(self, workspace: str, collection: Collection[R], id: str) -> R | None:
        """See Store."""
        try:
            (record,) = fetch_many(self._reading, workspace, collection, (id,))
        except sqlite3.Error as error:
            raise sqlite_schema.unreadable() from error
        return record

    async def get_many(
        self, workspace: str, collection: Collection[R], ids: Sequence[str]
    ) -> list[R | None]:
        """See Store."""
        try:
            self._reading.execute("BEGIN")  # all of one moment: a commit may end in between
            try:
                return fetch_many(self._reading, workspace, collection, ids)
            finally:
                self._reading.execute("COMMIT")
        except sqlite3.Error as error:
            raise sqlite_schema.unreadable() from error

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

    async def count(
        self, workspace: str, collection: Collection[R], *filters: Filter, at_most: int
    ) -> int:
        """See Store."""
        where, parameters = conditions(workspace, collection, filters)
        sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {collection.name} WHERE {where} LIMIT ?)"
        return int(self._fetch(sql, (*parameters, at_most))[0][0])

    async def counters(self, workspace: str, prefix: str) -> dict[str, dict[str, int]]:
        """See Store."""
        rows = self._fetch(
            "SELECT name, field, value FROM counters"
            " WHERE workspace = ? AND name >= ? AND name < ? ORDER BY name, field",
            (workspace, prefix, prefix + "\U0010ffff"),
        )
        found: dict[str, dict[str, int]] = {}
        for name, field, value in rows:
            found.setdefault(name, {})[field] = value
        return found

    async def counter(self, workspace: str, name: str) -> dict[str, int]:
        """See Store."""
        return dict(
            self._fetch(
                "SELECT field, value FROM counters WHERE workspace = ? AND name = ? ORDER BY field",
                (workspace, name),
            )
        )

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
        before = open_audit_cursor(cursor)
        wanted = {"action": action, "subject": subject, "actor": actor}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = "".join(f" AND {name} = ?" for name in given)
        rows = self._fetch(
            f"SELECT {AUDIT_COLUMNS} FROM audit_log WHERE workspace = ?{where} AND seq < ?"
            " ORDER BY seq DESC LIMIT ?",
            (workspace, *given.values(), before, limit + 1),
        )
        items = [_audit_record(row) for row in rows[:limit]]
        return Page.model_construct(
            items=items, next_cursor=str(items[-1].seq) if len(rows) > limit else None
        )

    async def audit_chain(self, workspace: str, after_seq: int, limit: int) -> list[AuditRecord]:
        """See Store."""
        sql = (
            f"SELECT {AUDIT_COLUMNS} FROM audit_log WHERE workspace = ? AND seq > ?"
            " ORDER BY seq LIMIT ?"
        )
        return [_audit_record(row) for row in self._fetch(sql, (workspace, after_seq, limit))]

    async def outbox(self, limit: int) -> list[OutboxItem]:
        """See Store."""
        rows = self._fetch("SELECT position, doc FROM outbox ORDER BY position LIMIT ?", (limit,))
        return [OutboxItem(position, Event.model_validate_json(doc)) for position, doc in rows]

    async def outbox_done(self, items: Sequence[OutboxItem]) -> None:
        """See Store."""
        positions = json.dumps([item.position for item in items])
        await self._execute(
            "DELETE FROM outbox WHERE position IN (SELECT value FROM json_each(?))", (positions,)
        )

    async def number_pending(self, limit: int) -> int:  # noqa: ARG002 -- a commit numbers at once
        """See Store."""
        return 0

    async def purge_expired(self, now: datetime, limit: int) -> int:
        """See Store."""
        purged, moment = 0, to_text(now)
        for collection in sqlite_schema.EXPIRING:
            name = collection.name
            keys = f"SELECT workspace, id FROM {name} WHERE {collection.expires} <= ? LIMIT ?"
            if purged < limit and self._fetch(keys, (moment, 1)):
                sql = f"DELETE FROM {name} WHERE (workspace, id) IN ({keys})"
                purged += await self._execute(sql, (moment, limit - purged))
        return purged

    async def ping(self) -> None:
        """See Store."""
        self._fetch("SELECT 1 FROM workspaces LIMIT 1", ())

    def _committed(self) -> None:
        if self._checkpoints is not None:
            self._checkpoints.after_commit()

    async def close(self) -> None:
        """See Store."""
        await self._writer.close()
        if self._checkpoints is not None:
            self._checkpoints.close()
        self._reading.close()
        self._writing.close()

    async def _execute(self, sql: str, parameters: Sequence[Scalar]) -> int:
        statement = _Statement(self._writing, sql, parameters)

        async def nothing(_: _Statement) -> None:
            return None

        await self._writer.submit(lambda _: statement, nothing)
        return statement.changed

    def _fetch(self, sql: str, parameters: Sequence[Scalar]) -> list[tuple[Any, ...]]:
        try:
            return self._reading.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise sqlite_schema.unreadable() from error


class _Statement:
    """One statement as a transaction of its own."""

    def __init__(
        self, connection: sqlite3.Connection, sql: str, parameters: Sequence[Scalar]
    ) -> None:
        self._connection, self._sql, self._parameters = connection, sql, parameters
        self.changed = 0

    def flush(self) -> None:
        """Executes it."""
        cursor = self._connection.execute(self._sql, self._parameters)
        self.changed = cursor.rowcount


def _next_cursor(asked: Listing, rows: Sequence[Sequence[Scalar]], limit: int) -> str | None:
    if len(rows) <= limit:
        return None
    value, record_id, _ = rows[limit - 1]
    return make_cursor(asked.asked, value, str(record_id))


def _audit_record(row: tuple[Any, ...]) -> AuditRecord:
    workspace, seq, at, actor, action, subject, data, previous_hash, record_hash = row
    facts = audit_data(str(data))
    return AuditRecord(
        workspace, seq, at, actor, action, subject, facts, previous_hash, record_hash
    )
