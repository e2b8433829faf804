"""The store on Firestore, for where instances come and go.

No document takes more than one write a second for being shared: counters are spread over shards,
logs are numbered in batches, the outbox has lanes, ids are random. See firestore_transaction for
what a transaction rests on and firestore_logs for how the logs get their order.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from shared.adapters import firestore_outbox
from shared.adapters.declared_queries import make_cursor, open_audit_cursor
from shared.adapters.firestore_client import FirestoreClient, Stale
from shared.adapters.firestore_counters import LAST, read_counters
from shared.adapters.firestore_logs import FirestoreLogs
from shared.adapters.firestore_queries import counting, structured, walk
from shared.adapters.firestore_running import run_optimistic
from shared.adapters.firestore_transaction import MAX_WRITES, FirestoreTransaction
from shared.adapters.firestore_values import decode, read_record
from shared.adapters.firestore_walking import walked
from shared.adapters.firestore_writes import Write
from shared.adapters.one_of_many import StoreReadingMany
from shared.domain import collections
from shared.domain.audit import AuditRecord
from shared.domain.records import Collection, Filter, Order, R
from shared.messages.base import Page
from shared.ports import MOST_LOOKED_THROUGH, Committed, OutboxItem

T = TypeVar("T")

DEFAULT_SHARDS = 16
"""Documents that one counter is spread over, and so about its changes a second."""

logger = logging.getLogger("whetstone.firestore")


class FirestoreStore(StoreReadingMany):
    """Implements `ports.Store`.

    Nothing connects before the first call; each event loop gets a connection of its own.

    Args:
        project: the Google Cloud project.
        database: the name of the database in it.
        committed: is given the events of a transaction right after its commit.
        shards: documents that one counter is spread over.
    """

    def __init__(
        self,
        project: str,
        database: str = "(default)",
        *,
        committed: Committed | None = None,
        shards: int = DEFAULT_SHARDS,
    ) -> None:
        self.client = FirestoreClient(project, database)
        self.logs = FirestoreLogs(self.client)
        self._committed = committed
        self._shards = shards
        self._running: set[asyncio.Future[None]] = set()

    async def transact(
        self, workspace: str, run: Callable[[FirestoreTransaction], Awaitable[T]]
    ) -> T:
        """See Store."""
        with self._counted():
            result, events = await run_optimistic(self.client, workspace, run, self._shards)
            await self._tell(events)
            return result

    async def get_many(
        self, workspace: str, collection: Collection[R], ids: Sequence[str]
    ) -> list[R | None]:
        """See Store."""
        if not ids:
            return []
        names = [self.client.name(workspace, collection.name, id) for id in ids]
        found = (await self.client.get(names)).found
        return [
            read_record(collection, found[name].fields) if name in found else None for name in names
        ]

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
        asked = walk(
            workspace,
            collection,
            filters,
            order,
            cursor=cursor,
            name_of=lambda id: self.client.name(workspace, collection.name, id),
        )
        parent = self.client.parent(workspace)
        done = await walked(self.client, parent, asked, limit + 1, most=MOST_LOOKED_THROUGH)
        items = [read_record(collection, one.fields) for one in done.found[:limit]]
        last = done.found[limit - 1] if len(done.found) > limit else done.stopped_at
        following = None
        if last is not None:
            value = decode(last.fields[asked.asked.order.field])
            following = make_cursor(asked.asked, value, last.fields["id"].string_value)
        return Page.model_construct(items=items, next_cursor=following)

    async def count(
        self, workspace: str, collection: Collection[R], *filters: Filter, at_most: int
    ) -> int:
        """See Store."""
        query = counting(collection, filters)
        if at_most < 1:
            return 0
        if query is not None:
            return await self.client.count(self.client.parent(workspace), query, at_most)
        asked = walk(workspace, collection, filters, None)
        done = await walked(self.client, self.client.parent(workspace), asked, at_most)
        return len(done.found)

    async def counters(self, workspace: str, prefix: str) -> dict[str, dict[str, int]]:
        """See Store."""
        return await read_counters(self.client, workspace, prefix, prefix + LAST)

    async def counter(self, workspace: str, name: str) -> dict[str, int]:
        """See Store."""
        return (await read_counters(self.client, workspace, name, name)).get(name, {})

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
        links = await self.logs.page(workspace, given, before, limit + 1)
        following = str(links[limit - 1].seq) if len(links) > limit else None
        return Page.model_construct(items=links[:limit], next_cursor=following)

    async def audit_chain(self, workspace: str, after_seq: int, limit: int) -> list[AuditRecord]:
        """See Store."""
        return await self.logs.chain(workspace, after_seq, limit)

    async def outbox(self, limit: int) -> list[OutboxItem]:
        """See Store."""
        return await firestore_outbox.waiting(self.client, limit)

    async def outbox_done(self, items: Sequence[OutboxItem]) -> None:
        """See Store."""
        await firestore_outbox.remove(self.client, items)

    async def number_pending(self, limit: int) -> int:
        """See Store."""
        return await self.logs.number_everywhere(limit)

    async def purge_expired(self, now: datetime, limit: int) -> int:
        """Deletes expired records on the emulator, which has no TTL; returns how many.

        On Google Cloud the TTL policies do it and this does nothing: an index to find what has
        expired would grow at its end only, which limits all workspaces together.
        """
        purged = 0
        if not self.client.emulated:
            return purged
        for collection in collections.ALL:
            if collection.expires is not None and purged < limit:
                purged += await self._purge(
                    collection.name, collection.expires, now, limit - purged
                )
        return purged

    async def ping(self) -> None:
        """See Store."""
        await self.client.get([self.client.name("_system", "pings", "ping")])

    async def close(self) -> None:
        """See Store."""
        loop = asyncio.get_running_loop()
        while running := [one for one in self._running if one.get_loop() is loop]:
            await asyncio.wait(running)
        await self.client.close()

    async def _purge(self, collection: str, expires: str, now: datetime, limit: int) -> int:
        query = structured(
            collection,
            [(expires, "<=", now)],
            [(expires, False)],
            limit=min(limit, MAX_WRITES),
            everywhere=True,
        )
        expired = (await self.client.query(self.client.root, query)).found.values()
        deletes = []
        for one in expired:
            delete = Write(delete=one.name)
            delete.current_document.update_time.CopyFrom(one.version)
            deletes.append(delete)
        if not deletes:
            return 0
        try:
            await self.client.commit(deletes)
        except Stale:
            return 0  # one was renewed meanwhile; the next sweep sees the others
        return len(deletes)

    async def _tell(self, events: Sequence[OutboxItem]) -> None:
        if self._committed is None or not events:
            return
        try:
            await self._committed(events)
        except Exception:  # the transaction stands; the sweeper publishes what is left
            logger.exception("publishing_after_commit_failed", extra={"events": len(events)})

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Lets `close` wait for what runs."""
        done = asyncio.get_running_loop().create_future()
        self._running.add(done)
        try:
            yield
        finally:
            self._running.discard(done)
            done.set_result(None)
