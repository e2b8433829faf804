"""What only the embedded bus promises: it waits for itself, and takes what comes over HTTP."""

from pathlib import Path

import pytest

from shared.errors import InvalidInput, Unavailable
from tests.contract.bus_rigs import Rig, approved, play

pytestmark = pytest.mark.contract


def test_pauses_double_between_tries(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        rig.failures["publish"] = [Unavailable("away")] * 3
        await rig.bus.publish([approved()])
        for pause_s in (1, 2, 4):
            await rig.pass_time(pause_s - 0.1)
            assert rig.handled["publish"] == []
            await rig.pass_time(0.1)
        assert rig.handled["publish"] == ["evt_1"]

    play(tmp_path, Rig, scenario)


def test_a_failure_told_from_outside_is_tried_again_here(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        assert await rig.bus.failed("publish", approved(), Unavailable("away"))
        assert await rig.bus.failed("notify", approved(), InvalidInput("no"))
        await rig.pass_time(1)
        assert rig.handled == {"publish": ["evt_1"]}
        (dead,) = await rig.bus.dead_letters()
        assert (dead.consumer, dead.attempts) == ("notify", 1)

    play(tmp_path, Rig, scenario)


def test_what_was_given_up_elsewhere_is_a_dead_letter(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.bus.bury("publish", approved(), 7, "gone")
        (dead,) = await rig.bus.dead_letters()
        assert (dead.id, dead.attempts, dead.last_error) == ("publish:evt_1", 7, "gone")

    play(tmp_path, Rig, scenario)
