"""Logs without a hot end: rows are committed without a place and get one in batches.

The end of a log would be one document that every change writes; Firestore gives a document about
one write a second. So a transaction only leaves its rows (audit records, evidence) as pending, with
the time of the commit, and whoever wants to read the log in order numbers them first: it takes the
pending rows in the order of their commits, gives them the next places (audit records their hashes
too) and moves the log's head, all in one commit that holds only if the head is where it was. Of
several who number at once one gets through, and the others look again. A row that is committed
late gets a later place, so nothing ever appears at or below a head.

Until it is numbered a pending audit record is protected by access rights alone: who may write the
database could change it unseen. Afterwards the chain shows it. `audit verify` numbers first, the
sweeper numbers every minute.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Any

from shared.adapters.declared_queries import audit_data
from shared.adapters.firestore_client import Document, FirestoreClient, Stale
from shared.adapters.firestore_queries import NAME, structured
from shared.adapters.firestore_running import Turns
from shared.adapters.firestore_values import decode_fields, encode
from shared.adapters.firestore_writes import (
    AUDIT,
    OUTCOMES,
    PENDING,
    PENDING_AT,
    PROMPTS,
    RATINGS,
    Write,
)
from shared.domain import audit
from shared.domain.audit import AuditEntry, AuditRecord
from shared.errors import Unavailable

HEADS = "log_heads"
BATCH = 400
"""Rows that get their places in one commit."""

LOGS = (AUDIT, RATINGS, OUTCOMES, PROMPTS)

PAGE_TIMEOUT_S = 50.0
"""Seconds for a page of a log: a run that reads thousands of rows should not fail by a slow one."""

_TRIES = 40
_WAIT_S = 0.02


class FirestoreLogs:
    """Numbers the logs of a database, and reads them in order.

    Args:
        client: the database.
    """

    def __init__(self, client: FirestoreClient) -> None:
        self._client = client

    async def number(self, workspace: str, log: str) -> int:
        """Gives every row that was committed before this call its place; returns how many it gave.

        Raises:
            Unavailable: the head kept moving without the rows getting their places.
        """
        if not await self._pending(workspace, log, 1):
            return 0
        turns = Turns(self._client)
        await turns.take([self._head_name(workspace, log)])
        try:
            return await self._number_all(workspace, log)
        finally:
            turns.free()

    async def number_everywhere(self, limit: int) -> int:
        """Numbers logs of all workspaces until `limit` rows have places; returns how many do."""
        numbered = 0
        for log in LOGS:
            while numbered < limit:
                waiting = structured(log, [(PENDING, "==", True)], limit=BATCH, everywhere=True)
                reading = await self._client.query(self._client.root, waiting)
                workspaces = sorted({name.split("/")[-3] for name in reading.found})
                given = [await self.number(workspace, log) for workspace in workspaces]
                if sum(given) == 0:
                    break  # nothing waits, or others were faster
                numbered += sum(given)
        return numbered

    async def head(self, workspace: str, log: str) -> int:
        """Returns the last place given in a log, once every row that is committed has one."""
        await self.number(workspace, log)
        name = self._head_name(workspace, log)
        return _place(await self._one(name))[0]

    async def reach(self, workspace: str, log: str, upto: int) -> None:
        """Numbers what waits unless places up to `upto` are given already."""
        seq, _ = _place(await self._one(self._head_name(workspace, log)))
        if seq < upto:
            await self.number(workspace, log)

    async def rows(
        self, workspace: str, log: str, after: int, upto: int, limit: int
    ) -> list[dict[str, Any]]:
        """Returns up to `limit` rows with places in (after, upto], in their order."""
        query = structured(
            log, [("seq", ">", after), ("seq", "<=", upto)], [("seq", False)], limit=limit
        )
        parent = self._client.parent(workspace)
        reading = await self._client.query(parent, query, timeout_s=PAGE_TIMEOUT_S)
        return [decode_fields(one.fields) for one in reading.found.values()]

    async def chain(self, workspace: str, after_seq: int, limit: int) -> list[AuditRecord]:
        """Returns up to `limit` links behind `after_seq`, in order.

        What waits for its place is looked for only where the chain ends before `limit`.
        """
        found = await self._chain(workspace, after_seq, limit)
        if len(found) < limit and await self.number(workspace, AUDIT):
            found = await self._chain(workspace, after_seq, limit)
        return found

    async def page(
        self, workspace: str, wanted: dict[str, str], before: int, limit: int
    ) -> list[AuditRecord]:
        """Returns up to `limit` links before a place that equal `wanted`, newest first."""
        await self.number(workspace, AUDIT)
        conditions = [(name, "==", value) for name, value in wanted.items()]
        query = structured(AUDIT, [*conditions, ("seq", "<", before)], [("seq", True)], limit=limit)
        reading = await self._client.query(self._client.parent(workspace), query)
        return [_record(workspace, one) for one in reading.found.values()]

    async def _chain(self, workspace: str, after_seq: int, limit: int) -> list[AuditRecord]:
        query = structured(AUDIT, [("seq", ">", after_seq)], [("seq", False)], limit=limit)
        parent = self._client.parent(workspace)
        reading = await self._client.query(parent, query, timeout_s=PAGE_TIMEOUT_S)
        return [_record(workspace, one) for one in reading.found.values()]

    async def _number_all(self, workspace: str, log: str) -> int:
        numbered, missed = 0, 0
        while missed < _TRIES:
            # The head first: rows that get their places in between are then seen by its version.
            head = await self._one(self._head_name(workspace, log))
            rows = await self._pending(workspace, log, BATCH)
            if not rows:
                return numbered
            try:
                await self._client.commit(list(self._places(workspace, log, head, rows)))
            except Stale:
                missed += 1
                await asyncio.sleep(random.random() * _WAIT_S * missed)  # noqa: S311 -- no secret
                continue
            numbered += len(rows)
            if len(rows) < BATCH:
                return numbered
        raise Unavailable(f"the {log} of {workspace} is being numbered elsewhere; try again")

    def _places(
        self, workspace: str, log: str, head: Document | None, rows: Sequence[Document]
    ) -> Iterator[Any]:
        """Yields the writes that give rows their places and move the head."""
        seq, last = _place(head)
        for row in rows:
            seq += 1
            places: dict[str, Any] = {"seq": seq}
            if log == AUDIT:
                link = audit.link(workspace, seq, last, _entry(row))
                places |= {"previous_hash": last, "hash": link.hash}
                last = link.hash
            made = Write()
            made.update.name = row.name
            made.current_document.update_time.CopyFrom(row.version)
            made.update_mask.field_paths.extend([*places, PENDING, PENDING_AT])
            for name, value in places.items():
                made.update.fields[name].CopyFrom(encode(value))
            yield made
        moved = Write()
        moved.update.name = self._head_name(workspace, log)
        moved.update.fields["seq"].CopyFrom(encode(seq))
        moved.update.fields["hash"].CopyFrom(encode(last))
        if head is None:
            moved.current_document.exists = False
        else:
            moved.current_document.update_time.CopyFrom(head.version)
        yield moved

    async def _pending(self, workspace: str, log: str, limit: int) -> list[Document]:
        """Returns the oldest rows without a place; only they have the field that is ordered by."""
        query = structured(log, (), [(PENDING_AT, False), (NAME, False)], limit=limit)
        reading = await self._client.query(self._client.parent(workspace), query)
        return list(reading.found.values())

    async def _one(self, name: str) -> Document | None:
        return (await self._client.get([name])).found.get(name)

    def _head_name(self, workspace: str, log: str) -> str:
        return self._client.name(workspace, HEADS, log)


def _place(head: Document | None) -> tuple[int, str]:
    if head is None:
        return 0, audit.GENESIS
    return int(head.fields["seq"].integer_value), str(head.fields["hash"].string_value)


def _entry(row: Document) -> AuditEntry:
    facts = decode_fields(row.fields)
    data = audit_data(facts["data"])
    return AuditEntry(facts["actor"], facts["action"], facts["subject"], facts["at"], data)


def _record(workspace: str, row: Document) -> AuditRecord:
    facts = decode_fields(row.fields)
    return AuditRecord(
        workspace,
        facts["seq"],
        facts["at"],
        facts["actor"],
        facts["action"],
        facts["subject"],
        audit_data(facts["data"]),
        facts["previous_hash"],
        facts["hash"],
    )
