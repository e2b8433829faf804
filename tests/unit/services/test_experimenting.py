import asyncio

import pytest

from shared.domain.learning.trials import TRIALS
from shared.domain.operations import ALERTS
from shared.errors import Conflict, InvalidInput, NotFound
from shared.messages.base import PageParams
from shared.messages.trials import StartExperiment, StopExperiment
from shared.services import canarying, experimenting
from shared.services.watching_trials import look
from tests.support.learning import ADMIN, evidence, head, run
from tests.support.system import WORKSPACE, caller, play
from tests.unit.services.test_canarying import begun, quarantined
from tests.unit.services.test_rolling_back import back

ARMS = [
    {"name": "small", "share": 0.5, "provider": "local", "model": "small"},
    {"name": "large", "share": 0.5, "provider": "other", "model": "large"},
]
LIMITS = [{"metric": "correctness", "limit": 0.05}]


async def start(system, arms=ARMS, who=ADMIN, **more):
    command = StartExperiment.model_validate({"name": "which", "arms": arms, **more})
    return await experimenting.start(system.deps, who, command, None)


async def stop(system, trial_id, who=ADMIN):
    command = StopExperiment(reason="enough")
    return await experimenting.stop(system.deps, who, trial_id, command, None)


async def rated(system, trial_id, **arms):
    for arm, qualities in arms.items():
        for quality in qualities:
            await evidence(system, 40, quality=quality, arm=f"{trial_id}/{arm}")
    system.clock.advance(300)


def test_an_experiment_runs_is_looked_at_and_stopped_with_a_conclusion(tmp_path):
    async def scenario(system):
        begun = await start(system, metric="value")
        assert (begun.state, (await head(system)).trial.id) == ("running", begun.trial_id)
        await rated(system, begun.trial_id, small=(2, 3, 4), large=(5, 5, 4))
        await look(system.deps, WORKSPACE)
        seen = await experimenting.view_experiment(system.deps, ADMIN, begun.trial_id)
        assert (seen.state, seen.findings[0].n) == ("running", 120)
        assert seen.words.startswith("large is better than small")
        done = await stop(system, begun.trial_id)
        assert (done.state, done.ended_by) == ("stopped", "ada")
        assert done.outcome.startswith("Stopped by ada: enough. large is better than small")
        assert (await head(system)).trial is None
        with pytest.raises(Conflict):
            await stop(system, begun.trial_id)
        page = await experimenting.list_experiments(system.deps, ADMIN, PageParams())
        assert [one.trial_id for one in page.items] == [begun.trial_id]
        told = [one.type for one in await system.drain()]
        assert told[-1] == "experiment.ended"

    play(tmp_path, scenario)


def test_a_guardrail_stops_it_and_raises_an_alert(tmp_path):
    async def scenario(system):
        begun = await start(system, guardrails=LIMITS)
        await rated(system, begun.trial_id, small=(5, 5, 4), large=(2, 3, 4))
        await look(system.deps, WORKSPACE)
        trial = await system.store.get(WORKSPACE, TRIALS, begun.trial_id)
        assert (trial.state, trial.ended_by) == ("stopped", "system:trials")
        assert "Stopped by a guardrail: large worsens correctness" in trial.outcome
        [alert] = (await system.store.find(WORKSPACE, ALERTS)).items
        assert (alert.rule, alert.state) == ("experiment_stopped", "open")
        await start(system)
        [alert] = (await system.store.find(WORKSPACE, ALERTS)).items
        assert alert.state == "resolved"

    play(tmp_path, scenario)


def test_it_ends_by_itself_when_its_time_is_up(tmp_path):
    async def scenario(system):
        begun = await start(system, max_days=1)
        system.clock.advance(86_400)
        await look(system.deps, WORKSPACE)
        trial = await system.store.get(WORKSPACE, TRIALS, begun.trial_id)
        assert (trial.state, (await head(system)).trial) == ("ended", None)
        assert "No difference between large and small is shown yet" in trial.outcome

    play(tmp_path, scenario)


