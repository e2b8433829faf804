"""The archive of the Firestore store: every page is read as of one moment.

Firestore answers for any moment of the last hour, so an interrupted view can be opened again. What
has no place in its log at that moment (see firestore_logs) is given the next ones here, in the
order of the commits, without being written.
"""

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from operator import itemgetter
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp as Moment  # type: ignore[import-untyped]

from shared.adapters.archive_rows import (
    EVIDENCE,
    AuditFacts,
    audit_row,
    collection_of,
    counter_rows,
    event_rows,
    evidence_row,
    read_audit,
    read_counters,
    read_events,
    read_evidence,
    read_records,
)
from shared.adapters.declared_queries import audit_data
from shared.adapters.evidence_statements import KINDS
from shared.adapters.firestore_client import Document, FirestoreClient
from shared.adapters.firestore_logs import HEADS, FirestoreLogs
from shared.adapters.firestore_queries import NAME, structured
from shared.adapters.firestore_values import (
    DOC,
    Pb,
    Plain,
    decode_fields,
    encode,
    encode_fields,
    record_fields,
)
from shared.adapters.firestore_writes import AUDIT, COUNTERS, LANES, OUTBOX, PENDING_AT, Write
from shared.adapters.store_firestore import FirestoreStore
from shared.domain import audit
from shared.domain.audit import AuditEntry
from shared.domain.backup import LOGS, PARTS
from shared.domain.records import Collection
from shared.domain.times import from_text
from shared.errors import InvalidInput, NotFound, Unavailable
from shared.ports import ArchiveRow

BATCH = 400
"""Documents in one commit, its size in bytes being limited as well."""

BATCH_BYTES = 4_000_000
_PAGE = 500

_SOME_TIME = "2000-01-01T00:00:00.000000Z"
"""When the events of a restored outbox were committed: before all others, in their own order."""
_OUTBOX_PAGE = 300


class FirestoreView:
    """Implements `ports.ArchiveView`.

    Args:
        client: the database.
        workspace: what is seen.
        at: the moment.
        heads: the last place and hash of each log then.
        waiting: the rows without a place then, by log, in the order of their commits.
    """

    def __init__(
        self,
        client: FirestoreClient,
        workspace: str,
        at: Pb,
        heads: Mapping[str, tuple[int, str]],
        waiting: Mapping[str, Sequence[Document]],
    ) -> None:
        self._client = client
        self._workspace = workspace
        self._parent = client.parent(workspace)
        self._at = at
        self._heads = heads
        self._late = {log: list(_placed(workspace, log, *heads[log], waiting[log])) for log in LOGS}
        self.moment = f"{at.seconds}.{at.nanos:09d}"
        self.ends = {log: heads[log][0] + len(self._late[log]) for log in LOGS}
        self.audit_head = self._late_hash() or heads[AUDIT][1]

    async def rows(self, part: str, after: str, limit: int) -> list[ArchiveRow]:
        if part == COUNTERS:
            return [] if after else await self._counters()
        if part == OUTBOX:
            return [] if after else await self._events()
        if part in LOGS:
            return await self._log(part, int(after or 0), min(limit, _PAGE))
        query = structured(part, (), [(NAME, False)], limit=min(limit, _PAGE))
        if after:
            _behind(query, self._client.name(self._workspace, part, after))
        found = (await self._client.query(self._parent, query, at=self._at)).found.values()
        return [
            ArchiveRow(one.fields["id"].string_value, one.fields[DOC].string_value) for one in found
        ]

    async def _log(self, log: str, after: int, limit: int) -> list[ArchiveRow]:
        """Returns rows that have a place, then those that are given one here."""
        head = self._heads[log][0]
        if after >= head:
            late = self._late[log][after - head :]
            return [_row(log, seq, facts) for seq, facts in late[:limit]]
        asked = [("seq", ">", after)]
        query = structured(log, asked, [("seq", False)], limit=min(limit, head - after))
        found = (await self._client.query(self._parent, query, at=self._at)).found.values()
        facts = [decode_fields(one.fields) for one in found]
        return [_row(log, one["seq"], one) for one in facts]

    async def _counters(self) -> list[ArchiveRow]:
        sums = []
        async for shard in self._walk(COUNTERS):
            fields = decode_fields(shard.fields)
            for marked, amount in fields.get("sums", {}).items():
                sums.append((fields["name"], marked.removeprefix("="), amount))
        return counter_rows(sums)

    async def _events(self) -> list[ArchiveRow]:
        """Walks the outbox, which is one for all workspaces and short."""
        found: list[tuple[tuple[int, int, str], Document]] = []
        async for one in self._walk(OUTBOX, self._client.root):
            if one.fields["workspace"].string_value == self._workspace:
                at = one.fields["at"].timestamp_value
                found.append(((at.seconds, at.nanos, one.name.rpartition("/")[2][1:]), one))
        found.sort(key=itemgetter(0))
        return event_rows(one.fields[DOC].string_value for _, one in found)

    async def _walk(self, collection: str, parent: str | None = None) -> AsyncIterator[Document]:
        last = ""
        while True:
            query = structured(collection, (), [(NAME, False)], limit=_OUTBOX_PAGE)
            if last:
                _behind(query, last)
            reading = await self._client.query(parent or self._parent, query, at=self._at)
            for one in reading.found.values():
                yield one
                last = one.name
            if len(reading.found) < _OUTBOX_PAGE:
                return

    def _late_hash(self) -> str:
        late = self._late[AUDIT]
        return str(late[-1][1]["hash"]) if late else ""


