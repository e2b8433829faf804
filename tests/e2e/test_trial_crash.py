"""Promise 4: a process that dies while it ends a trial loses neither its alert nor its events."""

import os
import subprocess
import sys
from shutil import copytree

import pytest

from shared.domain.learning.runs import SNAPSHOTS
from shared.domain.operations import ALERTS
from shared.services.watching_trials import look
from tests.support.faulty_server import CRASHED
from tests.support.system import WORKSPACE, play
from tests.unit.services import test_canarying, test_experimenting

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.crash,
    pytest.mark.embedded("the transaction that is cut is the same on every store"),
]

STEPS = ("written", "committed")
MANY = 20


async def worse_canary(system):
    _, _, trial_id = await test_canarying.begun(system)
    await test_canarying.rated(system, trial_id, candidate=(2, 3, 4))


async def broken_guardrail(system):
    limits = test_experimenting.LIMITS
    trial = await test_experimenting.start(system, guardrails=limits)
    await test_experimenting.rated(system, trial.trial_id, small=(5, 5, 4), large=(2, 3, 2))


def looked(data, crash_at):
    """Looks at the trial in a process of its own, and returns how that ended."""
    environment = {**os.environ, "WHETSTONE_DATA_DIR": str(data), "CRASH_AT": crash_at}
    command = [sys.executable, "-m", "tests.support.faulty_look"]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("begins", "event", "rule"),
    [
        (worse_canary, "canary.ended", "canary_reverted"),
        (broken_guardrail, "experiment.ended", "experiment_stopped"),
    ],
)
def test_wherever_a_look_dies_the_next_one_has_ended_the_trial_with_its_alert(
    tmp_path, begins, event, rule
):
    async def prepare(system):
        await begins(system)
        await system.drain()

    async def check(system):
        await look(system.deps, WORKSPACE)
        told = [one.type for one in await system.drain()]
        assert (told.count(event), told.count("alert.raised")) == (1, 1)
        alerts = (await system.store.find(WORKSPACE, ALERTS)).items
        assert [(one.rule, one.state) for one in alerts] == [(rule, "open")]
        kept = [one.quarantine for one in (await system.store.find(WORKSPACE, SNAPSHOTS)).items]
        assert len([one for one in kept if one is not None]) == int(rule == "canary_reverted")

    play(tmp_path / "before", prepare)
    for step in STEPS:
        died = 0
        for number in range(1, MANY):
            data = tmp_path / f"{step}-{number}"
            copytree(tmp_path / "before", data)
            code = looked(data, f"{step}:{number}")
            assert code in {0, CRASHED}
            play(data, check)
            if code == 0:
                break
            died += 1
        assert 0 < died < MANY - 1
