"""Connections to Pub/Sub: to Google's, or to the emulator that PUBSUB_EMULATOR_HOST names.

The generated clients are used, without the batching threads of the hand-written ones: we have our
batch in hand, and know from one answer that all of it was taken.
"""

import os

import grpc  # type: ignore[import-untyped]
from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

EMULATOR = "PUBSUB_EMULATOR_HOST"


def publisher_client() -> PublisherAsyncClient:
    """Returns a client that belongs to the running event loop."""
    host = os.environ.get(EMULATOR)
    if host is None:
        return PublisherAsyncClient()
    channel = grpc.aio.insecure_channel(host)
    return PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=channel))


def subscriber_client() -> SubscriberAsyncClient:
    """Returns a client that belongs to the running event loop."""
    host = os.environ.get(EMULATOR)
    if host is None:
        return SubscriberAsyncClient()
    channel = grpc.aio.insecure_channel(host)
    return SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channel))
