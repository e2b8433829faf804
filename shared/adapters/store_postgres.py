"""The store on PostgreSQL: Cloud SQL, for many instances of every function at once.

Reads take one way to the server, within the one workspace that they name (row-level security sees
to that as well). See postgres_commit for how transactions stay apart, and postgres_group for how
places in the logs are given.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import psycopg

from shared.adapters.declared_queries import (
    audit_data,
    foreign_cursor,
    make_cursor,
    open_audit_cursor,
)
from shared.adapters.one_of_many import StoreReadingMany
from shared.adapters.postgres_commit import Commits
from shared.adapters.postgres_group import Claim
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.postgres_snapshot import Snapshot
from shared.adapters.postgres_statements import (
    AUDIT_PAGE,
    COUNTER,
    COUNTERS,
    OUTBOX_CLAIM,
    OUTBOX_DONE,
    POSTGRES,
    SWEEPING,
    WITHIN,
    Row,
    reads,
    send,
)
from shared.adapters.postgres_transaction import PostgresTransaction
from shared.adapters.sql_statements import (
    AUDIT_COLUMNS,
    Listing,
    make_conditions,
    make_listing,
)
from shared.domain import collections
from shared.domain.audit import AuditRecord
from shared.domain.records import Collection, Filter, Order, R
from shared.domain.times import to_text
from shared.errors import InvalidInput, Unavailable
from shared.messages.base import Page
from shared.messages.events import Event
from shared.ports import Committed, OutboxItem

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

CLAIM_S = 30.0
"""Seconds for which a relay has the events that it took; another one leaves them alone."""


class PostgresStore(StoreReadingMany):
    """Implements `ports.Store`.

    Args:
        pool: where connections come from; closed with the store.
        committed: is given the events of each transaction right after its commit.
        claim_s: how long events are kept for who publishes them, in seconds. After a crash they
            wait as long for the sweeper of another process.
    """

    def __init__(
        self, pool: PostgresPool, *, committed: Committed | None = None, claim_s: float = CLAIM_S
    ) -> None:
        self._pool = pool
        self._committed = committed
        self._relay = secrets.token_hex(8)
        self._claim_s = claim_s
        own = Claim(self._relay, claim_s) if committed is not None else Claim()
        self._commits = Commits(pool, own)
        self._publishing: set[int | str] = set()
        self._active = 0
        self._closed = False
        self._quiet: asyncio.Event | None = None

    @property
    def pool(self) -> PostgresPool:
        """Where its connections come from, for those who read the same tables."""
        return self._pool

    async def transact(
        self, workspace: str, run: Callable[[PostgresTransaction], Awaitable[T]]
    ) -> T:
        """See Store."""
        with self._working():
            async with Snapshot(self._pool, workspace) as snapshot:
                transaction = PostgresTransaction(workspace, snapshot.fetch)
                result = await run(transaction)
            changes = transaction.changes
            if not changes.size:
                return result
            result, events = await self._commits.commit(workspace, run, changes, result)
            await self._hand_over(events)
            return result

    async def get_many(
        self, workspace: str, collection: Collection[R], ids: Sequence[str]
    ) -> list[R | None]:
        """See Store."""
        if not ids:
            return []
        rows = await self._fetch(workspace, reads(collection).docs, (workspace, list(ids)))
        docs: dict[str, str] = dict(rows)
        read = collection.record.__pydantic_validator__.validate_json
        return [read(docs[id]) if id in docs else None for id in ids]

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
        asked = make_listing(POSTGRES, workspace, collection, filters, order, limit, cursor)
        try:
            rows = await self._fetch(workspace, asked.sql, asked.parameters)
        except (InvalidInput, Unavailable) as error:
            if cursor is not None and _unfit(error):
                raise foreign_cursor() from error
            raise
        items = [collection.record.model_validate_json(doc) for _, _, doc in rows[:limit]]
        return Page.model_construct(items=items, next_cursor=_next_cursor(asked, rows, limit))

    async def count(
        self, workspace: str, collection: Collection[R], *filters: Filter, at_most: int
    ) -> int:
        """See Store."""
        where, parameters = make_conditions(POSTGRES, workspace, collection, filters)
        sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {collection.name} WHERE {where} LIMIT %s) found"
        return int((await self._fetch(workspace, sql, (*parameters, at_most)))[0][0])

    async def counters(self, workspace: str, prefix: str) -> dict[str, dict[str, int]]:
        """See Store."""
        found: dict[str, dict[str, int]] = {}
        for name, field, value in await self._fetch(workspace, COUNTERS, (workspace, prefix)):
            found.setdefault(name, {})[field] = value
        return found

    async def counter(self, workspace: str, name: str) -> dict[str, int]:
        """See Store."""
        return dict(await self._fetch(workspace, COUNTER, (workspace, name)))

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
        where = "".join(f" AND {name} = %s" for name in given)
        rows = await self._fetch(
            workspace, AUDIT_PAGE.format(where), (workspace, *given.values(), before, limit + 1)
        )
        items = [_audit_record(row) for row in rows[:limit]]
        return Page.model_construct(
            items=items, next_cursor=str(items[-1].seq) if len(rows) > limit else None
        )

    async def audit_chain(self, workspace: str, after_seq: int, limit: int) -> list[AuditRecord]:
        """See Store."""
        sql = (
            f"SELECT {AUDIT_COLUMNS} FROM audit_log WHERE workspace = %s AND seq > %s"
            " ORDER BY seq LIMIT %s"
        )
        rows = await self._fetch(workspace, sql, (workspace, after_seq, limit))
        return [_audit_record(row) for row in rows]

    async def outbox(self, limit: int) -> list[OutboxItem]:
        """See Store.

        They are this store's for `claim_s` seconds: another one is given those behind them.
        """
        asked = {"by": self._relay, "seconds": self._claim_s, "not": list(self._publishing)}
        rows = await self._sweep(OUTBOX_CLAIM, {**asked, "limit": limit})
        return [OutboxItem(place, Event.model_validate_json(doc)) for place, doc in sorted(rows)]

    async def outbox_done(self, items: Sequence[OutboxItem]) -> None:
        """See Store."""
        if items:
            await self._sweep(OUTBOX_DONE, ([item.position for item in items],))

    async def number_pending(self, limit: int) -> int:  # noqa: ARG002 -- a commit numbers at once
        """See Store."""
        return 0

    async def purge_expired(self, now: datetime, limit: int) -> int:
        """See Store."""
        purged, moment = 0, to_text(now)
        for collection in collections.ALL:
            if collection.expires is None or purged >= limit:
                continue
            # Asked again outside: the row may be put anew, with another time, while this one waits.
            sql = (
                f"DELETE FROM {collection.name} WHERE {collection.expires} <= %(moment)s"
                f" AND (workspace, id) IN (SELECT workspace, id FROM {collection.name}"
                f" WHERE {collection.expires} <= %(moment)s LIMIT %(limit)s) RETURNING 1"
            )
            purged += len(await self._sweep(sql, {"moment": moment, "limit": limit - purged}))
        return purged

    async def ping(self) -> None:
        """See Store."""
        await self._fetch("", "SELECT 1", ())

    async def close(self) -> None:
        """See Store."""
        self._closed = True
        if self._active:
            self._quiet = asyncio.Event()
            await self._quiet.wait()
        await self._commits.finished()
        await self._pool.close()

    @contextmanager
    def _working(self) -> Iterator[None]:
        if self._closed:
            raise Unavailable("the store is closed")
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1
            if not self._active and self._quiet is not None:
                self._quiet.set()

    async def _fetch(self, workspace: str, sql: str, parameters: Row) -> Sequence[Row]:
        return await self._ask((WITHIN, (workspace,)), (sql, parameters))

    async def _sweep(self, sql: str, parameters: Row | Mapping[str, object]) -> Sequence[Row]:
        return await self._ask((SWEEPING, None), (sql, parameters))

    async def _ask(self, *asked: tuple[str, Any]) -> Sequence[Row]:
        with self._working():
            async with self._pool.connection() as connection:
                return (await send(connection, *asked))[-1]

    async def _hand_over(self, events: Sequence[OutboxItem]) -> None:
        if self._committed is None or not events:
            return
        positions = {item.position for item in events}
        self._publishing |= positions
        try:
            await self._committed(events)
        except Exception:  # noqa: BLE001 -- whatever the hook meets
            # The transaction stands, and the outbox has its events: the sweeper publishes them.
            _LOG.exception("events_not_published", extra={"events": len(events)})
        finally:
            self._publishing -= positions


def _unfit(error: Exception) -> bool:
    """Tells whether a value was of a type that its column does not compare with."""
    return isinstance(error.__cause__, psycopg.DataError | psycopg.ProgrammingError)


def _next_cursor(asked: Listing, rows: Sequence[Row], limit: int) -> str | None:
    if len(rows) <= limit:
        return None
    value, record_id, _ = rows[limit - 1]
    return make_cursor(asked.asked, value, record_id)


def _audit_record(row: Row) -> AuditRecord:
    workspace, seq, at, actor, action, subject, data, previous_hash, record_hash = row
    facts = audit_data(data)
    return AuditRecord(
        workspace, seq, at, actor, action, subject, facts, previous_hash, record_hash
    )
