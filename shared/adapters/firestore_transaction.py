"""A transaction on Firestore that holds no locks while its function runs.

Everything is read as of the moment of the first read, so the function never sees half of another
change. The commit then demands that what was read is still so: as a condition on each document
that is written (its version, or that it is not there); where documents were only read, or queries
run, by reading them again in a short transaction of Firestore's own, which also guards against
documents that a query would now find in addition. Both together make it serializable.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from typing import Any, Literal

from pydantic_core import to_json

from shared.adapters.firestore_client import Document, FirestoreClient, Stale, Taken
from shared.adapters.firestore_queries import walk
from shared.adapters.firestore_values import (
    Pb,
    Plain,
    encode,
    encode_fields,
    read_record,
    record_fields,
)
from shared.adapters.firestore_walking import Step, walked
from shared.adapters.firestore_writes import (
    AUDIT,
    LANES,
    OUTBOX,
    OUTCOMES,
    PENDING,
    PENDING_AT,
    PROMPTS,
    RATINGS,
    Write,
    counter_write,
    stamped,
)
from shared.adapters.one_of_many import TransactionReadingMany
from shared.domain.audit import AuditEntry
from shared.domain.feedback import Evidence, OutcomeEvidence, PromptEvidence, RatingEvidence
from shared.domain.records import Collection, Filter, Order, R
from shared.errors import AlreadyExists
from shared.messages.events import Event
from shared.ports import OutboxItem

MAX_WRITES = 500
"""Writes in one transaction."""

_LOGS = {RatingEvidence: RATINGS, OutcomeEvidence: OUTCOMES, PromptEvidence: PROMPTS}
_NAMES = {kind: tuple(one.name for one in fields(kind)) for kind in _LOGS}
_TAKEN = "a record with this id exists already"


@dataclass(slots=True)
class _Change:
    """What becomes of one document; `fresh` where it must not be there before."""

    kind: Literal["put", "delete"]
    fields: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False


class FirestoreTransaction(TransactionReadingMany):
    """Implements `ports.Transaction`.

    Args:
        client: the database.
        workspace: whose records.
        shards: documents that a counter is spread over.
    """

    def __init__(self, client: FirestoreClient, workspace: str, shards: int) -> None:
        self._client = client
        self._workspace = workspace
        self._shards = shards
        self._at: Pb = None
        self._read: dict[str, Document | None] = {}
        self._steps: list[Step] = []
        self._queried: set[str] = set()
        self._changes: dict[str, _Change] = {}
        self._clash = False
        self._counters: dict[str, dict[str, int]] = {}
        self._rows: list[tuple[str, dict[str, Any]]] = []
        self._events: list[Event] = []
        self._size = 0
        self._stamp = f"{time.time_ns():016x}{secrets.token_hex(6)}"
        self._lane = secrets.randbelow(LANES)

    async def get_many(self, collection: Collection[R], ids: Sequence[str]) -> list[R | None]:
        """See Transaction."""
        self._check_reading()
        if not ids:
            return []
        names = [self._name(collection, id) for id in ids]
        reading = await self._client.get(names, at=self._at)
        self._at = reading.at
        found = [reading.found.get(name) for name in names]
        self._read |= dict(zip(names, found, strict=True))
        return [None if one is None else read_record(collection, one.fields) for one in found]

    async def find(
        self,
        collection: Collection[R],
        *filters: Filter,
        order: Order | None = None,
        limit: int = 50,
    ) -> list[R]:
        """See Transaction."""
        self._check_reading()
        asked = walk(self._workspace, collection, filters, order)
        parent = self._client.parent(self._workspace)
        done = await walked(self._client, parent, asked, limit, at=self._at)
        self._at = done.at
        self._steps += done.steps
        self._queried.add(f"{parent}/{collection.name}")
        return [read_record(collection, one.fields) for one in done.found[:limit]]

    def create(self, collection: Collection[R], record: R) -> None:
        """See Transaction."""
        self._count()
        name = self._name(collection, record.id)
        before = self._changes.get(name)
        self._clash |= before is not None and before.kind == "put"
        fresh = before is None or before.fresh
        self._changes[name] = _Change("put", record_fields(collection, record), fresh)

    def put(self, collection: Collection[R], record: R) -> None:
        """See Transaction."""
        self._count()
        name = self._name(collection, record.id)
        before = self._changes.get(name)
        fresh = before is not None and before.fresh
        self._changes[name] = _Change("put", record_fields(collection, record), fresh)

    def delete(self, collection: Collection[R], id: str) -> None:
        """See Transaction."""
        self._count()
        name = self._name(collection, id)
        before = self._changes.get(name)
        self._changes[name] = _Change("delete", fresh=before is not None and before.fresh)

    def add(self, counter: str, amounts: Mapping[str, int]) -> None:
        """See Transaction."""
        self._count()
        sums = self._counters.setdefault(counter, {})
        for name, amount in amounts.items():
            sums[name] = sums.get(name, 0) + amount

    def append(self, *rows: Evidence) -> None:
        """See Transaction."""
        for row in rows:
            self._count()
            values = dict(zip(_NAMES[type(row)], astuple(row), strict=True))
            self._rows.append((_LOGS[type(row)], encode_fields({"row": values})))

    def audit(self, entry: AuditEntry) -> None:
        """See Transaction."""
        self._count()
        facts = {
            "at": entry.at,
            "actor": entry.actor,
            "action": entry.action,
            "subject": entry.subject,
            "data": to_json(entry.data).decode(),
        }
        self._rows.append((AUDIT, encode_fields(facts)))

    def emit(self, event: Event) -> None:
        """See Transaction."""
        self._count()
        self._events.append(event)

    def contended(self) -> list[str]:
        """Returns what another transaction may be at as well: documents read and written."""
        return [name for name in self._changes if name in self._read]

    def queried(self) -> set[str]:
        """Returns the collections that the commit has to ask again; none where it writes nothing.

        Asking locks them, and not only what is found: in the emulator all of a collection.
        """
        return self._queried if self._size else set()

    async def commit(self) -> list[OutboxItem]:
        """Writes everything, or nothing, and returns the events that wait now.

        Raises:
            AlreadyExists: a document to be created is there.
            Stale: something that was read has changed: to be run again.
            Unavailable: no answer; it may have happened.
        """
        if self._size == 0:
            return []  # everything was read as of one moment
        self._check_creates()
        writes, items = self._writes()
        unwritten = [name for name in self._read if name not in self._changes]
        try:
            if unwritten or self._steps:
                await self._commit_verified(unwritten, writes)
            else:
                await self._client.commit(writes)
        except Taken:
            if await self._creates_clash():
                raise AlreadyExists(_TAKEN) from None
            raise
        return items

    async def _commit_verified(self, names: Sequence[str], writes: Sequence[Any]) -> None:
        """Commits in a transaction of Firestore's in which everything is read once more."""
        if names:
            reading = await self._client.get(names, opens=True)
            transaction = reading.transaction
        else:
            reading, transaction = None, await self._client.begin()
        try:
            for name in names if reading else ():
                _same(self._read[name], reading.found.get(name) if reading else None)
            for step in self._steps:
                await step.repeat(self._client, transaction)
            await self._client.commit(writes, transaction)
        except BaseException:
            await self._client.rollback(transaction)
            raise

    def _check_creates(self) -> None:
        there = (
            change.fresh and self._read.get(name) is not None
            for name, change in self._changes.items()
        )
        if self._clash or any(there):
            raise AlreadyExists(_TAKEN)

    async def _creates_clash(self) -> bool:
        """Tells whether a create has met a document while everything that was read still holds.

        Where something that was read has changed, the function may decide otherwise.
        """
        fresh = [name for name, one in self._changes.items() if one.fresh]
        reading = await self._client.get([*fresh, *self._read])
        if any(
            _version(reading.found.get(name)) != _version(before)
            for name, before in self._read.items()
        ):
            return False
        return any(name in reading.found for name in fresh)

    def _writes(self) -> tuple[list[Pb], list[OutboxItem]]:
        writes = [self._record_write(name, one) for name, one in self._changes.items()]
        writes += [
            counter_write(self._client, self._workspace, name, sums, self._shards)
            for name, sums in self._counters.items()
        ]
        parent = self._client.parent(self._workspace)
        for number, (log, row) in enumerate(self._rows):
            name = f"{parent}/{log}/{self._stamp}{number:03d}"
            writes.append(stamped(name, {**row, PENDING: encode(value=True)}, PENDING_AT))
        items = []
        for number, event in enumerate(self._events):
            name = f"{self._client.root}/{OUTBOX}/{self._lane:x}{self._stamp}{number:03d}"
            doc = event.__pydantic_serializer__.to_json(event).decode()
            waiting: dict[str, Plain] = {
                "doc": doc,
                "lane": self._lane,
                "workspace": event.workspace,
            }
            writes.append(stamped(name, encode_fields(waiting), "at"))
            items.append(OutboxItem(name, event))
        return writes, items

    def _record_write(self, name: str, change: _Change) -> Pb:
        made = Write()
        if change.kind == "delete":
            made.delete = name
        else:
            made.update.name = name
            for key, value in change.fields.items():
                made.update.fields[key].CopyFrom(value)
        before = self._read.get(name)
        if before is not None:
            made.current_document.update_time.CopyFrom(before.version)
        elif change.fresh or name in self._read:
            made.current_document.exists = False
        return made

    def _name(self, collection: Collection[R], id: str) -> str:
        return self._client.name(self._workspace, collection.name, id)

    def _count(self) -> None:
        self._size += 1
        if self._size > MAX_WRITES:
            raise RuntimeError(f"a transaction takes at most {MAX_WRITES} writes")

    def _check_reading(self) -> None:
        if self._size:
            raise RuntimeError("in a transaction all reads come before the first write")


def _version(document: Document | None) -> Pb:
    return None if document is None else document.version


def _same(before: Document | None, now: Document | None) -> None:
    if _version(before) != _version(now):
        raise Stale
