"""What only Pub/Sub promises: order for who asks for it, and faults on the way there."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core.exceptions import ServiceUnavailable

from functions.publish.main import app as publish_app
from shared.adapters import bus_pubsub
from shared.adapters.bus_pubsub import MOST_MESSAGES
from shared.adapters.pubsub_clients import publisher_client, subscriber_client
from shared.adapters.pubsub_setup import ensure_topology
from shared.adapters.pubsub_topology import consumers, topology
from shared.domain.operations import CONSUMED
from shared.errors import Unavailable
from shared.messages.events import FLOW
from shared.services import relaying
from shared.web.app import Api
from tests.contract.bus_rigs import PubSubRig, approved, play, pulled
from tests.support.entries import submit
from tests.support.pubsub_fixture import new_project
from tests.unit.services.test_publishing import approve, publications, retract

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("pubsub_emulator")]

PUBLISH = "/events/publish"


# --- publishing -----------------------------------------------------------------------------------


def test_a_message_is_a_cloud_event_with_attributes_to_look_at(tmp_path: Path) -> None:
    async def scenario(rig: PubSubRig) -> None:
        client = subscriber_client()
        await client.create_subscription(
            name=f"projects/{rig.project}/subscriptions/look",
            topic=f"projects/{rig.project}/topics/whetstone.entry.approved",
        )
        await client.transport.close()
        await rig.bus.publish([approved()])
        (message,) = await pulled(rig, "look", 1)
        assert json.loads(message.data) == {
            "specversion": "1.0",
            "id": "evt_1",
            "source": "urn:whetstone",
            "type": "entry.approved",
            "subject": "ent_1",
            "time": "2026-01-01T00:00:00.000000Z",
            "workspace": "default",
            "datacontenttype": "application/json",
            "data": {"revision": 1},
        }
        assert dict(message.attributes) == {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "event_id": "evt_1",
            "type": "entry.approved",
            "workspace": "default",
        }

    play(tmp_path, PubSubRig, scenario)


def test_a_subscriber_that_asks_for_it_has_the_events_of_an_entry_in_order(tmp_path: Path) -> None:
    async def scenario(rig: PubSubRig) -> None:
        client = subscriber_client()
        await client.create_subscription(
            request={
                "name": f"projects/{rig.project}/subscriptions/ordered",
                "topic": f"projects/{rig.project}/topics/whetstone.entry.approved",
                "enable_message_ordering": True,
            }
        )
        await client.transport.close()
        events = [approved(number, subject=f"ent_{number % 3}") for number in range(60)]
        for first in range(0, 60, 10):
            await rig.bus.publish(events[first : first + 10])
        messages = await pulled(rig, "ordered", 60)
        for entry in ("ent_0", "ent_1", "ent_2"):
            seen = [one.attributes["event_id"] for one in messages if one.ordering_key == entry]
            assert seen == [one.event_id for one in events if one.subject == entry]

    play(tmp_path, PubSubRig, scenario)


def test_many_events_of_many_types_arrive_each_at_its_consumers(tmp_path: Path) -> None:
    async def scenario(rig: PubSubRig) -> None:
        events = [
            approved(number, type=type)
            for number, type in enumerate(list(FLOW) * (MOST_MESSAGES // len(FLOW) // 2))
        ]
        await rig.bus.publish(events)
        for name in consumers():
            wanted = {one.event_id for one in events if name in FLOW[one.type].consumers}
            await rig.until(lambda name=name, wanted=wanted: set(rig.handled[name]) >= wanted)
            assert set(rig.handled[name]) == wanted

    play(tmp_path, PubSubRig, scenario)


def test_a_publication_is_cut_into_requests_that_pubsub_takes() -> None:
    messages = [{"data": b"x" * 2_000_000} for _ in range(5)]
    batches = list(bus_pubsub._batches(messages))
    assert [len(one) for one in batches] == [2, 2, 1]
    many = [{"data": b"x"}] * (2 * MOST_MESSAGES + 1)
    assert [len(one) for one in bus_pubsub._batches(many)] == [MOST_MESSAGES, MOST_MESSAGES, 1]
    assert list(bus_pubsub._batches([])) == []


def test_an_event_that_one_topic_does_not_take_fails_the_publication(tmp_path: Path) -> None:
    async def scenario(rig: PubSubRig) -> None:
        client = publisher_client()
        await client.delete_topic(topic=f"projects/{rig.project}/topics/whetstone.entry.rejected")
        await client.transport.close()
        with pytest.raises(Unavailable, match=r"whetstone\.entry\.rejected"):
            await rig.bus.publish([approved(1), approved(2, type="entry.rejected")])
        await rig.until(lambda: rig.handled["publish"] == ["evt_1"])

    play(tmp_path, PubSubRig, scenario)


def test_where_pubsub_is_away_the_events_stay_in_the_outbox_until_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(rig: PubSubRig) -> None:
        async def emit(tx: Any) -> None:
            tx.emit(approved())

        deps = rig.system.deps
        await rig.store.transact("default", emit)
        committed = relaying.publisher(lambda: rig.bus, lambda: rig.store)
        with monkeypatch.context() as patch:
            patch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
            patch.setattr(bus_pubsub, "PUBLISH_S", 0.2)
            await rig.bus.close()
            await committed(await rig.store.outbox(10))
            assert len(await rig.store.outbox(10)) == 1
            await rig.bus.close()
        assert (await relaying.sweep(deps)).published == 1
        assert await rig.store.outbox(10) == []
        await rig.until(lambda: rig.handled["publish"] == ["evt_1"])

    play(tmp_path, PubSubRig, scenario)


def test_a_bus_connects_anew_on_another_event_loop(tmp_path: Path) -> None:
    rigs: list[PubSubRig] = []

    async def scenario(rig: PubSubRig) -> None:
        if rigs:
            rig.bus._client = rigs[0].bus._client
        rigs.append(rig)
        await rig.bus.publish([approved(len(rigs))])
        await rig.until(lambda: rig.handled["publish"] == [f"evt_{len(rigs)}"])
        if len(rigs) == 1:
            rig.bus.close = _nothing

    async def _nothing() -> None:
        """Leaves the connection open, as a loop that ends without notice does."""

    play(tmp_path / "one", PubSubRig, scenario)
    play(tmp_path / "two", PubSubRig, scenario)


def test_repeated_and_reordered_events_leave_what_the_decisions_say(tmp_path: Path) -> None:
    class Publishing(PubSubRig):
        """The real publish function among the consumers of the test."""

        def _app(self, name: Any) -> Api:
            return publish_app if name == "publish" else super()._app(name)

    async def scenario(rig: PubSubRig) -> None:
        system, events, kept = rig.system, [], set()
        for number in range(9):
            entry_id = await submit(system, number)
            await approve(system, entry_id)
            if number % 3 == 0:
                await retract(system, entry_id)
            else:
                kept.add(entry_id)
        events = [item.event for item in await rig.store.outbox(500)] * 3
        random.Random(1).shuffle(events)
        for first in range(0, len(events), 7):
            await rig.bus.publish(events[first : first + 7])
        mine = {one.event_id for one in events if "publish" in FLOW[one.type].consumers}

        async def settled() -> bool:
            marks = [f"publish:{one}" for one in mine]
            return all(await rig.store.get_many("default", CONSUMED, marks))

        await rig.until(settled)
        shown = {hit.entry_id for number in range(9) for hit in await searched(rig, number)}
        assert shown == kept
        assert await rig.bus.dead_letters() == []
        changes = await publications(system)
        assert [version for version, *_ in changes] == list(range(1, len(changes) + 1))

    async def searched(rig: PubSubRig, number: int) -> Any:
        return (await rig.system.index.search("default", f"word{number}x0", limit=10)).hits

    play(tmp_path, Publishing, scenario)


# --- the topology ---------------------------------------------------------------------------------


def test_making_the_topology_again_changes_nothing() -> None:
    async def scenario() -> None:
        project, wanted = new_project(), topology()
        to = dict.fromkeys(consumers(), "https://functions.test/")
        for _ in range(2):
            await ensure_topology(project, wanted, to, account="a@b.c", audience="https://aud")
        client = subscriber_client()
        name = f"projects/{project}/subscriptions/whetstone.entry.approved.publish"
        made = await client.get_subscription(subscription=name)
        assert made.push_config.push_endpoint == "https://functions.test/events/publish"
        assert made.dead_letter_policy.max_delivery_attempts == 5
        assert made.retry_policy.minimum_backoff.total_seconds() == 10
        assert made.retry_policy.maximum_backoff.total_seconds() == 600
        listed = client.list_subscriptions(project=f"projects/{project}")
        assert len([one async for one in await listed]) == len(wanted.subscriptions)
        await client.transport.close()

    asyncio.run(scenario())


def test_a_topology_without_pubsub_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    from google.pubsub_v1 import PublisherAsyncClient

    async def refused(*_: Any, **__: Any) -> None:
        raise ServiceUnavailable("away")

    async def scenario() -> None:
        monkeypatch.setattr(PublisherAsyncClient, "create_topic", refused)
        with pytest.raises(Unavailable):
            await ensure_topology("p", topology(), {})

    asyncio.run(scenario())


def test_without_an_emulator_it_is_googles_pubsub_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(_credentials(tmp_path)))

    async def scenario() -> None:
        for client in (publisher_client(), subscriber_client()):
            assert client.transport.host == "pubsub.googleapis.com:443"
            await client.transport.close()

    asyncio.run(scenario())


def _credentials(folder: Path) -> Path:
    """Writes the file of a service account that was made up here."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    facts = {
        "type": "service_account",
        "client_email": "test@project.iam.gserviceaccount.com",
        "token_uri": "http://127.0.0.1:9/token",
        "private_key": key.private_bytes(*kinds, serialization.NoEncryption()).decode(),
    }
    path = folder / "account.json"
    path.write_text(json.dumps(facts))
    return path


def test_without_credentials_nothing_is_published_and_nothing_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(rig: PubSubRig) -> None:
        monkeypatch.delenv("PUBSUB_EMULATOR_HOST")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
        with pytest.raises(Unavailable, match="credentials"):
            await rig.bus.publish([approved()])
        with pytest.raises(Unavailable, match="credentials"):
            await ensure_topology("p", topology(), {})

    play(tmp_path, PubSubRig, scenario)
