"""The feed of evidence over Google's Pub/Sub emulator, into tables as a subscription fills them."""

import asyncio
import random
from dataclasses import replace

import pytest
from google.pubsub_v1 import SubscriberAsyncClient

from shared.adapters import feed_pubsub
from shared.adapters.analytics_bigquery import BigQueryAnalytics
from shared.adapters.evidence_sqlite import SqliteEvidence
from shared.adapters.feed_pubsub import PubSubFeed, feed_topic
from shared.adapters.pubsub_clients import publisher_client, subscriber_client
from shared.adapters.store_sqlite import SqliteStore
from shared.errors import Unavailable
from shared.ports import EvidenceRow
from shared.services.exporting import export_everywhere
from tests.contract.store_records import HERE, OUTCOME, RATING, write
from tests.fakes.bigquery import BigQueryServer
from tests.support.exporting import exporting_deps, make_workspaces
from tests.support.pubsub_fixture import new_project

pytestmark = pytest.mark.contract

KINDS = ("ratings", "outcomes")


@pytest.fixture(autouse=True)
def emulator(pubsub_emulator):
    return pubsub_emulator


async def make_topics(project):
    publisher, subscriber = publisher_client(), subscriber_client()
    for kind in KINDS:
        topic = f"projects/{project}/topics/{feed_topic('whetstone', kind)}"
        await publisher.create_topic(request={"name": topic})
        await subscriber.create_subscription(
            request={"name": subscription(project, kind), "topic": topic}
        )
    await publisher.transport.close()
    await subscriber.transport.close()


def subscription(project, kind):
    return f"projects/{project}/subscriptions/to-{kind}"


async def pulled(client: SubscriberAsyncClient, project, kind, count) -> list[bytes]:
    """Returns `count` messages, taken and acknowledged."""
    name, messages = subscription(project, kind), []
    while len(messages) < count:
        answer = await client.pull(request={"subscription": name, "max_messages": 1000})
        ids = [one.ack_id for one in answer.received_messages]
        messages += [one.message.data for one in answer.received_messages]
        if ids:
            await client.acknowledge(request={"subscription": name, "ack_ids": ids})
    return messages


def test_evidence_goes_from_the_store_over_pubsub_to_the_sums_of_bigquery(tmp_path, monkeypatch):
    monkeypatch.setattr(feed_pubsub, "MOST_MESSAGES", 60)
    project = new_project()

    async def scenario(server):
        await make_topics(project)
        store = SqliteStore(tmp_path / "whetstone.db")
        analytics = BigQueryAnalytics(
            server.project, server.dataset, endpoint=server.url, head_age_s=0
        )
        feed, client = PubSubFeed(project), subscriber_client()
        deps = exporting_deps(store, analytics, SqliteEvidence(store.path), feed)
        await make_workspaces(store)
        rows = [replace(RATING, feedback_id=f"fb_{n}", pattern="é") for n in range(200)]
        await write(store, lambda tx: tx.append(*rows, OUTCOME))
        assert await export_everywhere(deps) == 201
        for kind, count in (("ratings", 200), ("outcomes", 1)):
            messages = await pulled(client, project, kind, count)
            messages += messages[: len(messages) // 2]
            random.Random(1).shuffle(messages)
            for message in messages:
                server.deliver(f"evidence_{kind}", message)
        assert server.count("evidence_ratings") == 300
        assert await analytics.head(HERE) == (200, 1)
        (sums,) = await analytics.rating_sums(HERE, 0, 200)
        assert (sums.n, sums.pattern) == (200, "é")
        (settled,) = await analytics.outcome_sums(HERE, 0, 1)
        assert settled.points == OUTCOME.points
        await client.transport.close()
        await feed.close()
        await store.close()
        await analytics.close()

    with BigQueryServer() as server:
        asyncio.run(scenario(server))


def test_a_topic_that_does_not_exist_is_unavailable_and_named():
    async def scenario():
        feed = PubSubFeed(new_project(), prefix="none")
        with pytest.raises(Unavailable, match=r"none\.evidence\.ratings does not exist"):
            await feed.publish([EvidenceRow(HERE, 1, RATING)])
        await feed.close()

    asyncio.run(scenario())


def test_one_feed_serves_one_event_loop_after_another():
    project = new_project()
    asyncio.run(make_topics(project))
    feed = PubSubFeed(project)

    async def send(seq):
        await feed.publish([EvidenceRow(HERE, seq, RATING), EvidenceRow(HERE, seq, OUTCOME)])
        if seq == 2:
            await feed.close()

    async def receive():
        client = subscriber_client()
        found = [len(await pulled(client, project, kind, 2)) for kind in KINDS]
        await client.transport.close()
        return found

    for seq in (1, 2):
        asyncio.run(send(seq))
    assert asyncio.run(receive()) == [2, 2]


def test_nothing_is_opened_for_no_rows_and_closing_twice_is_no_error():
    async def scenario():
        feed = PubSubFeed(new_project())
        await feed.publish([])
        await feed.close()
        await feed.close()

    asyncio.run(scenario())
