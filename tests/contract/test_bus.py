"""The bus carries each event to each of its consumers at least once, and loses none.

The suite runs against every adapter: a later one adds its maker to `MAKERS`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.bus_inprocess import InProcessBus, Retries
from shared.adapters.store_sqlite import SqliteStore
from shared.errors import InvalidInput, Paused, Unavailable
from shared.messages.events import FLOW, Event
from tests.fakes.clock import ManualClock

pytestmark = pytest.mark.contract

RETRIES = Retries(attempts=5, first_backoff_s=1.0, longest_backoff_s=60.0)


class Rig:
    """A bus with consumers that a test may break, over a folder that outlives it."""

    def __init__(self, root: Path) -> None:
        self.clock = ManualClock()
        self.handled: dict[str, list[str]] = defaultdict(list)
        self.failures: dict[str, list[Exception]] = defaultdict(list)
        self.broken: dict[str, Exception] = {}
        self.store = SqliteStore(root / "bus.db")
        consumers = {
            name: self._consumer(name) for name in ("publish", "notify", "retrain", "monitor")
        }
        self.bus = InProcessBus(self.store, self.clock, consumers, RETRIES)

    def _consumer(self, name: str) -> Callable[[Event], Awaitable[None]]:
        async def handle(event: Event) -> None:
            if name in self.broken:
                raise self.broken[name]
            if self.failures[name]:
                raise self.failures[name].pop(0)
            self.handled[name].append(event.event_id)

        return handle

    async def pass_time(self, seconds: float) -> None:
        """Lets time pass, and the bus try what is due."""
        self.clock.advance(seconds)
        await self.bus.retry_due()


MAKERS = [pytest.param(Rig, id="inprocess")]


def approved(number: int = 1, workspace: str = "default") -> Event:
    return Event(
        event_id=f"evt_{number}",
        type="entry.approved",
        workspace=workspace,
        occurred_at="2026-01-01T00:00:00.000000Z",
        subject=f"ent_{number}",
        data={"revision": 1},
    )


def play(
    root: Path, make: Callable[[Path], Rig], scenario: Callable[[Rig], Awaitable[Any]]
) -> None:
    async def run() -> None:
        rig = make(root)
        try:
            await scenario(rig)
        finally:
            await rig.store.close()

    asyncio.run(run())


@pytest.mark.parametrize("make", MAKERS)
def test_each_consumer_of_the_flow_gets_each_event(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.bus.publish([approved(1), approved(2)])
        for name in FLOW["entry.approved"].consumers:
            assert sorted(rig.handled[name]) == ["evt_1", "evt_2"]
        assert rig.handled["monitor"] == []

    play(tmp_path, make, scenario)


@pytest.mark.parametrize("make", MAKERS)
def test_a_consumer_that_fails_three_times_gets_the_event_in_the_end(
    tmp_path: Path, make: Any
) -> None:
    async def scenario(rig: Rig) -> None:
        rig.failures["publish"] = [Unavailable("away")] * 3
        await rig.bus.publish([approved()])
        assert rig.handled == {"notify": ["evt_1"], "publish": []} or rig.handled["publish"] == []
        for pause_s in (1, 2, 4):
            assert rig.handled["publish"] == []
            await rig.pass_time(pause_s)
        assert rig.handled["publish"] == ["evt_1"]
        assert rig.handled["notify"] == ["evt_1"]
        assert await rig.bus.dead_letters() == []
        await rig.pass_time(1000)
        assert rig.handled["publish"] == ["evt_1"]

    play(tmp_path, make, scenario)


@pytest.mark.parametrize("make", MAKERS)
def test_pauses_double_between_tries(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Rig) -> None:
        rig.failures["publish"] = [Unavailable("away")] * 2
        await rig.bus.publish([approved()])
        await rig.pass_time(1)
        await rig.pass_time(1.9)
        assert rig.handled["publish"] == []
        await rig.pass_time(0.1)
        assert rig.handled["publish"] == ["evt_1"]

    play(tmp_path, make, scenario)


@pytest.mark.parametrize("make", MAKERS)
def test_a_consumer_that_always_fails_leaves_a_dead_letter_that_can_be_replayed(
    tmp_path: Path, make: Any
) -> None:
    async def scenario(rig: Rig) -> None:
        rig.broken["publish"] = InvalidInput("no such entry")
        await rig.bus.publish([approved()])
        for _ in range(RETRIES.attempts + 2):
            await rig.pass_time(100)
        (dead,) = await rig.bus.dead_letters()
        assert (dead.consumer, dead.attempts, dead.event) == ("publish", 5, approved())
        assert dead.last_error == "InvalidInput: no such entry"
        del rig.broken["publish"]
        await rig.pass_time(1000)
        assert rig.handled["publish"] == []
        assert await rig.bus.replay([dead.id, "publish:evt_unknown"]) == 1
        await rig.pass_time(0)
        assert rig.handled["publish"] == ["evt_1"]
        assert rig.handled["notify"] == ["evt_1"]
        assert await rig.bus.dead_letters() == []
        assert await rig.bus.replay([dead.id]) == 0

    play(tmp_path, make, scenario)


@pytest.mark.parametrize("make", MAKERS)
def test_a_bug_in_one_consumer_does_not_stop_the_others(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Rig) -> None:
        rig.broken["publish"] = ZeroDivisionError("a bug")
        await rig.bus.publish([approved(number) for number in range(5)])
        assert len(rig.handled["notify"]) == 5
        for _ in range(RETRIES.attempts):
            await rig.pass_time(100)
        assert len(await rig.bus.dead_letters()) == 5

    play(tmp_path, make, scenario)


@pytest.mark.parametrize("make", MAKERS)
def test_a_paused_consumer_uses_up_no_tries(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Rig) -> None:
        rig.broken["publish"] = Paused("publishing is stopped")
        await rig.bus.publish([approved()])
        for _ in range(3 * RETRIES.attempts):
            await rig.pass_time(100)
        assert await rig.bus.dead_letters() == []
        del rig.broken["publish"]
        await rig.pass_time(100)
        assert rig.handled["publish"] == ["evt_1"]

    play(tmp_path, make, scenario)


@pytest.mark.parametrize("make", MAKERS)
def test_failed_deliveries_outlive_the_process(tmp_path: Path, make: Any) -> None:
    async def fail(rig: Rig) -> None:
        rig.broken["publish"] = Unavailable("away")
        await rig.bus.publish([approved()])

    async def go_on(rig: Rig) -> None:
        await rig.pass_time(100)
        assert rig.handled["publish"] == ["evt_1"]
        assert rig.handled["notify"] == []

    play(tmp_path, make, fail)
    play(tmp_path, make, go_on)


@pytest.mark.parametrize("make", MAKERS)
def test_dead_letters_are_listed_by_workspace_and_oldest_first(tmp_path: Path, make: Any) -> None:
    async def scenario(rig: Rig) -> None:
        rig.broken["publish"] = InvalidInput("no")
        for number, workspace in enumerate(("one", "two", "one")):
            await rig.bus.publish([approved(number, workspace)])
            for _ in range(RETRIES.attempts):
                await rig.pass_time(100)
        assert [one.event.event_id for one in await rig.bus.dead_letters("one")] == [
            "evt_0",
            "evt_2",
        ]
        assert len(await rig.bus.dead_letters(None, limit=2)) == 2
        assert await rig.bus.dead_letters("three") == []

    play(tmp_path, make, scenario)
