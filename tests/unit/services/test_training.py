import asyncio
import random

import pytest

from shared.domain.access import IdempotencyKey
from shared.domain.learning.config import LearningConfig, TierRule
from shared.domain.learning.runs import SNAPSHOTS
from shared.domain.learning.snapshot import from_bytes
from shared.domain.operations import CONSUMED
from shared.errors import InvalidInput, NotFound, Paused, Unavailable
from shared.messages.base import PageParams
from shared.messages.events import Event
from shared.services import training
from shared.services.deps import Options
from shared.services.leasing import LEASE_S
from shared.services.planning import plan
from shared.services.snapshots import head_of, open_snapshot
from tests.support.learning import ADMIN, evidence, head, run, runs, settled
from tests.support.system import WORKSPACE, caller, play


def requested(event_id="evt_1", reason="schedule"):
    return Event(
        event_id=event_id,
        type="learning.requested",
        workspace=WORKSPACE,
        occurred_at="2026-01-01T12:00:00.000000Z",
        subject=WORKSPACE,
        data={"reason": reason},
    )


def test_a_run_makes_what_it_learned_current(tmp_path):
    async def scenario(system):
        await evidence(system, 40, model="medium", quality=5)
        await evidence(system, 40, model="small", quality=1)
        done = await run(system)
        assert (done.status, done.ratings_read, done.parent_id) == ("succeeded", 80, None)
        now = await head(system)
        assert (now.current_id, now.tip_id) == (done.snapshot_id, done.snapshot_id)
        assert (now.lease_run_id, now.lease_until) == (None, None)
        [change] = done.changes_preview
        assert change["new"] == {"provider": "local", "model": "medium"}
        assert done.after["quality"]["mean"] > done.before["quality"]["mean"]
        [told] = [one for one in await system.drain() if one.type == "learning.completed"]
        assert told.subject == done.run_id
        assert told.data["snapshot_id"] == done.snapshot_id

    play(tmp_path, scenario)


def test_a_dry_run_shows_the_same_and_changes_nothing(tmp_path):
    async def scenario(system):
        await evidence(system, 40)
        dry = await run(system, dry_run=True)
        assert (dry.status, dry.dry_run) == ("succeeded", True)
        assert (await head(system)).current_id is None
        assert await system.store.get(WORKSPACE, SNAPSHOTS, dry.snapshot_id) is None
        assert await system.deps.blobs.list("learning/") == []
        assert "learning.completed" not in [one.type for one in await system.drain()]
        real = await run(system)
        assert (real.snapshot_id, real.changes_preview) == (dry.snapshot_id, dry.changes_preview)
        assert real.unchanged == dry.unchanged == []
        assert [one.dry_run for one in await runs(system)].count(True) == 1

    play(tmp_path, scenario)


def test_a_run_tells_what_it_left_as_it_is_for_lack_of_evidence(tmp_path):
    async def scenario(system):
        await evidence(system, 4, model="small", quality=5)
        dry = await run(system, dry_run=True)
        [told] = dry.unchanged
        assert "local/small has 4 of the 5 ratings that are needed" in told["why"]
        assert dry.changes_total == 0
        assert (await training.view_run(system.deps, ADMIN, dry.run_id)).unchanged == dry.unchanged

    play(tmp_path, scenario)


def test_without_new_evidence_nothing_changes(tmp_path):
    async def scenario(system):
        await evidence(system, 40)
        first = await run(system)
        await system.drain()
        since = (await head(system)).current_since
        system.clock.advance(days=30)
        again = await run(system)
        assert (again.status, again.snapshot_id) == ("succeeded", first.snapshot_id)
        assert (again.ratings_read, again.changes_total) == (0, 0)
        assert (await head(system)).current_since == since
        assert "learning.completed" not in [one.type for one in await system.drain()]

    play(tmp_path, scenario)


