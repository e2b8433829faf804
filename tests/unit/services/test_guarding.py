import pytest

from shared.domain.operations import ALERT_RULES, ALERTS, AlertRule
from shared.services.guarding import check_quality
from tests.support.learning import evidence, head, run
from tests.support.system import WORKSPACE, play
from tests.unit.services.test_leasing import OURSELVES
from tests.unit.services.test_rolling_back import back
from tests.unit.services.test_snapshots import damage


async def alerts(system):
    found = (await system.store.find(WORKSPACE, ALERTS)).items
    return [(one.rule, one.severity, one.state) for one in found]


async def before_and_after(system, before, after, n=60):
    """Makes two snapshots; ratings of what each routed are of these qualities, in turn."""
    await evidence(system, 15)
    first = (await run(system)).snapshot_id
    for quality in before:
        await evidence(system, n // len(before), quality=quality, snapshot_id=first)
    await evidence(system, 4, pattern="math")
    second = (await run(system)).snapshot_id
    for quality in after:
        await evidence(system, n // len(after), quality=quality, snapshot_id=second)
    return first, second


OPEN = ("quality_regression", "critical", "open")


def test_a_real_fall_raises_a_critical_alert(tmp_path):
    async def scenario(system):
        _, second = await before_and_after(system, (4, 5), (2, 3))
        found = await check_quality(system.deps, WORKSPACE)
        assert found.fell
        assert await alerts(system) == [OPEN]
        assert (await head(system)).current_id == second
        await check_quality(system.deps, WORKSPACE)
        assert len(await alerts(system)) == 1

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("before", "after", "n"),
    [
        ((4, 5), (4, 5), 60),
        ((2, 3), (4, 5), 60),
        ((4, 5), (4, 4, 4, 5), 60),
        ((1, 3, 5, 5), (1, 1, 5, 5), 24),
        ((5, 5), (1, 1), 10),
    ],
    ids=["level", "better", "too small a fall", "a large fall by chance", "too few ratings"],
)
def test_without_a_real_fall_nobody_is_woken(tmp_path, before, after, n):
    async def scenario(system):
        await system.change_settings(auto_rollback=True)
        _, second = await before_and_after(system, before, after, n)
        assert not (await check_quality(system.deps, WORKSPACE)).fell
        assert await alerts(system) == []
        assert (await head(system)).current_id == second

    play(tmp_path, scenario)


def test_a_large_fall_that_may_be_chance_is_called_so(tmp_path):
    async def scenario(system):
        await before_and_after(system, (1, 3, 5, 5), (1, 1, 5, 5), 24)
        found = await check_quality(system.deps, WORKSPACE)
        assert found.drop > 0.1
        assert "chance" in found.words

    play(tmp_path, scenario)


def test_where_it_cannot_roll_back_the_alert_stands_and_runs_go_on(tmp_path):
    async def scenario(system):
        await system.change_settings(auto_rollback=True)
        first, second = await before_and_after(system, (4, 5), (2, 3))
        damage(tmp_path, first)
        assert (await check_quality(system.deps, WORKSPACE)).fell
        assert await alerts(system) == [OPEN]
        assert (await head(system)).current_id == second
        assert (await run(system, who=OURSELVES)).status == "succeeded"

    play(tmp_path, scenario)


def test_it_rolls_back_by_itself_where_the_workspace_says_so(tmp_path):
    async def scenario(system):
        await system.change_settings(auto_rollback=True)
        first, second = await before_and_after(system, (4, 5), (2, 3))
        await check_quality(system.deps, WORKSPACE)
        assert await alerts(system) == [OPEN]
        now = await head(system)
        assert (now.current_id, now.previous_id) == (first, second)
        assert (await run(system, who=OURSELVES)).status == "blocked"
        told = [one.type for one in await system.drain()]
        assert told.count("alert.raised") == told.count("learning.rolled_back") == 1

    play(tmp_path, scenario)


def test_a_run_looks_first(tmp_path):
    async def scenario(system):
        await system.change_settings(auto_rollback=True)
        first, _ = await before_and_after(system, (4, 5), (2, 3))
        assert (await run(system, who=OURSELVES)).status == "blocked"
        assert (await head(system)).current_id == first

    play(tmp_path, scenario)


def test_a_run_that_took_a_snapshot_back_does_not_learn_it_again_at_once(tmp_path):
    async def scenario(system):
        await system.change_settings(auto_rollback=True)
        first, second = await before_and_after(system, (4, 5), (2, 3))
        stopped = await run(system)
        assert stopped.status == "blocked"
        assert second in stopped.blocked_by[-1]
        assert (await head(system)).current_id == first
        again = await run(system)
        assert again.status == "succeeded"
        assert (await head(system)).current_id == again.snapshot_id

    play(tmp_path, scenario)


def test_the_first_snapshot_is_compared_with_the_default_policy(tmp_path):
    async def scenario(system):
        await system.change_settings(auto_rollback=True)
        await evidence(system, 40, quality=5)
        first = (await run(system)).snapshot_id
        await evidence(system, 40, quality=1, snapshot_id=first)
        assert (await check_quality(system.deps, WORKSPACE)).fell
        assert await alerts(system) == [OPEN]
        assert (await head(system)).current_id == first

    play(tmp_path, scenario)


def test_after_a_rollback_the_alert_is_resolved_and_nothing_moves_again(tmp_path):
    async def scenario(system):
        first, _ = await before_and_after(system, (4, 5), (2, 3))
        await check_quality(system.deps, WORKSPACE)
        await back(system, first)
        await check_quality(system.deps, WORKSPACE)
        assert await alerts(system) == [("quality_regression", "critical", "resolved")]
        assert (await head(system)).current_id == first

    play(tmp_path, scenario)


def test_a_persons_rollback_to_worse_is_respected(tmp_path):
    async def scenario(system):
        await system.change_settings(auto_rollback=True)
        first, _ = await before_and_after(system, (2, 3), (4, 5))
        await back(system, first)
        assert (await check_quality(system.deps, WORKSPACE)).fell
        assert (await head(system)).current_id == first
        assert await alerts(system) == []

    play(tmp_path, scenario)


def test_quality_that_comes_back_resolves_the_alert(tmp_path):
    async def scenario(system):
        _, second = await before_and_after(system, (4, 5), (2, 3))
        await check_quality(system.deps, WORKSPACE)
        await evidence(system, 2000, quality=5, snapshot_id=second)
        await check_quality(system.deps, WORKSPACE)
        assert [state for *_, state in await alerts(system)] == ["resolved"]

    play(tmp_path, scenario)


def test_the_rules_threshold_is_the_fall_that_is_let_pass(tmp_path):
    async def scenario(system):
        rule = AlertRule(
            id="quality_regression", description="d", severity="critical", threshold=0.6
        )

        async def put(tx):
            tx.put(ALERT_RULES, rule)

        await system.store.transact(WORKSPACE, put)
        await before_and_after(system, (4, 5), (2, 3))
        assert not (await check_quality(system.deps, WORKSPACE)).fell

    play(tmp_path, scenario)


def test_there_is_nothing_to_guard_before_the_first_run(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        assert await check_quality(system.deps, WORKSPACE) is None

    play(tmp_path, scenario)
