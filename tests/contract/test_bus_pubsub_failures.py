"""What becomes of events that a consumer behind Pub/Sub cannot handle, at every step."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from shared.adapters import bus_pubsub
from shared.adapters.bus_pubsub import PubSubBus
from shared.domain.operations import DELIVERIES
from shared.domain.records import SYSTEM_WORKSPACE
from shared.errors import InvalidInput, NotFound, Paused, Unavailable
from tests.contract.bus_rigs import PubSubRig, Rig, approved, play, pulled

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("pubsub_emulator")]

PUBLISH = "/events/publish"


async def delivery(rig: Rig) -> Any:
    return await rig.store.get(SYSTEM_WORKSPACE, DELIVERIES, "publish:evt_1")


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


def test_burying_for_a_consumer_that_does_not_consume_it_is_refused(tmp_path: Path) -> None:
    from shared.services import burying

    async def scenario(rig: PubSubRig) -> None:
        with pytest.raises(NotFound):
            await burying.take(rig.system.deps, "monitor", approved(), 5)

    play(tmp_path, PubSubRig, scenario)
