"""The feed of evidence on Google Cloud: Pub/Sub topics whose subscriptions write to BigQuery.

A message is one row: JSON whose fields are the columns of the table (see bigquery_tables/), so that
the subscription needs no code. Pub/Sub delivers at least once and in no order; the row's place
(`seq`) in its log tells two copies of it for one.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from google.pubsub_v1 import PublisherAsyncClient

from shared.adapters.google_errors import GOOGLE_ERRORS, unavailable
from shared.adapters.pubsub_clients import publisher_client
from shared.domain.feedback import RatingEvidence
from shared.ports import EvidenceKind, EvidenceRow

MOST_MESSAGES = 500
"""Of one request; Pub/Sub takes up to 1,000, and 10 MB."""

PUBLISH_S = 15.0
"""Seconds until a request is given up; what was not acknowledged is sent again."""


class PubSubFeed:
    """Implements `ports.EvidenceFeed`. Connects at the first row.

    Args:
        project: the Google Cloud project.
        prefix: of the topics' names.
    """

    def __init__(self, project: str, *, prefix: str = "whetstone") -> None:
        self._project = project
        self._prefix = prefix
        self._client: tuple[asyncio.AbstractEventLoop, PublisherAsyncClient] | None = None

    async def publish(self, rows: Sequence[EvidenceRow]) -> None:
        """See EvidenceFeed: returns once Pub/Sub has acknowledged every message."""
        by_kind: dict[EvidenceKind, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            kind: EvidenceKind = "outcomes"
            if isinstance(row.evidence, RatingEvidence):
                kind = "ratings"
            by_kind[kind].append({"data": encoded(row)})
        for kind, messages in by_kind.items():
            topic = f"projects/{self._project}/topics/{feed_topic(self._prefix, kind)}"
            for start in range(0, len(messages), MOST_MESSAGES):
                await self._publish(topic, messages[start : start + MOST_MESSAGES])

    async def close(self) -> None:
        """See EvidenceFeed."""
        if self._client is not None:
            loop, client = self._client
            self._client = None
            if loop is asyncio.get_running_loop():
                await client.transport.close()

    async def _publish(self, topic: str, messages: list[dict[str, Any]]) -> None:
        try:
            async with asyncio.timeout(PUBLISH_S):
                await self._connected().publish(request={"topic": topic, "messages": messages})
        except GOOGLE_ERRORS as error:
            raise unavailable(topic, error, permission="pubsub.topics.publish") from None

    def _connected(self) -> PublisherAsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._client[0] is not loop:
            self._client = (loop, publisher_client())
        return self._client[1]


def feed_topic(prefix: str, kind: EvidenceKind) -> str:
    """Returns the topic of a log's rows, for example `whetstone.evidence.ratings`."""
    return f"{prefix}.evidence.{kind}"


def encoded(row: EvidenceRow) -> bytes:
    """Returns the message of a row: its columns as JSON."""
    columns = {"workspace": row.workspace, "seq": row.seq, **asdict(row.evidence)}
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()
