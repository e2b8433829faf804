"""The calls to Firestore, in the words of the store.

The generated client of google-cloud-firestore is used, not the one on top of it: that one can
neither put a condition on a whole write nor read several things as of one moment. A client belongs
to one event loop, so each loop gets its own, made at the first call.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import grpc  # type: ignore[import-untyped]
from google.api_core import exceptions as api
from google.api_core.retry_async import AsyncRetry
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
from google.cloud.firestore_v1.services.firestore.transports import (
    FirestoreGrpcAsyncIOTransport as Transport,
)
from google.cloud.firestore_v1.types import firestore as calls

from shared.adapters.firestore_values import Pb, PbFields, escape
from shared.errors import InvalidInput, Unavailable

TIMEOUT_S = 10.0
"""Seconds for one call, with its retries where it is a read."""

_HOST = "FIRESTORE_EMULATOR_HOST"
_CHANNEL = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)
_PASSING = (api.ServiceUnavailable, api.InternalServerError, api.DeadlineExceeded)
_READ_AGAIN = AsyncRetry(predicate=lambda error: isinstance(error, _PASSING), initial=0.05)

_Get = calls.BatchGetDocumentsRequest.pb()
_Query = calls.RunQueryRequest.pb()
_Aggregate = calls.RunAggregationQueryRequest.pb()
_Commit = calls.CommitRequest.pb()


class Stale(Exception):
    """What a commit rested on has changed; nothing was written."""


class Taken(Stale):
    """A document that must not exist does; nothing was written."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was read. `version` is the time of its last change."""

    name: str
    fields: PbFields
    version: Pb


@dataclass(frozen=True, slots=True)
class Reading:
    """Documents and when they were read; `transaction` is the one that was opened for it."""

    found: Mapping[str, Document]
    at: Pb
    transaction: bytes = b""


