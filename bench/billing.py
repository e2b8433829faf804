"""What Google Cloud bills of a call, told from the call itself, and what that costs.

Nothing here talks to anybody: `bench.proxies` shows the calls. Failed calls are not billed, but
what they have read before is, as every try is counted.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.cloud.firestore_v1.types import firestore
from google.pubsub_v1.types import PubsubMessage

READS, WRITES, DELETES = "firestore_reads", "firestore_writes", "firestore_deletes"
MESSAGES, DELIVERIES, BYTES = "pubsub_messages", "pubsub_deliveries", "pubsub_bytes"
CLASS_A, CLASS_B = "storage_class_a", "storage_class_b"

PRICES = Path(__file__).with_name("prices.yaml")

LEAST_BYTES = 1_000
"""Billed of a request that publishes or delivers, at least."""

_INDEX_ENTRIES = 1_000
"""Of an aggregation that cost as much as one document."""

_STAMP_BYTES = 20
_UPLOADS = ("/upload/", "/resumable/upload/")
_CHANGES = ("/compose", "/copyTo/", "/rewriteTo/")

Tally = Counter[str]
"""How many of each of the names above."""

_Names = firestore.BatchGetDocumentsRequest.pb()
_Get = firestore.BatchGetDocumentsResponse.pb()
_Found = firestore.RunQueryResponse.pb()
_Counted = firestore.RunAggregationQueryResponse.pb()
_Commit = firestore.CommitRequest.pb()


class FirestoreBill:
    """Tells what successful calls to Firestore are billed as, in order of their answers.

    A document that is not there costs as much as one that is, and a query that finds nothing as
    much as one document. What the store asks the emulator only (see `FirestoreClient.get`: one
    document first, for its moment, then all of them as of that moment) is taken off again.
    """

    def __init__(self) -> None:
        self._moments: set[tuple[str, bytes]] = set()

    def call(self, method: str, request: bytes, answers: Sequence[bytes]) -> Tally:
        """Returns what one call is billed as.

        Args:
            method: the last part of the call's name.
            request: as it went over the wire.
            answers: as they came.
        """
        match method:
            case "BatchGetDocuments":
                return Tally({READS: self._got(request, answers)})
            case "RunQuery":
                found = sum(_Found.FromString(one).HasField("document") for one in answers)
                return Tally({READS: max(1, found)})
            case "RunAggregationQuery":
                return Tally({READS: _aggregated(answers)})
            case "Commit":
                asked = _Commit.FromString(request)
                gone = sum(bool(one.delete) for one in asked.writes)
                return Tally({WRITES: len(asked.writes) - gone, DELETES: gone})
            case _:
                return Tally()

    def _got(self, request: bytes, answers: Sequence[bytes]) -> int:
        asked, got = _Names.FromString(request), [_Get.FromString(one) for one in answers]
        reads = sum(bool(one.found.name or one.missing) for one in got)
        names = list(asked.documents)
        if len(names) == 1 and got and not asked.WhichOneof("consistency_selector"):
            self._moments.add((names[0], got[-1].read_time.SerializeToString()))
        asked_before = (names[0], asked.read_time.SerializeToString())
        if len(names) > 1 and asked_before in self._moments:
            self._moments.discard(asked_before)
            return reads - 1
        return reads


def _aggregated(answers: Sequence[bytes]) -> int:
    most = 0
    for one in answers:
        fields = _Counted.FromString(one).result.aggregate_fields.values()
        most = max([most, *(field.integer_value for field in fields)])
    return max(1, math.ceil(most / _INDEX_ENTRIES))


def published(topic: str, messages: Sequence[PubsubMessage], ids: Sequence[str]) -> Tally:
    """Returns what one request that publishes is billed as, and its messages by topic too."""
    size = sum(
        _message_bytes(one.data, one.attributes, id) for one, id in zip(messages, ids, strict=True)
    )
    count = len(messages)
    by_topic = f"{MESSAGES} {topic}"
    return Tally({MESSAGES: count, by_topic: count, BYTES: max(LEAST_BYTES, size)})


def delivered(data: bytes, attributes: Mapping[str, str], id: str) -> Tally:
    """Returns what one push is billed as."""
    return Tally({DELIVERIES: 1, BYTES: max(LEAST_BYTES, _message_bytes(data, attributes, id))})


def _message_bytes(data: bytes, attributes: Mapping[str, str], id: str) -> int:
    named = sum(len(key.encode()) + len(value.encode()) for key, value in attributes.items())
    return len(data) + named + len(id) + _STAMP_BYTES


def storage_call(method: str, path: str) -> Tally:
    """Returns what a request to Cloud Storage's JSON API is billed as.

    Args:
        method: of HTTP.
        path: without the query; a list of objects ends in `/o`.
    """
    if method == "DELETE" or (method == "PUT" and path.startswith(_UPLOADS)):
        return Tally()  # free; the later parts of an upload that its first request has paid
    changes = method in {"POST", "PUT", "PATCH"} or any(one in path for one in _CHANGES)
    lists = path.rstrip("/").endswith(("/o", "/b"))
    return Tally({CLASS_A if changes or lists else CLASS_B: 1})


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for so many of something."""

    usd: float
    per: int
    confirmed: bool
    source: str


def read_prices(path: Path = PRICES) -> dict[str, Price]:
    """Returns the list prices by what is billed."""
    told: Mapping[str, Mapping[str, Any]] = yaml.safe_load(path.read_text("utf-8"))["prices"]
    return {name: Price(**fields) for name, fields in told.items()}


def cost_usd(counted: Mapping[str, float], prices: Mapping[str, Price]) -> float:
    """Returns what the counts cost; what has no price costs nothing by itself."""
    return sum(
        amount * prices[name].usd / prices[name].per
        for name, amount in counted.items()
        if name in prices
    )


def added(tallies: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Returns the sum of tallies."""
    total: dict[str, float] = {}
    for one in tallies:
        for name, amount in one.items():
            total[name] = total.get(name, 0) + amount
    return total
