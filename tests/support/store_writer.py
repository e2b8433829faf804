"""A process that writes to a store until it is done or killed: `PLACE NAME COUNT`.

PLACE is a file of SQLite or the DSN of a PostgreSQL database.

Every transaction raises one shared count, creates two records, and leaves an audit record, an event
and a row of evidence. What was committed is told on a line of its own, at once.
"""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.adapters import sqlite_checkpoints
from shared.adapters.postgres_login import DsnLogin
from shared.adapters.postgres_pool import PostgresPool
from shared.adapters.store_postgres import PostgresStore
from shared.adapters.store_sqlite import SqliteStore
from shared.domain.entries import CONTENT_KEYS
from shared.domain.feedback import CONVERSATIONS, ConversationCount
from shared.ports import Store
from tests.contract.store_records import HERE, RATING, audit_entry, event, key


def open_store(place: str) -> Store:
    """Returns the store at a place."""
    if place.startswith("postgresql://"):
        return PostgresStore(PostgresPool(DsnLogin(place)))
    sqlite_checkpoints.EVERY_S = 0  # so that one is under way when the process is killed
    return SqliteStore(Path(place))


async def write_one(store: Store, name: str, number: int) -> None:
    """Commits one transaction, then says so."""
    mark = f"{name}{number:06d}"

    async def work(tx: Any) -> None:
        known = await tx.get(CONVERSATIONS, "conversations")
        count = 1 + (known.completed if known else 0)
        tx.put(CONVERSATIONS, ConversationCount(id="conversations", completed=count))
        tx.create(CONTENT_KEYS, key(f"{mark}a"))
        tx.create(CONTENT_KEYS, key(f"{mark}b"))
        tx.audit(audit_entry(mark))
        tx.emit(event(mark))
        tx.append(replace(RATING, feedback_id=mark))
        tx.add("written", {"n": 1})

    await store.transact(HERE, work)
    print(mark, flush=True)


async def main(place: str, name: str, count: int) -> None:
    """Writes, eight at a time."""
    store = open_store(place)
    print("ready", flush=True)
    sys.stdin.readline()

    async def lane(first: int) -> None:
        for number in range(first, count, 8):
            await write_one(store, name, number)

    await asyncio.gather(*(lane(first) for first in range(8)))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
