import dataclasses

from shared.domain.learning.config import DriftConfig, LearningConfig
from shared.errors import Unavailable
from shared.messages.base import PageParams
from shared.services import learning_status
from shared.services.deps import Options
from tests.support.learning import ADMIN, evidence, run, settled
from tests.support.system import WORKSPACE, caller, play
from tests.unit.services.test_guarding import before_and_after
from tests.unit.services.test_leasing import left_behind
from tests.unit.services.test_rolling_back import back, two_snapshots


async def status(system):
    return await learning_status.status(system.deps, ADMIN)


def test_before_the_first_run(tmp_path):
    async def scenario(system):
        await evidence(system, 3)
        await settled(system, 2)
        now = await status(system)
        assert (now.current_id, now.last_run, now.hold, now.held_by) == (None, None, None, None)
        assert (now.ratings_waiting, now.outcomes_waiting, now.mode) == (3, 2, "automatic")
        assert now.next_run_at == "2026-01-02T02:00:00.000000Z"
        assert now.tiers["HIGH"].min_n == 10

    play(tmp_path, scenario)


def test_after_runs_and_a_rollback(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        dry = await run(system, dry_run=True)
        await back(system, first)
        await evidence(system, 4)
        now = await status(system)
        assert (now.current_id, now.previous_id, now.tip_id) == (first, second, second)
        assert now.last_run.snapshot_id == second
        assert now.last_run.run_id != dry.run_id
        assert "it was better" in now.hold
        assert now.ratings_waiting == 4

    play(tmp_path, scenario)


def test_a_run_under_way_is_named_while_its_lease_lasts(tmp_path):
    async def scenario(system):
        running = await left_behind(system)
        assert (await status(system)).held_by == running
        system.clock.advance(901)
        assert (await status(system)).held_by is None

    play(tmp_path, scenario)


def test_fallen_quality_is_shown(tmp_path):
    async def scenario(system):
        await before_and_after(system, (4, 5), (2, 3))
        assert (await status(system)).quality_alert is None
        await run(system)
        assert (await status(system)).quality_alert.startswith("alr_")

    play(tmp_path, scenario)


def test_snapshots_say_which_one_is_current(tmp_path):
    async def scenario(system):
        first, second = await two_snapshots(system)
        await back(system, first)
        found = await learning_status.snapshots(system.deps, ADMIN, PageParams())
        assert [(one.snapshot_id, one.current) for one in found.items] == [
            (second, False),
            (first, True),
        ]
        assert found.items[0].parent_id == first
        assert [one.quarantine for one in found.items] == [None, None]

    play(tmp_path, scenario)


def test_trends_have_a_point_for_each_real_run(tmp_path):
    async def scenario(system):
        await evidence(system, 30, quality=4)
        await run(system)
        system.clock.advance(60)
        await run(system, dry_run=True)
        await evidence(system, 90, quality=5)
        second = await run(system)
        found = await learning_status.trends(system.deps, ADMIN, PageParams())
        assert [one.quality for one in found.items] == [4.75, 4.0]
        assert found.items[0].run_id == second.run_id
        assert (found.items[0].correctness, found.items[0].cost_usd) == (1.0, 0.001)
        page = await learning_status.trends(system.deps, ADMIN, PageParams(limit=1))
        rest = await learning_status.trends(
            system.deps, ADMIN, PageParams(limit=1, cursor=page.next_cursor)
        )
        assert [*page.items, *rest.items] == found.items

    steady = DriftConfig(false_alarm_rate=0)
    play(tmp_path, scenario, options=Options(learning=LearningConfig(drift=steady)))


def test_a_run_of_nothing_has_no_figures(tmp_path):
    async def scenario(system):
        await run(system)
        [point] = (await learning_status.trends(system.deps, ADMIN, PageParams())).items
        assert (point.quality, point.correctness, point.cost_usd) == (None, None, None)

    play(tmp_path, scenario)


def test_insights_are_those_of_the_current_snapshot(tmp_path):
    async def scenario(system):
        assert (await learning_status.insights(system.deps, ADMIN)).insights == {}
        first, second = await two_snapshots(system)
        told = await learning_status.insights(system.deps, ADMIN)
        assert (told.snapshot_id, told.insights["rules_updated"]) == (second, 1)
        await back(system, first)
        assert (await learning_status.insights(system.deps, ADMIN)).snapshot_id == first

    play(tmp_path, scenario)


def test_another_workspace_sees_none_of_it(tmp_path):
    async def scenario(system):
        await two_snapshots(system)
        other = caller("eve", role="admin", workspace="other")
        assert (await learning_status.status(system.deps, other)).current_id is None
        assert (await learning_status.snapshots(system.deps, other, PageParams())).items == []
        assert (await learning_status.trends(system.deps, other, PageParams())).items == []
        assert other.workspace != WORKSPACE

    play(tmp_path, scenario)


def test_trends_tell_what_users_said_beside_what_the_policy_promises(tmp_path):
    async def scenario(system):
        await evidence(system, 20, quality=5)
        await run(system)
        system.clock.advance(60)
        await evidence(system, 20, quality=1)
        await run(system)
        newest, oldest = (await learning_status.trends(system.deps, ADMIN, PageParams())).items
        assert (oldest.rated_quality, oldest.rated_correctness) == (5.0, 1.0)
        assert (newest.rated_quality, newest.rated_correctness) == (1.0, 0.0)
        assert newest.ratings_read == 20
        assert oldest.coverage == 1.0
        nothing_new = await run(system)
        assert nothing_new.rated == {"ratings": 0, "quality": None, "correctness": None}

    play(tmp_path, scenario)


class Away:
    """A schedule that does not answer."""

    async def jobs(self):
        raise Unavailable("the schedule is away")

    async def close(self):
        pass


def test_the_next_run_is_what_the_schedule_says(tmp_path):
    async def scenario(system):
        await system.deps.schedule.pause("retrain")
        assert (await status(system)).next_run_at is None
        await system.deps.schedule.resume("retrain")
        assert (await status(system)).next_run_at == "2026-01-02T02:00:00.000000Z"
        for schedule in (Away(), None):
            deps = dataclasses.replace(system.deps, schedule=schedule)
            found = await learning_status.status(deps, ADMIN)
            assert (found.next_run_at, found.mode) == (None, "automatic")

    play(tmp_path, scenario)
