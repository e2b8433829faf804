"""The bus on Google Cloud: Pub/Sub topics, pushed to each consumer over HTTP.

Pub/Sub delivers, waits and tries again by itself. What it cannot know is kept in the store, as the
embedded bus does: a delivery that an operator holds back, and one that was given up. Both are sent
again to the topic of their event, marked for the one consumer that needs it (`CONSUMER`); the
others acknowledge it unread. Invariant: a record goes only after Pub/Sub has the message, and only
where it is still what was read.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from shared.adapters.deliveries import Deliveries, failure_of
from shared.adapters.pubsub_topology import topic_name
from shared.domain.operations import Delivery
from shared.domain.times import from_text, plus
from shared.errors import Unavailable
from shared.messages.cloudevents import CONTENT_TYPE, structured
from shared.messages.events import Event
from shared.ports import Clock, DeadLetter, Store

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherAsyncClient

CONSUMER = "consumer"
"""The attribute of a message that is for one consumer only."""

MOST_MESSAGES = 500
MOST_BYTES = 5_000_000
"""Of one request; Pub/Sub takes twice as much of either."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 60.0, 600.0
"""Between two looks whether a consumer is still held back; they grow with its age."""

PUBLISH_S = 10.0
"""Seconds until an attempt to publish is given up; the sweeper comes back to it."""


class PubSubBus:
    """Implements `ports.Bus`. Connects at the first publication, and imports its client then.

    Args:
        project: the Google Cloud project.
        store: gives the store that keeps what waits or was given up.
        clock: says when that is due.
        prefix: of the topics' names.
        attempts: tries after which a failure is given up, as the subscriptions say.
    """

    def __init__(
        self,
        project: str,
        store: Store,
        clock: Clock,
        *,
        prefix: str = "whetstone",
        attempts: int = 5,
    ) -> None:
        self._project = project
        self._prefix = prefix
        self._clock = clock
        self._deliveries = Deliveries(store, clock)
        self._attempts = attempts
        self._client: tuple[asyncio.AbstractEventLoop, PublisherAsyncClient] | None = None

    async def publish(self, events: Sequence[Event]) -> None:
        """See Bus: returns once Pub/Sub has acknowledged every message."""
        await self._send((event, None) for event in events)

    async def failed(
        self, consumer: str, event: Event, error: Exception, attempt: int | None = None
    ) -> bool:
        """See Bus: what may succeed later is left to Pub/Sub, up to the last try."""
        failure = failure_of(error)
        last = attempt is not None and attempt >= self._attempts
        if not (failure.paused or failure.final or last):
            return False
        known = await self._deliveries.of(consumer, event)
        now = self._clock.now_text()
        if failure.paused:
            waited_s = (from_text(now) - from_text(known.created_at)).total_seconds()
            pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, waited_s))
            changes = {"next_attempt_at": plus(now, pause_s), "state": "retrying"}
            kept = known.model_copy(update={**changes, "last_error": failure.text})
            await self._deliveries.keep(kept)
            return True
        await self._bury(known, attempt or known.attempts + 1, failure.text)
        return True

    async def bury(self, consumer: str, event: Event, attempts: int, error: str) -> None:
        """See Bus."""
        await self._bury(await self._deliveries.of(consumer, event), attempts, error)

    async def retry_due(self, limit: int = 100) -> int:
        """Sends again what was held back and is due, and returns how many there were."""
        due = await self._deliveries.due(limit)
        await self._send_again(due)
        return len(due)

    async def dead_letters(
        self, workspace: str | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """See Bus."""
        return await self._deliveries.dead_letters(workspace, limit)

    async def replay(self, ids: Sequence[str]) -> int:
        """See Bus: they are sent at once; what a crash leaves is due, and the sweeper sends it."""
        revived = [one for id in ids if (one := await self._deliveries.revive(id)) is not None]
        await self._send_again(revived)
        return len(revived)

    async def close(self) -> None:
        """See Bus."""
        if self._client is not None:
            loop, client = self._client
            self._client = None
            if loop is asyncio.get_running_loop():
                await client.transport.close()

    async def _bury(self, known: Delivery, attempts: int, error: str) -> None:
        now = self._clock.now_text()
        changes = {"state": "dead", "attempts": attempts, "last_error": error}
        await self._deliveries.keep(known.model_copy(update={**changes, "next_attempt_at": now}))

    async def _send_again(self, waiting: Iterable[Delivery]) -> None:
        """Publishes deliveries for their consumers alone, and forgets them.

        Each is claimed first by moving its next try on, so that of several sweepers one sends it,
        and a crash in between only delays it.
        """
        claimed = []
        for one in waiting:
            again_at = plus(self._clock.now_text(), FIRST_PAUSE_S)
            claim = one.model_copy(update={"next_attempt_at": again_at})
            if await self._deliveries.replace(one, claim):
                claimed.append(claim)
        await self._send((Event.model_validate_json(one.event), one.consumer) for one in claimed)
        for claim in claimed:
            await self._deliveries.replace(claim, None)

    async def _send(self, addressed: Iterable[tuple[Event, str | None]]) -> None:
        by_topic: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for event, consumer in addressed:
            name = topic_name(self._prefix, event.type)
            by_topic[f"projects/{self._project}/topics/{name}"].append(_message(event, consumer))
        requests = [
            self._publish(topic, batch)
            for topic, messages in by_topic.items()
            for batch in _batches(messages)
        ]
        failed = [one for one in await asyncio.gather(*requests) if one is not None]
        if failed:
            raise Unavailable(f"not every event was published: {failed[0]}")

    async def _publish(self, topic: str, messages: list[dict[str, Any]]) -> str | None:
        """Sends one request; returns what went wrong, None where all of it was taken."""
        from shared.adapters.google_errors import (  # noqa: PLC0415 -- see the class
            GOOGLE_ERRORS,
            unavailable,
        )

        try:
            async with asyncio.timeout(PUBLISH_S):
                await self._connect().publish(request={"topic": topic, "messages": messages})
        except GOOGLE_ERRORS as error:
            return unavailable(topic, error, permission="pubsub.topics.publish").detail
        return None

    def _connect(self) -> "PublisherAsyncClient":
        loop = asyncio.get_running_loop()
        if self._client is None or self._client[0] is not loop:
            from shared.adapters.pubsub_clients import publisher_client  # noqa: PLC0415 -- as above

            self._client = (loop, publisher_client())
        return self._client[1]


def _message(event: Event, consumer: str | None) -> dict[str, Any]:
    attributes = {
        "content-type": CONTENT_TYPE,
        "event_id": event.event_id,
        "type": event.type,
        "workspace": event.workspace,
    }
    if consumer is not None:
        attributes[CONSUMER] = consumer
    return {"data": structured(event), "attributes": attributes, "ordering_key": _order(event)}


def _order(event: Event) -> str:
    """Returns the key under which a subscriber that asks for order has it: that of an entry."""
    return event.subject if event.type.startswith("entry.") else ""


def _batches(messages: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size_bytes = 0
    for message in messages:
        length = len(message["data"])
        if batch and (len(batch) == MOST_MESSAGES or size_bytes + length > MOST_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(message)
        size_bytes += length
    if batch:
        yield batch
