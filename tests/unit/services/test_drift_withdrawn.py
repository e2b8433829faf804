"""A fall that raters feigned is taken back once they are set aside, and the model answers again."""

import pytest

from shared.domain.access import Caller
from shared.domain.learning.config import DriftConfig, LearningConfig
from shared.domain.learning.snapshot import build_snapshot, to_bytes
from shared.domain.learning.state import LearningState
from shared.messages.base import PageParams
from shared.messages.learning import DriftPage
from shared.messages.rating import JudgeRater
from shared.services import drift_status, drifting, raters
from shared.services.deps import Options
from shared.services.planning import Read, folded
from shared.services.snapshots import open_current
from tests.support.learning import ADMIN, rate, routed, run
from tests.support.system import WORKSPACE, play
from tests.unit.services.test_drifting import MATH, alerts, changes, group, rated

VIEWER = Caller(WORKSPACE, "ada", role="viewer")
WHY = JudgeRater(reason="They rate as one.")
FEIGNERS = [f"eve{number}" for number in range(8)]


async def feigned(system):
    """Has one model be good and another one less so, and eight say that the good one has fallen."""
    await rated(system, 1, (300, 0.9))
    await rated(system, 2, (150, 0.8), model="medium")
    for number in range(8):
        for name in FEIGNERS:
            request = f"req_{name}_{number}"
            await routed(system, request, pattern="math", model="small")
            await rate(system, request, quality=1, user_id=name)
    await drifting.look(system.deps, WORKSPACE)


async def turn(system, verb):
    for name in FEIGNERS:
        await verb(system.deps, ADMIN, name, WHY, None)
    await drifting.look(system.deps, WORKSPACE)


async def choice(system):
    """Returns which model the newest snapshot takes, once a run has made it."""
    await run(system)
    snapshot = (await open_current(system.deps, WORKSPACE)).snapshot
    (row,) = snapshot.policy.rows
    return row.choice.model if row.choice else None


def test_the_model_answers_again_once_its_feigners_are_set_aside(tmp_path):
    async def scenario(system):
        await feigned(system)
        (change,) = await changes(system)
        assert (change.direction, change.withdrawn) == ("fall", None)
        assert await choice(system) == "medium"
        await system.drain()
        await turn(system, raters.set_aside)
        (change,) = await changes(system)
        assert change.withdrawn.left < change.withdrawn.of
        asked = [one for one in await system.drain() if one.type == "learning.requested"]
        assert [one.data["reason"] for one in asked] == ["drift"]
        assert await choice(system) == "small"
        snapshot = (await open_current(system.deps, WORKSPACE)).snapshot
        assert snapshot.epochs == {tuple(MATH): 1}
        assert snapshot.changed[0].day is None
        assert snapshot.changed[0].withdrawn is not None
        assert snapshot.policy.shaken == ()

    play(tmp_path, scenario)


def test_the_alert_is_resolved_with_the_reason_and_both_steps_are_in_the_audit_log(tmp_path):
    async def scenario(system):
        await feigned(system)
        assert [one.state for one in await alerts(system)] == ["open"]
        await turn(system, raters.set_aside)
        assert [one.state for one in await alerts(system)] == ["resolved"]
        told = await system.store.audit_page(WORKSPACE, action="alert.resolved")
        (resolved,) = [one for one in told.items if one.data["key"].startswith("drift:")]
        assert "was taken back on" in resolved.data["reason"]
        (change,) = await changes(system)
        page = await system.store.audit_page(WORKSPACE, subject=change.id)
        assert [one.action for one in page.items] == [
            "learning.drift_withdrawn",
            "learning.drift_noted",
        ]
        facts = page.items[0].data
        assert facts["withdrawn_at"] == change.withdrawn.place
        assert facts["ratings_left"] == change.withdrawn.left

    play(tmp_path, scenario)


def test_status_and_the_list_of_changes_say_when_and_why(tmp_path):
    async def scenario(system):
        await feigned(system)
        await turn(system, raters.set_aside)
        (small,) = [
            one
            for one in (await drift_status.drift(system.deps, VIEWER, DriftPage())).items
            if one.model == "small"
        ]
        (change,) = (await drift_status.changes(system.deps, VIEWER, PageParams())).items
        assert small.status == "stable"
        assert small.withdrawn == change.withdrawn
        assert change.withdrawn.words in small.words
        assert change.withdrawn.words in change.words
        assert change.withdrawn.ratings == change.after.ratings
        assert change.withdrawn.change_day == change.day

    play(tmp_path, scenario)


def test_who_is_put_back_counts_again_and_proves_nothing_by_what_was_counted(tmp_path):
    async def scenario(system):
        await feigned(system)
        before = (await group(system)).epoch
        await turn(system, raters.set_aside)
        await turn(system, raters.put_back)
        found = await group(system)
        assert (found.now.n, found.epoch, found.changed) == (364, before, 0)
        assert len(await changes(system)) == 1

    play(tmp_path, scenario)


@pytest.mark.parametrize("bound", [{"PAGE": 7}, {"WRITES": 4}])
def test_pages_of_any_size_withdraw_the_same_and_runs_make_the_same_bytes(
    tmp_path, monkeypatch, bound
):
    """A page that writes more than a transaction takes is taken in by halves."""

    async def scenario(system):
        await feigned(system)
        await run(system)
        await turn(system, raters.set_aside)
        assert await drifting.look(system.deps, WORKSPACE) == 0
        await run(system)
        current = await open_current(system.deps, WORKSPACE)
        made = (await system.deps.blobs.get(current.info.blob_key)).data
        assert to_bytes(await learned_anew(system, current.snapshot)) == made
        told = [one.model_dump(exclude={"noticed_at"}) for one in await changes(system)]
        return await drifting.changes_after(system.deps, WORKSPACE, 0), told, made

    whole = play(tmp_path / "whole", scenario)
    for name, value in bound.items():
        monkeypatch.setattr(drifting, name, value)
    assert play(tmp_path / "parts", scenario) == whole


async def learned_anew(system, snapshot):
    """Returns the snapshot that a fold of the whole log makes."""
    ratings, outcomes = snapshot.ratings_watermark, snapshot.outcomes_watermark
    read = Read(
        await system.deps.analytics.rating_sums(WORKSPACE, 0, ratings, 7),
        [],
        await system.deps.analytics.quality_sums(WORKSPACE, 0, ratings),
        await drifting.changes_after(system.deps, WORKSPACE, 0, upto=snapshot.changes_watermark),
        ratings,
        outcomes,
    )
    return build_snapshot(folded(LearningState.empty(snapshot.config), read), snapshot.config)


def test_nothing_of_it_is_seen_where_no_changes_are_looked_for(tmp_path):
    async def scenario(system):
        await feigned(system)
        await turn(system, raters.set_aside)
        assert await changes(system) == []
        assert await choice(system) == "small"

    off = Options(learning=LearningConfig(drift=DriftConfig(false_alarm_rate=0)))
    play(tmp_path, scenario, options=off)
