"""The least that a store can be asked for: one document, or one row, durable, 16 at a time.

The baseline of `bench.cloud`, on the same server in the same run and sent by the same process. What
is written is as long as an entry's record.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc  # type: ignore[import-untyped]
import psycopg
import uvloop
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcAsyncIOTransport
from google.cloud.firestore_v1.types import common, document, firestore, write

from bench.load import CONNECTIONS, Measured

BODY = "x" * 900
"""What is in it."""

_TABLE = "CREATE TABLE IF NOT EXISTS bare_documents (id text PRIMARY KEY, doc text NOT NULL)"
_INSERT = "INSERT INTO bare_documents VALUES (%s, %s)"
_OK = 200

Create = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Bare:
    """Where to write and for how long.

    Args:
        store: `firestore` or `postgres`.
        place: host:port of the emulator, or PostgreSQL's address.
        project: the Google Cloud project; of Firestore only.
        seconds: how long.
    """

    store: str
    place: str
    project: str
    seconds: float


def run(bare: Bare) -> Measured:
    """Returns how many documents were created, each by one call that waits until it is durable."""
    work = _firestore if bare.store == "firestore" else _postgres
    return uvloop.run(work(bare))


async def _firestore(bare: Bare) -> Measured:
    channel = grpc.aio.insecure_channel(bare.place)
    client = FirestoreAsyncClient(transport=FirestoreGrpcAsyncIOTransport(channel=channel))
    database = f"projects/{bare.project}/databases/(default)"
    fields = {"doc": document.Value(string_value=BODY)}

    async def create() -> None:
        name = f"{database}/documents/bare_documents/{secrets.token_hex(12)}"
        one = write.Write(
            update=document.Document(name=name, fields=fields),
            current_document=common.Precondition(exists=False),
        )
        await client.commit(request=firestore.CommitRequest(database=database, writes=[one]))

    try:
        return await _measured([create] * CONNECTIONS, bare.seconds)
    finally:
        await client.transport.close()


async def _postgres(bare: Bare) -> Measured:
    connections = [
        await psycopg.AsyncConnection.connect(bare.place, autocommit=True)
        for _ in range(CONNECTIONS)
    ]
    await connections[0].execute(_TABLE)

    def creating(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> Create:
        return lambda: connection.execute(_INSERT, (secrets.token_hex(12), BODY), prepare=True)

    try:
        return await _measured([creating(one) for one in connections], bare.seconds)
    finally:
        for one in connections:
            await one.close()


async def _measured(creates: list[Create], seconds: float) -> Measured:
    found = Measured()
    started = time.perf_counter()

    async def repeat(create: Create) -> None:
        for _ in itertools.count():
            began = time.perf_counter()
            if began - started > seconds:
                return
            await create()
            found.latencies_s.append(time.perf_counter() - began)
            found.statuses[_OK] += 1

    await asyncio.gather(*map(repeat, creates))
    found.elapsed_s = time.perf_counter() - started
    return found