def test_one_trial_at_a_time(tmp_path):
    async def scenario(system):
        results = await asyncio.gather(start(system), start(system), return_exceptions=True)
        [refused] = [one for one in results if isinstance(one, Conflict)]
        assert "one canary or experiment at a time" in refused.detail
        assert len((await system.store.find(WORKSPACE, TRIALS)).items) == 1

    play(tmp_path, scenario)


def test_a_canary_and_an_experiment_exclude_each_other(tmp_path):
    async def scenario(system):
        _, _, trial_id = await begun(system)
        with pytest.raises(Conflict, match=trial_id):
            await start(system)
        with pytest.raises(NotFound):
            await stop(system, trial_id)
        with pytest.raises(NotFound):
            await experimenting.view_experiment(system.deps, ADMIN, trial_id)

    play(tmp_path, scenario)


def test_a_run_waits_for_an_experiment_only_where_it_would_begin_a_canary(tmp_path):
    async def scenario(system):
        begun = await start(system)
        await evidence(system, 30)
        assert (await run(system)).status == "succeeded"
        await system.change_settings(canary_share=0.2)
        blocked = await run(system)
        assert f"Experiment {begun.trial_id} is under way" in blocked.blocked_by[0]
        assert (await head(system)).trial.id == begun.trial_id
        assert (await canarying.status(system.deps, ADMIN)).running is None

    play(tmp_path, scenario)


def test_a_rollback_ends_it(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        first = (await run(system)).snapshot_id
        await evidence(system, 30, model="medium", cost_nanousd=1)
        await run(system)
        begun = await start(system)
        await back(system, first)
        trial = await system.store.get(WORKSPACE, TRIALS, begun.trial_id)
        assert (trial.state, (await head(system)).trial) == ("stopped", None)

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("arms", "pointer"),
    [
        ([ARMS[0], ARMS[0]], "/arms/1/name"),
        ([ARMS[0], {**ARMS[1], "share": 0.6}], "/arms"),
        ([ARMS[0], {**ARMS[1], "model": "huge"}], "/arms/1/model"),
    ],
    ids=["same name", "more than all", "unknown model"],
)
def test_arms_that_cannot_be_tried_are_named(tmp_path, arms, pointer):
    async def scenario(system):
        with pytest.raises(InvalidInput) as error:
            await start(system, arms)
        assert [one.pointer for one in error.value.problems] == [pointer]
        assert (await head(system)).trial is None

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "arm",
    [
        {"name": "x", "share": 0.5},
        {"name": "x", "share": 0.5, "provider": "local"},
        {"name": "x", "share": 0.5, "snapshot_id": "s", "provider": "a", "model": "b"},
        {"name": "x", "share": 0.5, "snapshot_id": "s", "model": "b"},
    ],
)
def test_an_arm_is_a_snapshot_or_a_model(arm):
    with pytest.raises(ValueError, match="give snapshot_id, or provider and model"):
        StartExperiment.model_validate({"name": "which", "arms": [ARMS[0], arm]})


def test_snapshots_can_be_arms_unless_unknown_foreign_or_in_quarantine(tmp_path):
    async def scenario(system):
        first, second = await quarantined(system)

        def arms(other):
            return [
                {"name": "first", "share": 0.5, "snapshot_id": first},
                {"name": "other", "share": 0.5, "snapshot_id": other},
            ]

        with pytest.raises(Conflict, match="in quarantine"):
            await start(system, arms(second))
        with pytest.raises(NotFound):
            await start(system, arms("snap_none"))
        with pytest.raises(NotFound):
            await start(system, arms(first), caller("eve", role="admin", workspace="other"))
        assert (await start(system, arms(first))).state == "running"

    play(tmp_path, scenario)


def test_another_workspace_sees_and_stops_nothing(tmp_path):
    async def scenario(system):
        begun = await start(system)
        eve = caller("eve", role="admin", workspace="other")
        for touch in (
            experimenting.view_experiment(system.deps, eve, begun.trial_id),
            stop(system, begun.trial_id, eve),
        ):
            with pytest.raises(NotFound):
                await touch
        page = await experimenting.list_experiments(system.deps, eve, PageParams())
        assert page.items == []

    play(tmp_path, scenario)