@dataclass(slots=True)
class Turn:
    """Whose turn it is at one document, among the tasks of one loop; `wanted` by so many."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


@dataclass(slots=True)
class _Connection:
    client: Pb
    turns: dict[str, Turn] = field(default_factory=dict)


class FirestoreClient:
    """Calls to one database.

    Args:
        project: the Google Cloud project.
        database: the name of the database in it.
    """

    def __init__(self, project: str, database: str) -> None:
        self.database = f"projects/{project}/databases/{database}"
        self.root = f"{self.database}/documents"
        self._connections: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connection] = (
            WeakKeyDictionary()
        )

    @property
    def emulated(self) -> bool:
        """Tells whether calls go to Google's emulator."""
        return _HOST in os.environ

    def parent(self, workspace: str) -> str:
        """Returns the path that everything of a workspace lies under."""
        return f"{self.root}/workspaces/{escape(workspace)}"

    def name(self, workspace: str, collection: str, id: str) -> str:
        """Returns the path of a document."""
        return f"{self.parent(workspace)}/{collection}/{escape(id)}"

    async def get(
        self, names: Iterable[str], *, at: Pb = None, transaction: bytes = b"", opens: bool = False
    ) -> Reading:
        """Reads documents as of one moment.

        Args:
            names: their paths.
            at: the moment; now where None.
            transaction: one that is open, which they are read in.
            opens: a transaction is opened by this reading.
        """
        asked = _Get(database=self.database, documents=list(dict.fromkeys(names)))
        if opens:
            asked.new_transaction.read_write.SetInParent()
        elif self.emulated and at is None and len(asked.documents) > 1:
            # Firestore answers as of the last read time that it tells; the emulator may tell of
            # half a commit that runs, but keeps to a moment that has passed.
            at = (await self.get(asked.documents[:1])).at
        _consistent(asked, at, transaction)
        found: dict[str, Document] = {}
        moment, opened = at, b""
        with _told():
            answers = await self._api.batch_get_documents(
                request=calls.BatchGetDocumentsRequest.wrap(asked),
                **_patience(once=opens or bool(transaction)),
            )
            async for one in _raw(answers):
                opened = one.transaction or opened
                if one.HasField("read_time"):
                    moment = one.read_time
                if one.HasField("found"):
                    document = one.found
                    found[document.name] = Document(
                        document.name, document.fields, document.update_time
                    )
        return Reading(found, moment, opened)

    async def query(
        self,
        parent: str,
        query: Pb,
        *,
        at: Pb = None,
        transaction: bytes = b"",
        timeout_s: float = TIMEOUT_S,
    ) -> Reading:
        """Runs a structured query under `parent`; `found` is in the order of the query."""
        asked = _Query(parent=parent, structured_query=query)
        _consistent(asked, at, transaction)
        found: dict[str, Document] = {}
        moment = at
        with _told():
            answers = await self._api.run_query(
                request=calls.RunQueryRequest.wrap(asked),
                **_patience(once=bool(transaction), timeout_s=timeout_s),
            )
            async for one in _raw(answers):
                if one.HasField("read_time"):
                    moment = one.read_time
                if one.HasField("document"):
                    document = one.document
                    found[document.name] = Document(
                        document.name, document.fields, document.update_time
                    )
        return Reading(found, moment)

    async def count(self, parent: str, query: Pb, up_to: int) -> int:
        """Returns how many documents fit the query, counting no further than `up_to` (from 1)."""
        asked = _Aggregate(parent=parent)
        asked.structured_aggregation_query.structured_query.CopyFrom(query)
        one = asked.structured_aggregation_query.aggregations.add(alias="n")
        one.count.up_to.value = up_to
        counted = 0
        with _told():
            answers = await self._api.run_aggregation_query(
                request=calls.RunAggregationQueryRequest.wrap(asked), **_patience()
            )
            async for answer in _raw(answers):
                counted = answer.result.aggregate_fields["n"].integer_value
        return int(counted)

    async def begin(self) -> bytes:
        """Opens a transaction that may write."""
        with _told():
            asked = calls.BeginTransactionRequest(database=self.database)
            answer = await self._api.begin_transaction(request=asked, **_patience())
        return bytes(answer.transaction)

    async def commit(self, writes: Sequence[Any], transaction: bytes = b"") -> None:
        """Writes all or nothing. It is not tried again here: it may have happened.

        Raises:
            Taken: a document that must not exist does.
            Stale: another condition does not hold, or another write was in the way.
            Unavailable: no answer; it may have happened.
        """
        asked = _Commit(database=self.database, writes=writes, transaction=transaction)
        with _told():
            try:
                await self._api.commit(
                    request=calls.CommitRequest.wrap(asked), **_patience(once=True)
                )
            except api.AlreadyExists as error:
                raise Taken from error
            except (api.FailedPrecondition, api.NotFound) as error:
                raise Stale from error

    async def rollback(self, transaction: bytes) -> None:
        """Lets go of what a transaction holds; where that fails it ends by itself."""
        asked = calls.RollbackRequest(database=self.database, transaction=transaction)
        try:
            await self._api.rollback(request=asked, retry=None, timeout=TIMEOUT_S)
        except api.GoogleAPIError:
            return

    @property
    def turns(self) -> dict[str, Turn]:
        """Who is at which document in this loop; see firestore_running."""
        return self._connection.turns

    async def close(self) -> None:
        """Closes the connection of the running loop; another call would open a new one."""
        connection = self._connections.pop(asyncio.get_running_loop(), None)
        if connection is not None:
            await connection.client.transport.close()

    @property
    def _api(self) -> Pb:
        return self._connection.client

    @property
    def _connection(self) -> _Connection:
        loop = asyncio.get_running_loop()
        if loop not in self._connections:
            self._connections[loop] = _Connection(_connect())
        return self._connections[loop]


def _connect() -> Pb:
    host = os.environ.get(_HOST)
    with _told():
        channel: Pb
        if host is None:
            channel = Transport.create_channel(Transport.DEFAULT_HOST, options=_CHANNEL)
        else:
            channel = grpc.aio.insecure_channel(host, options=_CHANNEL)
        return FirestoreAsyncClient(transport=Transport(channel=channel))


def _patience(*, once: bool = False, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    again = None if once else _READ_AGAIN.with_timeout(timeout_s)
    return {"retry": again, "timeout": timeout_s}


def _consistent(asked: Pb, at: Pb, transaction: bytes) -> None:
    if transaction:
        asked.transaction = transaction
    elif at is not None:
        asked.read_time.CopyFrom(at)


async def _raw(answers: Pb) -> AsyncIterator[Any]:
    async for one in answers:
        yield type(one).pb(one)


@contextmanager
def _told() -> Iterator[None]:
    """Turns what the SDK raises into the errors of the port."""
    try:
        yield
    except api.Aborted as error:
        raise Stale from error
    except api.InvalidArgument as error:
        raise InvalidInput(f"the store takes no such record: {error.message}") from error
    except (api.GoogleAPIError, GoogleAuthError) as error:
        raise Unavailable(
            f"Firestore does not answer ({type(error).__name__}); try again"
        ) from error
