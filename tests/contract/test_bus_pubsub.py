"""What only Pub/Sub promises: order for who asks for it, dead letters out of topics, and faults."""

import asyncio
import base64
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
from shared.adapters.bus_pubsub import MOST_MESSAGES, PubSubBus
from shared.adapters.pubsub_clients import publisher_client, subscriber_client
from shared.adapters.pubsub_setup import ensure_topology
from shared.adapters.pubsub_topology import consumers, topology
from shared.domain.operations import CONSUMED, DELIVERIES
from shared.domain.records import SYSTEM_WORKSPACE
from shared.errors import InvalidInput, NotFound, Paused, Unavailable
from shared.messages.events import FLOW
from shared.services import relaying
from shared.web.app import Api
from tests.contract.bus_rigs import PubSubRig, Rig, approved, play
from tests.support.entries import submit
from tests.support.pubsub_fixture import new_project
from tests.unit.services.test_publishing import approve, publications, retract

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("pubsub_emulator")]

PUBLISH = "/events/publish"


async def delivery(rig: Rig) -> Any:
    return await rig.store.get(SYSTEM_WORKSPACE, DELIVERIES, "publish:evt_1")


async def pulled(rig: PubSubRig, subscription: str, wanted: int) -> list[Any]:
    """Returns messages of a subscription that waits to be pulled, in the order they came."""
    client = subscriber_client()
    path = f"projects/{rig.project}/subscriptions/{subscription}"
    found: list[Any] = []
    async with asyncio.timeout(30):
        while len(found) < wanted:
            got = await client.pull(subscription=path, max_messages=100)
            found += [one.message for one in got.received_messages]
            ids = [one.ack_id for one in got.received_messages]
            if ids:
                await client.acknowledge(subscription=path, ack_ids=ids)
    await client.transport.close()
    return found


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


# --- what a consumer cannot handle ----------------------------------------------------------------


def push(event: Any, **envelope: Any) -> dict[str, Any]:
    from shared.messages.cloudevents import structured

    data = base64.b64encode(structured(event)).decode()
    attributes = envelope.pop("attributes", {})
    return {"message": {"data": data, "attributes": attributes}, **envelope}


def test_at_the_last_try_the_consumer_tells_the_error_itself(tmp_path: Path) -> None:
    async def scenario(rig: PubSubRig) -> None:
        rig.broken["publish"] = Unavailable("the index is away")
        http = await rig.system.client(rig.apps["publish"], role="system")
        for attempt in range(1, 5):
            answer = await http.post(PUBLISH, json=push(approved(), deliveryAttempt=attempt))
            assert answer.status_code == 503
        assert await rig.bus.dead_letters() == []
        answer = await http.post(PUBLISH, json=push(approved(), deliveryAttempt=5))
        assert (answer.status_code, answer.json()["status"]) == (200, "kept")
        (dead,) = await rig.bus.dead_letters()
        assert (dead.attempts, dead.last_error) == (5, "Unavailable: the index is away")

    play(tmp_path, PubSubRig, scenario)


def test_a_bug_is_answered_as_one_and_tried_again(tmp_path: Path) -> None:
    async def scenario(rig: PubSubRig) -> None:
        rig.failures["publish"] = [ZeroDivisionError("a bug")]
        http = await rig.system.client(rig.apps["publish"], role="system")
        answer = await http.post(PUBLISH, json=push(approved()))
        assert answer.status_code == 500
        assert "a bug" not in answer.text
        assert (await http.post(PUBLISH, json=push(approved()))).json()["status"] == "handled"

    play(tmp_path, PubSubRig, scenario)


def test_what_is_meant_for_another_consumer_is_acknowledged_unread(tmp_path: Path) -> None:
    async def scenario(rig: PubSubRig) -> None:
        http = await rig.system.client(rig.apps["notify"], role="system")
        body = push(approved(), attributes={"consumer": "publish"})
        answer = await http.post("/events/notify", json=body)
        assert (answer.status_code, answer.json()["status"]) == (200, "for_another")
        assert rig.handled["notify"] == []

    play(tmp_path, PubSubRig, scenario)


def test_pauses_of_a_consumer_that_is_held_back_grow_with_its_age(tmp_path: Path) -> None:
    async def scenario(rig: PubSubRig) -> None:
        waits = []
        for _ in range(6):
            assert await rig.bus.failed("publish", approved(), Paused("stopped"))
            known = await delivery(rig)
            assert (known.state, known.attempts) == ("retrying", 0)
            from shared.domain.times import from_text

            wait_s = (from_text(known.next_attempt_at) - rig.clock.now()).total_seconds()
            waits.append(wait_s)
            rig.clock.advance(wait_s)
        assert waits == [60, 60, 120, 240, 480, 600]

    play(tmp_path, PubSubRig, scenario)


# --- safe at every step ---------------------------------------------------------------------------


