import pytest

from shared.domain.access import WorkspaceSettings
from shared.domain.learning.runs import RUNS, TrainingRun
from shared.errors import Unavailable
from shared.services import leasing, training
from shared.services.leasing import LEASE_S, gates
from tests.support.learning import ADMIN, evidence, head, run, runs
from tests.support.system import WORKSPACE, System, caller, play

OURSELVES = caller("system:retrain", system=True)
SHUT = {
    "collect": {"mode": "collect"},
    "stopped": {"learning_stopped": True},
}
PEOPLE_ONLY = {"manual": {"mode": "manual"}, "hold": {"hold": "rolled back"}}


async def left_behind(system: System) -> str:
    """Takes the lease as a run does whose process is then killed, and returns the run's id."""
    dead = TrainingRun(
        id="run_dead",
        status="queued",
        dry_run=False,
        trigger="schedule",
        requested_by="system:retrain",
        requested_at=system.clock.now_text(),
    )

    async def take(tx):
        return await leasing.begin(tx, OURSELVES, dead, system.clock.now_text())

    assert (await system.store.transact(WORKSPACE, take)).going
    return dead.id


def test_the_lease_of_a_killed_run_holds_until_it_expires(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        dead = await left_behind(system)
        system.clock.advance(LEASE_S - 1)
        blocked = await run(system)
        assert blocked.status == "blocked"
        assert dead in blocked.blocked_by[0]
        system.clock.advance(1)
        assert (await run(system)).status == "succeeded"
        failed = await system.store.get(WORKSPACE, RUNS, dead)
        assert (failed.status, failed.error) == ("failed", leasing.DIED)

    play(tmp_path, scenario)


def test_a_run_that_outlived_its_lease_cannot_apply(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        late = system.deps.analytics.rating_sums

        async def slow(*args):
            sums = await late(*args)
            system.clock.advance(LEASE_S + 1)
            object.__setattr__(system.deps, "analytics", analytics)
            assert (await run(system)).status == "succeeded"
            return sums

        analytics = system.deps.analytics
        object.__setattr__(system.deps, "analytics", _Slow(analytics, slow))
        overtaken = await run(system)
        assert overtaken.status == "failed"
        assert "lost its lease" in overtaken.error
        now = await head(system)
        assert now.lease_run_id is None
        assert now.current_id is not None

    play(tmp_path, scenario)


def test_a_run_whose_last_answer_was_lost_has_succeeded(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        plain = system.store.transact

        async def lossy(workspace, work):
            done = await plain(workspace, work)
            if isinstance(done, TrainingRun) and done.status == "succeeded":
                system.store.transact = plain
                raise Unavailable("the connection broke after the commit")
            return done

        system.store.transact = lossy
        shown = await run(system)
        assert (shown.status, shown.error) == ("succeeded", None)
        now = await head(system)
        assert (now.current_id, now.lease_run_id) == (shown.snapshot_id, None)
        [recorded] = await runs(system)
        assert recorded.status == "succeeded"

    play(tmp_path, scenario)


class _Slow:
    """Analytics that let something happen while a run reads."""

    def __init__(self, analytics, rating_sums):
        self._analytics = analytics
        self.rating_sums = rating_sums

    def __getattr__(self, name):
        return getattr(self._analytics, name)


@pytest.mark.parametrize("settings", [*SHUT.values()], ids=[*SHUT])
@pytest.mark.parametrize("who", [ADMIN, OURSELVES], ids=["person", "automatic"])
def test_shut_gates_block_everyone_but_not_a_dry_run(tmp_path, settings, who):
    async def scenario(system):
        await evidence(system, 30)
        await system.change_settings(**settings)
        blocked = await run(system, who=who)
        assert (blocked.status, len(blocked.blocked_by)) == ("blocked", 1)
        assert (await head(system)).lease_run_id is None
        assert (await run(system, who=who, dry_run=True)).status == "succeeded"
        assert (await head(system)).current_id is None

    play(tmp_path, scenario)


@pytest.mark.parametrize("settings", [*PEOPLE_ONLY.values()], ids=[*PEOPLE_ONLY])
@pytest.mark.parametrize(
    ("who", "status"),
    [
        (ADMIN, "succeeded"),
        (caller("key:1", scopes=("admin",)), "succeeded"),
        (OURSELVES, "blocked"),
    ],
    ids=["person", "key", "automatic"],
)
def test_some_gates_are_open_to_people_and_keys_only(tmp_path, settings, who, status):
    async def scenario(system):
        await evidence(system, 30)
        await system.change_settings(**settings)
        assert (await run(system, who=who)).status == status

    play(tmp_path, scenario)


def test_an_open_workspace_blocks_nobody():
    settings = WorkspaceSettings(id="settings")
    assert gates(settings, automatic=True) == gates(settings, automatic=False) == []


def test_every_reason_is_told():
    settings = WorkspaceSettings(id="settings", mode="manual", learning_stopped=True, hold="why")
    assert len(gates(settings, automatic=True)) == 3
    assert "why" in gates(settings, automatic=True)[-1]


def test_a_blocked_run_is_on_record(tmp_path):
    async def scenario(system):
        await system.change_settings(mode="collect")
        blocked = await run(system)
        assert [one.status for one in await runs(system)] == ["blocked"]
        assert await training.view_run(system.deps, ADMIN, blocked.run_id) == blocked
        [record] = (await system.store.audit_page(WORKSPACE, action="learning.run_blocked")).items
        assert record.subject == blocked.run_id

    play(tmp_path, scenario)
