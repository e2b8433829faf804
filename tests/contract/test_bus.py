"""The bus carries each event to each of its consumers at least once, and loses none.

The suite runs against every adapter: a later one adds its rig to `MAKERS`.
"""

from pathlib import Path
from typing import Any

import pytest

from shared.errors import InvalidInput, Paused, Unavailable
from shared.messages.events import FLOW
from tests.contract.bus_rigs import RETRIES, PubSubRig, Rig, approved, play

pytestmark = pytest.mark.contract

MAKERS = {"inprocess": Rig, "pubsub": PubSubRig}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Any:
    if request.param == "pubsub":
        request.getfixturevalue("pubsub_emulator")
    return MAKERS[request.param]


def test_each_consumer_of_the_flow_gets_each_event(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.bus.publish([approved(1), approved(2)])
        for name in FLOW["entry.approved"].consumers:
            await rig.until(lambda name=name: sorted(rig.handled[name]) == ["evt_1", "evt_2"])
        assert rig.handled["monitor"] == []

    play(tmp_path, make, scenario)


def test_a_consumer_that_fails_three_times_gets_the_event_in_the_end(
    tmp_path: Path, make: Any
) -> None:
    async def scenario(rig: Rig) -> None:
        rig.failures["publish"] = [Unavailable("away")] * 3
        await rig.bus.publish([approved()])
        await rig.until(lambda: rig.handled["publish"] == ["evt_1"])
        assert rig.failures["publish"] == []
        assert rig.handled["notify"] == ["evt_1"]
        assert await rig.bus.dead_letters() == []
        await rig.pass_time(1000)
        assert rig.handled["publish"] == ["evt_1"]

    play(tmp_path, make, scenario)


def test_a_consumer_that_always_fails_leaves_a_dead_letter_that_can_be_replayed(
    tmp_path: Path, make: Any
) -> None:
    async def scenario(rig: Rig) -> None:
        rig.broken["publish"] = Unavailable("away")
        await rig.bus.publish([approved()])
        (dead,) = await rig.until(rig.bus.dead_letters)
        assert (dead.consumer, dead.attempts, dead.event) == (
            "publish",
            RETRIES.attempts,
            approved(),
        )
        assert dead.last_error
        assert rig.handled["publish"] == []
        del rig.broken["publish"]
        await rig.pass_time(1000)
        assert rig.handled["publish"] == []
        assert await rig.bus.replay([dead.id, "publish:evt_unknown"]) == 1
        await rig.until(lambda: rig.handled["publish"] == ["evt_1"])
        assert rig.handled["notify"] == ["evt_1"]
        assert await rig.bus.dead_letters() == []
        assert await rig.bus.replay([dead.id]) == 0

    play(tmp_path, make, scenario)


def test_what_can_never_succeed_is_a_dead_letter_at_the_first_try(
    tmp_path: Path, make: Any
) -> None:
    async def scenario(rig: Rig) -> None:
        rig.failures["publish"] = [InvalidInput("no such entry")]
        await rig.bus.publish([approved()])
        (dead,) = await rig.until(rig.bus.dead_letters)
        assert (dead.attempts, dead.last_error) == (1, "InvalidInput: no such entry")
        await rig.pass_time(1000)
        assert rig.handled["publish"] == []

    play(tmp_path, make, scenario)


def test_a_replay_that_fails_again_is_a_dead_letter_again(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Rig) -> None:
        rig.failures["publish"] = [InvalidInput("first"), InvalidInput("second")]
        await rig.bus.publish([approved()])
        (dead,) = await rig.until(rig.bus.dead_letters)
        assert await rig.bus.replay([dead.id]) == 1
        await rig.until(lambda: not rig.failures["publish"] or rig.pass_time(0))
        (again,) = await rig.until(rig.bus.dead_letters)
        assert (again.id, again.last_error) == (dead.id, "InvalidInput: second")

    play(tmp_path, make, scenario)


def test_a_bug_in_one_consumer_does_not_stop_the_others(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Rig) -> None:
        rig.failures["publish"] = [ZeroDivisionError("a bug")] * 5
        await rig.bus.publish([approved(number) for number in range(5)])
        await rig.until(lambda: len(rig.handled["notify"]) == 5)
        await rig.until(lambda: len(rig.handled["publish"]) == 5)
        assert await rig.bus.dead_letters() == []

    play(tmp_path, make, scenario)


def test_a_paused_consumer_uses_up_no_tries(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Rig) -> None:
        paused = 3 * RETRIES.attempts
        rig.failures["publish"] = [Paused("publishing is stopped")] * paused
        await rig.bus.publish([approved()])
        for left in range(paused - 1, -1, -1):
            await rig.until(lambda left=left: len(rig.failures["publish"]) <= left)
            await rig.until(lambda: _waits(rig))
            await rig.pass_time(1000)
        await rig.until(lambda: rig.handled["publish"] == ["evt_1"])
        assert await rig.bus.dead_letters() == []

    async def _waits(rig: Rig) -> bool:
        """Tells whether the delivery is on record, or was handled."""
        from shared.domain.operations import DELIVERIES

        known = await rig.store.get("_system", DELIVERIES, "publish:evt_1")
        return known is not None or bool(rig.handled["publish"])

    play(tmp_path, make, scenario)


def test_failed_deliveries_outlive_the_process(tmp_path: Path, make: Any) -> None:
    async def fail(rig: Rig) -> None:
        rig.failures["publish"] = [Unavailable("away"), Unavailable("away")]
        await rig.bus.publish([approved()])
        await rig.until(lambda: rig.handled["notify"] and len(rig.failures["publish"]) < 2)

    async def go_on(rig: Rig) -> None:
        await rig.until(lambda: rig.handled["publish"] == ["evt_1"])
        assert rig.handled["notify"] == []

    play(tmp_path, make, fail)
    play(tmp_path, make, go_on)


def test_dead_letters_are_listed_by_workspace_and_oldest_first(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Rig) -> None:
        rig.broken["publish"] = InvalidInput("no")
        for number, workspace in enumerate(("one", "two", "one")):
            await rig.bus.publish([approved(number, workspace)])
            await rig.until(lambda number=number: _count(rig, number + 1))
            rig.clock.advance(1)
        assert [one.event.event_id for one in await rig.bus.dead_letters("one")] == [
            "evt_0",
            "evt_2",
        ]
        assert len(await rig.bus.dead_letters(None, limit=2)) == 2
        assert await rig.bus.dead_letters("three") == []

    async def _count(rig: Rig, wanted: int) -> bool:
        return len(await rig.bus.dead_letters()) == wanted

    play(tmp_path, make, scenario)