async def buried(rig: PubSubRig) -> str:
    assert await rig.bus.failed("publish", approved(), InvalidInput("no"), 1)
    return "publish:evt_1"


def test_a_replay_that_pubsub_does_not_take_is_sent_by_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(rig: PubSubRig) -> None:
        dead = await buried(rig)

        async def down(addressed: Any) -> None:
            raise Unavailable("away")

        with monkeypatch.context() as patch:
            patch.setattr(rig.bus, "_send", down)
            with pytest.raises(Unavailable):
                await rig.bus.replay([dead])
        assert await rig.bus.dead_letters() == []
        assert await rig.bus.retry_due() == 0
        await rig.pass_time(bus_pubsub.FIRST_PAUSE_S)
        await rig.until(lambda: rig.handled["publish"] == ["evt_1"])
        assert await delivery(rig) is None
        assert rig.handled["notify"] == []

    play(tmp_path, PubSubRig, scenario)


def test_killed_before_it_forgets_a_replay_is_only_sent_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Ends everything, as a signal does."""

    async def scenario(rig: PubSubRig) -> None:
        dead = await buried(rig)
        send = rig.bus._send

        async def sent_and_killed(addressed: Any) -> None:
            await send(addressed)
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(rig.bus, "_send", sent_and_killed)
            with pytest.raises(Killed):
                await rig.bus.replay([dead])
        await rig.until(lambda: rig.handled["publish"] == ["evt_1"])
        await rig.pass_time(bus_pubsub.FIRST_PAUSE_S)
        await rig.until(lambda: rig.handled["publish"] == ["evt_1"] * 2)
        assert await delivery(rig) is None

    play(tmp_path, PubSubRig, scenario)


def test_a_failure_told_while_it_is_sent_again_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(rig: PubSubRig) -> None:
        dead = await buried(rig)
        send = rig.bus._send

        async def sent_and_failed(addressed: Any) -> None:
            await send(addressed)
            await rig.bus.failed("publish", approved(), Paused("stopped"))

        with monkeypatch.context() as patch:
            patch.setattr(rig.bus, "_send", sent_and_failed)
            await rig.bus.replay([dead])
        assert (await delivery(rig)).last_error == "Paused: stopped"

    play(tmp_path, PubSubRig, scenario)


def test_of_sweepers_at_once_one_sends_what_is_due(tmp_path: Path) -> None:
    async def scenario(rig: PubSubRig) -> None:
        assert await rig.bus.failed("publish", approved(), Paused("stopped"))
        rig.clock.advance(60)
        others = [PubSubBus(rig.project, rig.store, rig.clock) for _ in range(4)]
        await asyncio.gather(*(one.retry_due() for one in others))
        for one in others:
            await one.close()
        await rig.until(lambda: rig.handled["publish"])
        await rig.bus.publish([approved(2)])
        await rig.until(lambda: "evt_2" in rig.handled["publish"])
        assert rig.handled["publish"].count("evt_1") == 1

    play(tmp_path, PubSubRig, scenario)


# --- dead-letter topics ---------------------------------------------------------------------------


def test_a_dead_letter_is_recorded_and_kept_for_people_as_well(tmp_path: Path) -> None:
    async def scenario(rig: PubSubRig) -> None:
        rig.broken["publish"] = Unavailable("away")
        await rig.bus.publish([approved()])
        (dead,) = await rig.until(rig.bus.dead_letters)
        assert dead.last_error == "not handled in 5 tries; see the log of publish"
        (kept,) = await pulled(rig, "whetstone.dead-letter.publish.kept", 1)
        assert kept.attributes["event_id"] == "evt_1"

    play(tmp_path, PubSubRig, scenario)


def test_a_message_without_an_event_is_left_to_people(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(rig: PubSubRig) -> None:
        from functions.monitor.main import app

        http = await rig.system.client(app, role="system")
        body = {"message": {"data": base64.b64encode(b"rubbish").decode()}}
        answer = await http.post("/events/dead-letters/publish", json=body)
        assert answer.json() == {"event_id": None, "status": "unreadable"}
        assert "event.unreadable" in caplog.text
        answer = await http.post("/events/dead-letters/retrain", json=push(approved()))
        assert answer.status_code == 404
        outside = await rig.system.client(app, role="admin")
        answer = await outside.post("/events/dead-letters/publish", json=push(approved()))
        assert answer.status_code == 403
        assert await rig.bus.dead_letters() == []

    play(tmp_path, PubSubRig, scenario)


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


def test_burying_for_a_consumer_that_does_not_consume_it_is_refused(tmp_path: Path) -> None:
    from shared.services import burying

    async def scenario(rig: PubSubRig) -> None:
        with pytest.raises(NotFound):
            await burying.take(rig.system.deps, "monitor", approved(), 5)

    play(tmp_path, PubSubRig, scenario)