class FirestoreArchive:
    """Implements `ports.Archive`.

    Args:
        store: whose documents.
    """

    def __init__(self, store: FirestoreStore) -> None:
        self._client: FirestoreClient = store.client
        self._logs: FirestoreLogs = store.logs

    @asynccontextmanager
    async def view(self, workspace: str, moment: str = "") -> AsyncIterator[FirestoreView]:
        if not moment:
            for log in LOGS:
                await self._logs.number(workspace, log)
            yield await self._seen(workspace, None)
            return
        seconds, nanos = moment.split(".")
        try:
            view = await self._seen(workspace, Moment(seconds=int(seconds), nanos=int(nanos)))
        except (InvalidInput, Unavailable) as error:
            raise NotFound("Firestore keeps that moment no longer") from error
        yield view

    async def _seen(self, workspace: str, at: Pb) -> FirestoreView:
        names = {log: self._client.name(workspace, HEADS, log) for log in LOGS}
        if at is None:
            at = (await self._client.get([names[AUDIT]])).at
        found = (await self._client.get(names.values(), at=at)).found
        heads = {log: _head(found.get(name)) for log, name in names.items()}
        waiting = {log: await self._waiting(workspace, log, at) for log in LOGS}
        return FirestoreView(self._client, workspace, at, heads, waiting)

    async def _waiting(self, workspace: str, log: str, at: Pb) -> list[Document]:
        query = structured(log, (), [(PENDING_AT, False), (NAME, False)])
        found = await self._client.query(self._client.parent(workspace), query, at=at)
        return list(found.found.values())

    async def load(self, workspace: str, part: str, rows: Sequence[ArchiveRow]) -> None:
        batch: list[Pb] = []
        size = 0
        for name, fields in self._documents(workspace, part, rows):
            made = Write()
            made.update.name = name
            for key, value in fields.items():
                made.update.fields[key].CopyFrom(value)
            batch.append(made)
            size += made.ByteSize()
            if len(batch) == BATCH or size >= BATCH_BYTES:
                await self._client.commit(batch)
                batch, size = [], 0
        if batch:
            await self._client.commit(batch)

    async def holds(self, workspace: str) -> bool:
        parent = self._client.parent(workspace)
        for part in PARTS:
            if (
                part != OUTBOX
                and (await self._client.query(parent, structured(part, limit=1))).found
            ):
                return True
        return False

    def _documents(
        self, workspace: str, part: str, rows: Sequence[ArchiveRow]
    ) -> Iterator[tuple[str, Mapping[str, Pb]]]:
        """Yields the documents that make a part, with their names; of a log its head, last."""
        if part in LOGS:
            yield from self._log_documents(workspace, part, rows)
        elif part == COUNTERS:
            for name, counter in read_counters(rows):
                sums = {f"={field}": value for field, value in counter.items()}
                shard = self._client.name(workspace, COUNTERS, f"{name}:0")
                yield shard, encode_fields({"name": name, "sums": sums})
        elif part == OUTBOX:
            for event, row in read_events(rows):
                lane = _digest(event.event_id)[0] % LANES
                fields: dict[str, Plain] = {"doc": row.doc, "lane": lane, "workspace": workspace}
                fields["at"] = from_text(_SOME_TIME)
                name = f"{lane:x}{row.key}{_digest(event.event_id).hex()[:12]}"
                yield f"{self._client.root}/{OUTBOX}/{name}", encode_fields(fields)
        else:
            collection: Collection[Any] = collection_of(part)
            for record, doc in read_records(part, rows):
                kept = record_fields(collection, record) | {DOC: encode(doc)}
                yield self._client.name(workspace, part, record.id), kept

    def _log_documents(
        self, workspace: str, log: str, rows: Sequence[ArchiveRow]
    ) -> Iterator[tuple[str, Mapping[str, Pb]]]:
        places: Iterator[tuple[int, dict[str, Plain]]]
        if log in EVIDENCE:
            places = ((seq, {"row": _values(row)}) for seq, row in read_evidence(log, rows))
        else:
            places = ((seq, _values(facts)) for seq, facts in read_audit(rows))
        seq, last = 0, audit.GENESIS
        for seq, fields in places:
            last = str(fields.get("hash", audit.GENESIS))
            id = _digest(f"{log} {seq}").hex()[:20]  # without order, so that no place grows hot
            yield self._client.name(workspace, log, id), encode_fields({**fields, "seq": seq})
        if seq:
            head: dict[str, Plain] = {"seq": seq, "hash": last}
            yield self._client.name(workspace, HEADS, log), encode_fields(head)


def _values(row: object) -> dict[str, Plain]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}  # type: ignore[attr-defined]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _head(document: Document | None) -> tuple[int, str]:
    if document is None:
        return 0, audit.GENESIS
    return int(document.fields["seq"].integer_value), str(document.fields["hash"].string_value)


def _placed(
    workspace: str, log: str, seq: int, last: str, rows: Sequence[Document]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields rows that wait for a place, each with the next one; links of the chain linked."""
    for number, row in enumerate(rows, start=seq + 1):
        facts = decode_fields(row.fields)
        if log == AUDIT:
            data = audit_data(facts["data"])
            entry = AuditEntry(facts["actor"], facts["action"], facts["subject"], facts["at"], data)
            link = audit.link(workspace, number, last, entry)
            facts |= {"previous_hash": last, "hash": link.hash}
            last = link.hash
        yield number, facts


def _row(log: str, seq: int, facts: Mapping[str, Any]) -> ArchiveRow:
    if log in EVIDENCE:
        return evidence_row(seq, KINDS[EVIDENCE[log]](**facts["row"]))
    names = AuditFacts.__dataclass_fields__
    return audit_row(seq, AuditFacts(**{name: facts[name] for name in names}))


def _behind(query: Pb, name: str) -> None:
    """Makes a query in order of name go on behind a document."""
    query.start_at.values.add(reference_value=name)
    query.start_at.before = False
