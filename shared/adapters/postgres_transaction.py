"""A transaction of the PostgreSQL store: what it has read, with versions, and what it will write.

It reads from a snapshot, without locks, and keeps its writes; postgres_commit sees to it that they
are only made where everything that was read still stands.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_core import to_json

from shared.adapters.one_of_many import TransactionReadingMany
from shared.adapters.postgres_statements import POSTGRES, Row, reads, row_of
from shared.adapters.sql_statements import make_listing
from shared.domain.audit import AuditEntry
from shared.domain.feedback import Evidence
from shared.domain.records import Collection, Filter, Order, R
from shared.messages.events import Event

MAX_WRITES = 500
"""Writes in one transaction, as Firestore has it."""

Key = tuple[Collection[Any], str]
"""A record: its collection and its id."""

Fetch = Callable[[str, Row], Awaitable[Sequence[Row]]]
"""Executes a statement that reads, within the transaction's workspace."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a record; `row` has its parameters."""

    kind: Literal["create", "put", "delete"]
    key: Key
    row: Row


@dataclass(frozen=True, slots=True)
class Found:
    """A question that was asked, and which records in which versions answered it."""

    collection: Collection[Any]
    sql: str
    parameters: Row
    versions: Sequence[Row]


@dataclass(slots=True)
class Changes:
    """What a transaction has read and what it wants written."""

    seen: dict[Key, str | None] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    counters: dict[tuple[str, str], int] = field(default_factory=dict)
    audits: list[tuple[AuditEntry, str]] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    events: list[tuple[Event, str]] = field(default_factory=list)
    size: int = 0

    @property
    def blind(self) -> bool:
        """Whether it can be written without the workspace's lock held alone.

        It has read nothing and takes no place in a log.
        """
        return not (self.seen or self.found or self.audits or self.evidence)


class PostgresTransaction(TransactionReadingMany):
    """Reads at once, keeps writes.

    Args:
        workspace: where it reads and writes.
        fetch: reads.
        locking: records that are read by id stay as they are until the transaction ends.
    """

    def __init__(self, workspace: str, fetch: Fetch, *, locking: bool = False) -> None:
        self._workspace = workspace
        self._fetch = fetch
        self._locking = locking
        self.changes = Changes()

    async def get_many(self, collection: Collection[R], ids: Sequence[str]) -> list[R | None]:
        """See Transaction."""
        self._check_reading()
        if not ids:
            return []
        asked = reads(collection)
        sql = asked.many_locked if self._locking else asked.many
        rows = await self._fetch(sql, (self._workspace, sorted(set(ids))))
        docs = {id: doc for id, doc, _ in rows}
        versions = {id: version for id, _, version in rows}
        for id in ids:
            self.changes.seen.setdefault((collection, id), versions.get(id))
        read = collection.record.__pydantic_validator__.validate_json
        return [read(docs[id]) if id in docs else None for id in ids]

    async def find(
        self,
        collection: Collection[R],
        *filters: Filter,
        order: Order | None = None,
        limit: int = 50,
    ) -> list[R]:
        """See Transaction."""
        self._check_reading()
        asked = make_listing(POSTGRES, self._workspace, collection, filters, order, limit, None)
        sql = asked.sql.replace(", doc FROM ", ", doc, xmin::text FROM ", 1)
        parameters = (*asked.parameters[:-1], limit)
        rows = await self._fetch(sql, parameters)
        versions = versions_of(rows)
        self.changes.found.append(Found(collection, sql, parameters, versions))
        return [collection.record.model_validate_json(doc) for _, _, doc, _ in rows]

    def create(self, collection: Collection[R], record: R) -> None:
        """See Transaction."""
        self._write("create", collection, record)

    def put(self, collection: Collection[R], record: R) -> None:
        """See Transaction."""
        self._write("put", collection, record)

    def delete(self, collection: Collection[R], id: str) -> None:
        """See Transaction."""
        self._count()
        self.changes.writes.append(Write("delete", (collection, id), (self._workspace, id)))

    def add(self, counter: str, amounts: Mapping[str, int]) -> None:
        """See Transaction."""
        self._count()
        counters = self.changes.counters
        for name, amount in amounts.items():
            counters[counter, name] = counters.get((counter, name), 0) + amount

    def append(self, *rows: Evidence) -> None:
        """See Transaction."""
        for row in rows:
            self._count()
            self.changes.evidence.append(row)

    def audit(self, entry: AuditEntry) -> None:
        """See Transaction."""
        self._count()
        self.changes.audits.append((entry, to_json(entry.data).decode()))

    def emit(self, event: Event) -> None:
        """See Transaction."""
        self._count()
        doc = event.__pydantic_serializer__.to_json(event).decode()
        self.changes.events.append((event, doc))

    def _write(self, kind: Literal["create", "put"], collection: Collection[R], record: R) -> None:
        self._count()
        row = row_of(self._workspace, collection, record)
        self.changes.writes.append(Write(kind, (collection, record.id), row))

    def _count(self) -> None:
        self.changes.size += 1
        if self.changes.size > MAX_WRITES:
            raise RuntimeError(f"a transaction takes at most {MAX_WRITES} writes")

    def _check_reading(self) -> None:
        if self.changes.size:
            raise RuntimeError("in a transaction all reads come before the first write")


def versions_of(rows: Sequence[Row]) -> list[Row]:
    """Returns id and version of each row of a question."""
    return [(row[1], row[3]) for row in rows]