def test_a_run_reads_only_what_is_new(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        await settled(system, 5)
        first = await run(system)
        await evidence(system, 7)
        second = await run(system)
        assert (first.ratings_read, first.outcomes_read) == (30, 5)
        assert (second.ratings_read, second.outcomes_read) == (7, 0)
        assert second.parent_id == first.snapshot_id

    play(tmp_path, scenario)


@pytest.mark.parametrize("seed", range(4))
def test_batches_leave_no_trace(tmp_path, seed):
    """Promise 5: whatever the batches were, a rebuild from the log gives the same bytes."""

    async def scenario(system):
        draw = random.Random(seed)
        for _ in range(25):
            await evidence(
                system,
                draw.randint(1, 8),
                pattern=draw.choice(["code", "math"]),
                model=draw.choice(["small", "medium"]),
                quality=draw.randint(1, 5),
                cost_nanousd=draw.randint(1, 10**6),
            )
            await settled(system, draw.randint(1, 3), points=draw.randint(0, 2))
            system.clock.advance(days=draw.randint(0, 40))
            if draw.random() < 0.3:
                assert (await run(system)).status == "succeeded"
        done = await run(system)
        tip = await open_snapshot(system.deps, WORKSPACE, done.snapshot_id)
        rebuilt = await plan(
            system.deps, WORKSPACE, (await head(system)).model_copy(update={"tip_id": None})
        )
        kept = await system.deps.blobs.get(tip.info.blob_key)
        assert rebuilt.ratings_read > done.ratings_read
        assert rebuilt.snapshot_data == kept.data
        assert (await system.deps.blobs.get(tip.info.state_key)).data == rebuilt.state_data
        from_bytes(kept.data, workspace=WORKSPACE, expected_id=done.snapshot_id)

    play(tmp_path, scenario)


@pytest.mark.parametrize("damage", ["lost", "garbled"])
def test_sums_that_cannot_be_read_are_folded_anew(tmp_path, damage):
    async def scenario(system):
        await evidence(system, 20)
        first = await run(system)
        info = await system.store.get(WORKSPACE, SNAPSHOTS, first.snapshot_id)
        if damage == "lost":
            await system.deps.blobs.delete(info.state_key)
        else:
            await system.deps.blobs.put(info.state_key, b"{}", if_generation=None)
        await evidence(system, 3)
        assert (await run(system)).ratings_read == 23

    play(tmp_path, scenario)


def test_another_half_life_folds_everything_anew(tmp_path):
    async def scenario(system):
        await evidence(system, 20)
        return (await run(system)).snapshot_id

    async def longer(system):
        done = await run(system)
        assert done.ratings_read == 20
        return done.snapshot_id

    first = play(tmp_path, scenario)
    config = LearningConfig(half_life_days=60)
    assert play(tmp_path, longer, options=Options(learning=config), seed=1) != first


def test_other_thresholds_change_the_policy_without_new_evidence(tmp_path):
    async def scenario(system):
        await evidence(system, 30, quality=4)
        return await run(system)

    async def stricter(system):
        done = await run(system)
        assert (done.ratings_read, done.changes_total) == (0, 1)
        return done

    first = play(tmp_path, scenario)
    bar = TierRule(n=10, quality=4.9, correctness=0.8)
    options = Options(learning=LearningConfig(high=bar, medium=bar))
    assert play(tmp_path, stricter, options=options, seed=1).snapshot_id != first.snapshot_id


def test_of_two_runs_at_once_one_is_blocked_and_says_by_whom(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        both = await asyncio.gather(run(system), run(system))
        assert sorted(one.status for one in both) == ["blocked", "succeeded"]
        done, blocked = sorted(both, key=lambda one: one.status, reverse=True)
        assert done.run_id in blocked.blocked_by[0]
        assert len((await system.store.find(WORKSPACE, SNAPSHOTS)).items) == 1

    play(tmp_path, scenario)


def test_a_run_elsewhere_is_not_blocked(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        await evidence(system, 30, workspace="other")
        eve = caller("eve", role="admin", workspace="other")
        both = await asyncio.gather(run(system), run(system, who=eve))
        assert [one.status for one in both] == ["succeeded"] * 2
        assert both[0].snapshot_id != both[1].snapshot_id

    play(tmp_path, scenario)


def test_a_key_is_one_run(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        first = await run(system, key=IdempotencyKey("k", "f"))
        await evidence(system, 5)
        key = IdempotencyKey("k", "f")
        again = await run(system, key=key)
        assert key.replayed
        assert (again.run_id, again.snapshot_id) == (first.run_id, first.snapshot_id)
        assert len(await runs(system)) == 1

    play(tmp_path, scenario)


def test_a_key_of_a_dry_run_is_no_key_of_a_real_one(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        dry = await run(system, dry_run=True, key=IdempotencyKey("k", "f"))
        key = IdempotencyKey("k", "f")
        assert (await run(system, dry_run=True, key=key)).run_id == dry.run_id
        assert key.replayed
        with pytest.raises(InvalidInput):
            await run(system, key=IdempotencyKey("k", "f"))
        assert (await head(system)).current_id is None

    play(tmp_path, scenario)


@pytest.mark.parametrize("dry_run", [True, False])
def test_one_key_sent_many_times_at_once_is_one_run(tmp_path, dry_run):
    async def scenario(system):
        await evidence(system, 30)
        shown = await asyncio.gather(
            *(run(system, dry_run=dry_run, key=IdempotencyKey("k", "f")) for _ in range(5))
        )
        [recorded] = await runs(system)
        assert {one.run_id for one in shown} == {recorded.id}
        assert (recorded.status, recorded.dry_run) == ("succeeded", dry_run)

    play(tmp_path, scenario)


def test_an_event_is_one_run(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        first = await training.run_for_event(system.deps, requested())
        await evidence(system, 5)
        again = await training.run_for_event(system.deps, requested())
        assert (again.run_id, again.ratings_read) == (first.run_id, 30)
        assert (first.trigger, first.requested_by) == ("schedule", "system:retrain")
        assert len(await runs(system)) == 1

    play(tmp_path, scenario)


def test_an_event_whose_run_was_killed_comes_again_until_it_is_run(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(training, "plan", _killed)
            with pytest.raises(asyncio.CancelledError):
                await training.run_for_event(system.deps, requested())
        with pytest.raises(Paused, match="under way"):
            await training.run_for_event(system.deps, requested())
        system.clock.advance(LEASE_S)
        done = await training.run_for_event(system.deps, requested())
        assert (done.status, done.ratings_read) == ("succeeded", 30)
        assert len(await runs(system)) == 1

    play(tmp_path, scenario)


async def _killed(*_):
    raise asyncio.CancelledError


class _Outage:
    """Blobs that do not answer until `down` is False."""

    def __init__(self, blobs):
        self.down = True
        self._blobs = blobs

    async def put(self, *args, **options):
        if self.down:
            msg = "the blobs do not answer"
            raise Unavailable(msg)
        return await self._blobs.put(*args, **options)

    def __getattr__(self, name):
        return getattr(self._blobs, name)


def test_an_event_whose_run_failed_for_an_outage_is_run_again(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        outage = _Outage(system.deps.blobs)
        object.__setattr__(system.deps, "blobs", outage)
        with pytest.raises(Unavailable):
            await training.run_for_event(system.deps, requested())
        [failed] = await runs(system)
        assert (failed.status, failed.error) == ("failed", "the blobs do not answer")
        assert (await head(system)).lease_run_id is None
        outage.down = False
        done = await training.run_for_event(system.deps, requested())
        assert (done.run_id, done.status, done.error) == (failed.id, "succeeded", None)

    play(tmp_path, scenario)


def test_a_run_that_fails_says_so_and_changes_nothing(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        object.__setattr__(system.deps, "blobs", _Outage(system.deps.blobs))
        failed = await run(system)
        assert (failed.status, failed.error) == ("failed", "the blobs do not answer")
        assert (await head(system)).current_id is None
        assert [one.action for one in (await system.store.audit_page(WORKSPACE)).items] == [
            "learning.run_failed",
            "learning.run_started",
        ]

    play(tmp_path, scenario)


def test_a_bug_is_not_shown_to_the_caller(tmp_path):
    class Broken(_Outage):
        async def put(self, *args, **options):
            raise ZeroDivisionError("a secret of ours")

    async def scenario(system):
        await evidence(system, 30)
        object.__setattr__(system.deps, "blobs", Broken(system.deps.blobs))
        failed = await run(system)
        assert failed.status == "failed"
        assert "secret" not in failed.error

    play(tmp_path, scenario)


def test_a_run_is_found_by_id_only_in_its_workspace(tmp_path):
    async def scenario(system):
        done = await run(system, dry_run=True)
        assert (await training.view_run(system.deps, ADMIN, done.run_id)).dry_run
        for who, run_id in ((caller(workspace="other"), done.run_id), (ADMIN, "run_none")):
            with pytest.raises(NotFound):
                await training.view_run(system.deps, who, run_id)

    play(tmp_path, scenario)


def test_runs_are_listed_newest_first_in_pages(tmp_path):
    async def scenario(system):
        made = []
        for _ in range(5):
            made.append((await run(system, dry_run=True)).run_id)
            system.clock.advance(1)
        first = await training.list_runs(system.deps, ADMIN, PageParams(limit=3))
        rest = await training.list_runs(
            system.deps, ADMIN, PageParams(limit=3, cursor=first.next_cursor)
        )
        assert [one.run_id for one in (*first.items, *rest.items)] == made[::-1]
        assert rest.next_cursor is None

    play(tmp_path, scenario)


def test_a_run_of_no_evidence_at_all_learns_nothing(tmp_path):
    async def scenario(system):
        done = await run(system)
        assert (done.status, done.changes_total, done.ratings_read) == ("succeeded", 0, 0)
        assert (await head_of(system.deps, WORKSPACE)).current_id == done.snapshot_id

    play(tmp_path, scenario)


def test_a_read_only_workspace_does_not_run(tmp_path):
    async def scenario(system):
        await system.change_settings(read_only=True)
        for dry_run in (True, False):
            with pytest.raises(Unavailable):
                await run(system, dry_run=dry_run)
        assert await runs(system) == []
        assert await system.store.get(WORKSPACE, CONSUMED, "retrain:evt_1") is None

    play(tmp_path, scenario)
