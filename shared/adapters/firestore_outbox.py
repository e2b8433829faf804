"""The outbox on Firestore: one collection for all workspaces, in lanes.

An index that only grows at its end takes about 500 writes a second. The events of one transaction
lie in one of several lanes, chosen by chance, and each lane has an end of its own; whoever reads
merges them by the time of the commit.
"""

import asyncio
from collections.abc import Sequence
from operator import itemgetter

from shared.adapters.firestore_client import Document, FirestoreClient
from shared.adapters.firestore_queries import NAME, structured
from shared.adapters.firestore_transaction import MAX_WRITES
from shared.adapters.firestore_values import DOC
from shared.adapters.firestore_writes import LANES, OUTBOX, Write
from shared.messages.events import Event
from shared.ports import OutboxItem

_FEW = 10

_Key = tuple[int, int, str]


async def waiting(client: FirestoreClient, limit: int) -> list[OutboxItem]:
    """Returns up to `limit` events, those that were committed first."""
    size = min(limit, max(_FEW, 2 * limit // LANES))
    while size > 0:
        lanes = await asyncio.gather(*(_lane(client, lane, size) for lane in range(LANES)))
        merged = sorted((one for lane in lanes for one in lane), key=itemgetter(0))[:limit]
        ended = [lane[-1][0] for lane in lanes if len(lane) == size]
        if size >= limit or all(len(merged) == limit and merged[-1][0] <= end for end in ended):
            return [_item(document) for _, document in merged]
        size = min(limit, 2 * size)
    return []


async def remove(client: FirestoreClient, items: Sequence[OutboxItem]) -> None:
    """Takes events out; nothing happens where one is gone."""
    names = [str(item.position) for item in items]
    for start in range(0, len(names), MAX_WRITES):
        await client.commit([Write(delete=name) for name in names[start : start + MAX_WRITES]])


async def _lane(client: FirestoreClient, lane: int, size: int) -> list[tuple[_Key, Document]]:
    query = structured(OUTBOX, [("lane", "==", lane)], [("at", False), (NAME, False)], limit=size)
    reading = await client.query(client.root, query)
    return [(_key(one), one) for one in reading.found.values()]


def _key(document: Document) -> _Key:
    """Returns the time of the commit, then what orders events of one process and transaction."""
    at = document.fields["at"].timestamp_value
    id = document.name.rpartition("/")[2]
    return at.seconds, at.nanos, id[1:]


def _item(document: Document) -> OutboxItem:
    return OutboxItem(document.name, Event.model_validate_json(document.fields[DOC].string_value))
