"""Pub/Sub of a local cloud, as tests reach into it: what is sent, and how often it is tried."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Self

import grpc
from google.api_core.exceptions import DeadlineExceeded
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from localcloud.plan import PROJECT
from shared.adapters.pubsub_clients import EMULATOR
from shared.adapters.pubsub_topology import topic_name
from shared.messages.events import FLOW
from tests.support.waiting import until

PULL_S = 2.0
"""Seconds that one look at a topic waits for a message."""


class Tap:
    """Hears every topic by subscriptions of its own, and sends again; a context manager.

    Args:
        environment: of the cloud; says where its Pub/Sub is.
        workspace: whose events are kept.
    """

    def __init__(self, environment: Mapping[str, str], workspace: str) -> None:
        self._channel = grpc.insecure_channel(environment[EMULATOR])
        self._publisher = PublisherClient(transport=PublisherGrpcTransport(channel=self._channel))
        self._subscriber = SubscriberClient(
            transport=SubscriberGrpcTransport(channel=self._channel)
        )
        self._workspace = workspace
        self._topics = [f"projects/{PROJECT}/topics/{topic_name('whetstone', one)}" for one in FLOW]
        self._heard: list[tuple[str, dict[str, Any]]] = []

    def __enter__(self) -> Self:
        for topic in self._topics:
            self._subscriber.create_subscription(name=self._of(topic), topic=topic)
        return self

    def __exit__(self, *_: object) -> None:
        for topic in self._topics:
            self._subscriber.delete_subscription(subscription=self._of(topic))
        self._channel.close()

    def messages(self, at_least: int) -> list[tuple[str, dict[str, Any]]]:
        """Returns (topic, message) of all that was heard so far, once it is so many."""

        def enough() -> bool:
            list(pool.map(self._pull, self._topics))
            return len(self._heard) >= at_least

        with ThreadPoolExecutor(len(self._topics)) as pool:
            until(enough, lambda: len(self._heard))
        return list(self._heard)

    def publish(self, messages: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Sends messages, one after the other, in this order."""
        for topic, message in messages:
            self._publisher.publish(request={"topic": topic, "messages": [message]})

    def _pull(self, topic: str) -> None:
        asked = {"subscription": self._of(topic), "max_messages": 500}
        with suppress(DeadlineExceeded):
            received = self._subscriber.pull(
                request=asked, timeout=PULL_S, retry=None
            ).received_messages
            for one in received:
                attributes = dict(one.message.attributes)
                if attributes.get("workspace") == self._workspace:
                    message = {"data": bytes(one.message.data), "attributes": attributes}
                    self._heard.append((topic, message))
            if received:
                ids = [one.ack_id for one in received]
                self._subscriber.acknowledge(subscription=self._of(topic), ack_ids=ids)

    def _of(self, topic: str) -> str:
        name = topic.rsplit("/", 1)[1]
        return f"projects/{PROJECT}/subscriptions/tap.{self._workspace}.{name}"


@contextmanager
def with_attempts(
    environment: Mapping[str, str], subscription: str, attempts: int, before: int
) -> Iterator[None]:
    """Lets a subscription give up after fewer tries meanwhile, `before` of them afterwards."""
    name = f"projects/{PROJECT}/subscriptions/{subscription}"
    with grpc.insecure_channel(environment[EMULATOR]) as channel:
        client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))

        def change(count: int) -> None:
            policy = client.get_subscription(subscription=name).dead_letter_policy
            changed = {
                "name": name,
                "dead_letter_policy": {
                    "dead_letter_topic": policy.dead_letter_topic,
                    "max_delivery_attempts": count,
                },
            }
            client.update_subscription(
                subscription=changed, update_mask={"paths": ["dead_letter_policy"]}
            )

        change(attempts)
        try:
            yield
        finally:
            change(before)
