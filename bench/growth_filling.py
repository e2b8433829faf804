"""Fills a store: records in bulk, logs as a restore loads them, counters and versions as ever.

What is written is what the API would have left: every record with its columns, the audit chain with
its hashes, the evidence at its places, the counters and the version of the knowledge.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar

from pydantic_core import to_json

from bench.growth_costs import Meter
from bench.growth_rows import (
    CONFIDENCE,
    DAYS,
    DECIDED_S,
    RATERS,
    WORKSPACE,
    Row,
    RowOf,
    World,
    content,
    is_pending,
    submitter,
    topic,
)
from shared.adapters.archive_rows import AuditFacts, audit_row, evidence_row
from shared.domain import audit, review_stats
from shared.domain.audit import AuditEntry
from shared.domain.backup import AUDIT, RATINGS
from shared.domain.knowledge.publication import KNOWLEDGE_HEADS, KnowledgeHead
from shared.domain.learning.raters import RATERS as RATER_RECORDS
from shared.domain.learning.raters import first as first_seen
from shared.domain.times import to_text
from shared.ports import (
    Analytics,
    ArchiveRow,
    EvidenceLog,
    IndexChange,
    IndexDocument,
    Store,
    Transaction,
)
from shared.services.publication_log import HEAD

SELDOM_ACTOR = "key:founder"
"""Did one thing, before all others."""

_BATCH = 20_000
_SHARED = 63
"""Times that the counters are added nothing to, so that each is spread over its shards."""

Tables = dict[str, list[Row]]

Load = Callable[[str, Sequence[ArchiveRow]], Awaitable[None]]

T = TypeVar("T")


async def _nothing() -> None:
    """Does nothing."""


@dataclass
class Filled:
    """A store that can be filled.

    Args:
        store: implements the port.
        analytics: of that store.
        evidence_log: of that store.
        load: writes rows of a log, in their order.
        meter: counts what it is asked for.
        sorted_ids: see `World`.
        rated: entries that ratings come with, at most.
        row_of: the parameters that write a record.
        write: puts rows into tables.
        settle: is called once after filling.
        connect: is called before the first filling.
        close: is called at the end.
    """

    store: Store
    analytics: Analytics
    evidence_log: EvidenceLog
    load: Load
    meter: Meter
    sorted_ids: bool
    row_of: RowOf
    write: Callable[[Tables], Awaitable[None]]
    rated: int = 10**9
    settle: Callable[[], None] = field(default=lambda: None)
    connect: Callable[[], Awaitable[None]] = field(default=_nothing)
    close: Callable[[], Awaitable[None]] = field(default=_nothing)
    world: World = field(init=False)

    def __post_init__(self) -> None:
        """Begins the world so that its last day is today."""
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.world = World(self.sorted_ids, today - timedelta(days=DAYS - 1))

    async def fill(self, first: int, last: int) -> int:
        """Adds the entries with these numbers; returns the version of the knowledge before."""
        if first == 1:
            await self.connect()
            await self.store.transact(WORKSPACE, self._begin)
        head = await self.store.get(WORKSPACE, KNOWLEDGE_HEADS, HEAD)
        version = 0 if head is None else head.version
        made = self.world.rows(first, last, version, self.row_of)
        for some in batches(made):
            tables: Tables = defaultdict(list)
            for table, row in some:
                tables[table].append(row)
            await self.write(tables)
        await self._log_audit(self.world.audited(first, last, version))
        place, _ = await self.analytics.head(WORKSPACE)
        rated = enumerate(self.world.evidence(first, min(last, self.rated)), start=place + 1)
        for rows in batches(evidence_row(seq, one) for seq, one in rated):
            await self.load(RATINGS, rows)
        counted = self._counted(first, last, version)
        await self.store.transact(WORKSPACE, counted(1))
        for _ in range(_SHARED if first == 1 else 0):
            await self.store.transact(WORKSPACE, counted(0))
        self.settle()
        return version

    async def _log_audit(self, entries: Iterable[AuditEntry]) -> None:
        """Links records to the end of the chain, and writes them."""
        newest = (await self.store.audit_page(WORKSPACE, limit=1)).items
        seq, last = (newest[0].seq, newest[0].hash) if newest else (0, audit.GENESIS)

        def linked() -> Iterator[ArchiveRow]:
            nonlocal seq, last
            for entry in entries:
                seq += 1
                link = audit.link(WORKSPACE, seq, last, entry)
                data = to_json(entry.data).decode()
                who = entry.at, entry.actor, entry.action, entry.subject
                yield audit_row(seq, AuditFacts(*who, data, last, link.hash))
                last = link.hash

        for rows in batches(linked()):
            await self.load(AUDIT, rows)

    async def _begin(self, tx: Transaction) -> None:
        at = to_text(self.world.first_day)
        for number in range(RATERS):
            tx.put(RATER_RECORDS, first_seen(f"user{number}", at))
        tx.audit(AuditEntry(SELDOM_ACTOR, "workspace.created", WORKSPACE, at, {}))

    def _counted(
        self, first: int, last: int, version: int
    ) -> Callable[[int], Callable[[Transaction], Awaitable[None]]]:
        """Returns what counts the entries so many times, and moves the version behind theirs."""
        days, submitters = Counter[str](), Counter[str]()
        for number in range(first, last + 1):
            if not is_pending(number):
                day = self.world.first_day + timedelta(days=self.world.day(number))
                days[day.date().isoformat()] += 1
                submitters[submitter(number)] += 1
        done = days.total()
        band = f"band{review_stats.band(CONFIDENCE)}.approve"
        totals = {
            review_stats.TOTALS: {
                "pending_approval": last - first + 1 - done,
                "approved": done,
                "approve": done,
            },
            review_stats.SECONDS: {review_stats.bucket(DECIDED_S): done},
            **{f"{review_stats.DAYS}{day}": {"approve": n} for day, n in days.items()},
            **{
                f"{review_stats.SUBMITTERS}{name}": {"approve": n, band: n}
                for name, n in submitters.items()
            },
        }

        def so_often(times: int) -> Callable[[Transaction], Awaitable[None]]:
            async def add(tx: Transaction) -> None:
                for name, amounts in totals.items():
                    tx.add(name, {key: amount * times for key, amount in amounts.items()})
                at = to_text(datetime.now(UTC))
                now = KnowledgeHead(id=HEAD, version=version + done, updated_at=at)
                tx.put(KNOWLEDGE_HEADS, now)

            return add

        return so_often


def changes(world: World, first: int, last: int, version: int) -> Iterator[IndexChange]:
    """Yields what the index has of the entries with these numbers."""
    for number in range(first, last + 1):
        if not is_pending(number):
            version += 1
            id, tags = world.entry_id(number), ("invoice", "refund")
            document = IndexDocument(id, 1, topic(number), content(number), tags)
            yield IndexChange(version, id, document)


def batches(items: Iterable[T], size: int = _BATCH) -> Iterator[list[T]]:
    """Yields the items in lists of `size`; the last one may be shorter."""
    left = iter(items)
    while some := list(islice(left, size)):
        yield some
