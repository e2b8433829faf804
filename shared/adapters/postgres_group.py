"""The transactions that one commit holds, checked and numbered under the workspace's lock.

The order matters. Only once the lock is held is anything read that others write under it: the ends
of the logs, and whether what the transactions have seen still stands (READ COMMITTED: each
statement sees what was committed before it). The lock ends with the commit, so positions in the
logs are in the order of commits, and no row appears behind one that could be read.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from shared.adapters.postgres_statements import (
    APPENDS,
    AUDIT_INSERT,
    BEGIN,
    COUNTER_ADD,
    HEADS,
    LOCK,
    OUTBOX_INSERT,
    WITHIN,
    Row,
    reads,
    send,
    statements,
)
from shared.adapters.postgres_transaction import (
    Changes,
    Found,
    Key,
    PostgresTransaction,
    Write,
    versions_of,
)
from shared.adapters.sql_statements import EVIDENCE_TABLES, evidence_row
from shared.domain import audit
from shared.domain.feedback import Evidence
from shared.domain.records import Collection
from shared.errors import AlreadyExists
from shared.messages.events import Event
from shared.ports import OutboxItem

Statement = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """For whom the events of a commit are kept, and how long, in seconds; 0 for nobody."""

    by: str = ""
    seconds: float = 0.0


class Group:
    """What one commit writes.

    Args:
        connection: in autocommit mode, used by nobody else until the commit.
        workspace: of all its transactions.
        claim: for the events.
    """

    def __init__(self, connection: AsyncConnection[Any], workspace: str, claim: Claim) -> None:
        self._connection = connection
        self._workspace = workspace
        self._claim = claim
        self._versions: dict[Key, str] = {}
        self._answers: dict[int, Sequence[Row]] = {}
        self._present: dict[Key, bool] = {}
        self._touched: set[Key] = set()
        self._pending: list[Statement] = []
        self._last: list[Changes] = []
        self._head = (0, audit.GENESIS)
        self._ends: dict[type[Evidence], int] = {}

    async def begin(self, all_changes: Sequence[Changes]) -> None:
        """Takes the lock and reads what the checks need, on one way."""
        asked = _asked(all_changes)
        found = [one for changes in all_changes for one in changes.found]
        heads, *rows = (
            await send(
                self._connection,
                (BEGIN, None),
                (WITHIN, (self._workspace,)),
                (LOCK, (self._workspace,)),
                (HEADS, {"w": self._workspace}),
                *((sql, (self._workspace, ids)) for _, sql, ids in asked),
                *((one.sql, one.parameters) for one in found),
            )
        )[3:]
        ((seq, last_hash, *ends),) = heads
        self._head = (seq or 0, last_hash or audit.GENESIS)
        self._ends = dict(zip(EVIDENCE_TABLES, ends, strict=True))
        for (collection, _, ids), versions in zip(asked, rows, strict=False):
            self._learn(collection, ids, versions)
        for one, answer in zip(found, rows[len(asked) :], strict=True):
            self._answers[id(one)] = versions_of(answer)

    def stands(self, changes: Changes) -> bool:
        """Tells whether all that the transaction has read is still so, also in this group."""
        return all(
            key not in self._touched and self._versions.get(key) == version
            for key, version in changes.seen.items()
        ) and all(self._still(one) for one in changes.found)

    def take(self, changes: Changes) -> None:
        """Puts the transaction's writes behind those of the ones before it.

        Raises:
            AlreadyExists: a create-only write met a record; nothing of the transaction is kept.
        """
        present: dict[Key, bool] = {}
        made: list[Statement] = []
        for write in changes.writes:
            there = present.get(write.key, self._present.get(write.key))
            made.append((_statement(write, changes, there=there), write.row))
            present[write.key] = write.kind != "delete"
        self._pending += made
        self._present |= present
        self._touched.update(present)
        self._last.append(changes)

    async def reader(self) -> PostgresTransaction:
        """Returns a transaction that reads what stands now, with the writes before it."""
        await self._flush()

        async def fetch(sql: str, parameters: Row) -> Sequence[Row]:
            return (await send(self._connection, (sql, parameters)))[0]

        return PostgresTransaction(self._workspace, fetch, locking=True)

    async def look(self, changes: Changes) -> None:
        """Learns which of the records that a transaction of `reader` creates are there."""
        self._present |= {key: version is not None for key, version in changes.seen.items()}
        unknown = [one.key for one in changes.writes if one.key not in self._present]
        for collection, ids in _by_collection(unknown):
            sql = reads(collection).versions
            (rows,) = await send(self._connection, (sql, (self._workspace, ids)))
            self._learn(collection, ids, rows)

    async def commit(self) -> list[list[OutboxItem]]:
        """Writes everything and commits it; returns the events of each transaction taken."""
        written = [*self._pending, *self._counted(), *self._linked(), *self._numbered()]
        events = [one for changes in self._last for one in changes.events]
        done = await send(
            self._connection, *written, *map(self._outbox_row, events), ("COMMIT", None)
        )
        positions = [rows[0][0] for rows in done[len(written) : -1]]
        items = iter(
            [
                OutboxItem(position, event)
                for position, (event, _) in zip(positions, events, strict=True)
            ]
        )
        return [[next(items) for _ in changes.events] for changes in self._last]

    async def _flush(self) -> None:
        pending, self._pending = self._pending, []
        if pending:
            await send(self._connection, *pending)

    def _learn(self, collection: Collection[Any], ids: Sequence[str], rows: Sequence[Row]) -> None:
        versions: dict[str, str] = dict(rows)
        for id in ids:
            key = (collection, id)
            self._present.setdefault(key, id in versions)
            if id in versions:
                self._versions[key] = versions[id]

    def _still(self, found: Found) -> bool:
        touched = any(collection is found.collection for collection, _ in self._touched)
        return not touched and self._answers[id(found)] == found.versions

    def _outbox_row(self, one: tuple[Event, str]) -> Statement:
        event, doc = one
        row = (event.event_id, event.type, self._workspace, doc, self._claim.by)
        return (OUTBOX_INSERT, (*row, self._claim.seconds))

    def _counted(self) -> list[Statement]:
        sums: defaultdict[tuple[str, str], int] = defaultdict(int)
        for changes in self._last:
            for key, amount in changes.counters.items():
                sums[key] += amount
        return counted(self._workspace, sums)

    def _linked(self) -> Iterable[Statement]:
        for changes in self._last:
            for entry, data in changes.audits:
                seq, head = self._head
                link = audit.link(self._workspace, seq + 1, head, entry)
                self._head = (link.seq, link.hash)
                who = (entry.at, entry.actor, entry.action, entry.subject)
                row = (self._workspace, link.seq, *who, data, head, link.hash)
                yield AUDIT_INSERT, row

    def _numbered(self) -> Iterable[Statement]:
        for changes in self._last:
            for row in changes.evidence:
                self._ends[type(row)] += 1
                place = self._ends[type(row)]
                yield APPENDS[type(row)], evidence_row(self._workspace, place, row)


def counted(workspace: str, sums: "dict[tuple[str, str], int]") -> list[Statement]:
    """Returns what adds to counters, always in the same order, so that nobody waits in a circle."""
    return [(COUNTER_ADD, (workspace, *key, amount)) for key, amount in sorted(sums.items())]


def _statement(write: Write, changes: Changes, *, there: bool | None) -> str:
    """Returns the SQL of a write; `there` tells whether the record exists, None where unknown."""
    sql = statements(write.key[0])
    if write.kind == "delete":
        return sql.delete
    if write.kind == "put":
        # What was seen to be missing must not be overwritten where somebody was quicker: see blind.
        return sql.create if there is False and write.key in changes.seen else sql.put
    if there:
        raise AlreadyExists("a record with this id exists already")
    return sql.create


def _asked(all_changes: Sequence[Changes]) -> list[tuple[Collection[Any], str, list[str]]]:
    """Returns which versions to read: of what was seen, and of what shall be created.

    What is both seen and written stays locked: a single blind write needs no workspace lock.
    """
    written = {one.key for changes in all_changes for one in changes.writes}
    seen = {key for changes in all_changes for key in changes.seen}
    created = {one.key for changes in all_changes for one in changes.writes if one.kind == "create"}
    return [
        *((one, reads(one).versions_locked, ids) for one, ids in _by_collection(seen & written)),
        *(
            (one, reads(one).versions, ids)
            for one, ids in _by_collection((seen | created) - (seen & written))
        ),
    ]


def _by_collection(keys: Iterable[Key]) -> list[tuple[Collection[Any], list[str]]]:
    """Returns the ids of each collection, both in order: locks are taken in one order."""
    ids: defaultdict[Collection[Any], set[str]] = defaultdict(set)
    for collection, id in keys:
        ids[collection].add(id)
    return [(one, sorted(ids[one])) for one in sorted(ids, key=lambda one: one.name)]
