"""Drifting: every rating is taken in once and in order; changes, alerts and runs follow."""

import asyncio
import random
from itertools import accumulate

import pytest

from shared.domain.access import Caller
from shared.domain.feedback import ROUTING_DECISIONS, RatingEvidence
from shared.domain.learning.changes import (
    DRIFT_CHANGES,
    DRIFT_GROUPS,
    GroupName,
)
from shared.domain.learning.config import DriftConfig, LearningConfig
from shared.domain.operations import ALERT_KEYS, ALERTS
from shared.domain.records import Order
from shared.domain.times import day_number
from shared.errors import Unavailable
from shared.messages.base import PageParams
from shared.messages.learning import DriftPage
from shared.messages.monitoring import ChangeRules
from shared.messages.serving import RouteRequest
from shared.services import drift_status, drifting, monitoring
from shared.services.deps import Options
from shared.services.serving import routing
from shared.services.snapshots import open_current
from tests.support.learning import run
from tests.support.system import WORKSPACE, play

MATH = GroupName("math", "local", "small")


async def rated(system, seed, *parts, model="small"):
    """Appends ratings whose share of right answers is that of each part in turn."""
    chance, now = random.Random(seed), system.clock.now_text()
    rows = []
    for count, share in parts:
        for _ in range(count):
            right = chance.random() < share
            rows.append(
                RatingEvidence(
                    at=now,
                    day=day_number(now),
                    feedback_id=f"fb_{chance.random()}",
                    request_id=f"req_{seed}_{len(rows)}",
                    rater="ada",
                    pattern="math",
                    provider="local",
                    model=model,
                    snapshot_id="",
                    sign=1,
                    quality=5 if right else 2,
                    correct=int(right),
                    cost_nanousd=0,
                    costed=0,
                    latency_ms=0,
                    timed=0,
                    propensity=0.5,
                    weight=512,
                )
            )

    for start in range(0, len(rows), 400):

        async def write(tx, part=rows[start : start + 400]):
            tx.append(*part)

        await system.store.transact(WORKSPACE, write)


FELL = (300, 0.9), (80, 0.3)


async def changes(system):
    found = await system.store.find(WORKSPACE, DRIFT_CHANGES, order=Order("place"), limit=100)
    return found.items


async def group(system, name=MATH):
    return await system.store.get(WORKSPACE, DRIFT_GROUPS, name.id)


async def alerts(system):
    found = await system.store.find(WORKSPACE, ALERTS, order=Order("raised_at"), limit=100)
    return [one for one in found.items if one.rule == "drift"]


def test_a_fall_is_noted_with_its_audit_record_an_alert_and_a_run(tmp_path):
    async def scenario(system):
        await rated(system, 1, *FELL)
        assert await drifting.look(system.deps, WORKSPACE) == 380
        (change,) = await changes(system)
        assert (change.name, change.direction, change.epoch) == (MATH, "fall", 1)
        assert 300 < change.place < 350
        assert change.before.value > 0.85
        assert change.after.value < 0.6
        (alert,) = await alerts(system)
        assert alert.state == "open"
        assert alert.runbook == "docs/operations-runbook.md#drift"
        assert alert.evidence["ratings_after"] == change.after.n
        assert "small on math fell from" in alert.summary
        audit = await system.store.audit_page(WORKSPACE, action="learning.drift_noted")
        assert [one.subject for one in audit.items] == [change.id]
        asked = [one for one in await system.drain() if one.type == "learning.requested"]
        assert {one.data["reason"] for one in asked} == {"drift"}
        assert await drifting.look(system.deps, WORKSPACE) == 0
        assert await system.drain() == []

    play(tmp_path, scenario)


def test_a_rise_is_noted_and_raises_no_alert(tmp_path):
    async def scenario(system):
        await rated(system, 1, (300, 0.4), (150, 0.95))
        await drifting.look(system.deps, WORKSPACE)
        assert [one.direction for one in await changes(system)] == ["rise"]
        assert await alerts(system) == []
        assert (await group(system)).status in ("risen", "stable")

    play(tmp_path, scenario)


@pytest.mark.parametrize("sizes", [[380], [1, 7, 100, 272], [301, 9, 70]])
def test_looks_of_any_size_note_the_same_changes(tmp_path, monkeypatch, sizes):
    async def scenario(system, page):
        await rated(system, 1, *FELL)
        await rated(system, 2, (300, 0.8), model="medium")
        if page is not None:
            monkeypatch.setattr(drifting, "PAGES", 1)
            for end in accumulate(page, initial=0):
                at = (await drifting.head_of(system.deps, WORKSPACE)).read
                monkeypatch.setattr(drifting, "PAGE", max(1, end - at))
                await drifting.look(system.deps, WORKSPACE)
        monkeypatch.undo()
        while await drifting.look(system.deps, WORKSPACE):
            pass
        seen = [one.model_dump(exclude={"noticed_at"}) for one in await changes(system)]
        return seen, (await group(system)).watch, (await group(system)).epoch

    whole = play(tmp_path / "whole", lambda system: scenario(system, None))
    assert play(tmp_path / "parts", lambda system: scenario(system, sizes)) == whole
    assert whole[0]


def test_one_look_reads_so_many_rows_at_most_and_the_next_goes_on(tmp_path, monkeypatch):
    async def scenario(system):
        monkeypatch.setattr(drifting, "PAGES", 2)
        monkeypatch.setattr(drifting, "PAGE", 50)
        await rated(system, 1, (250, 0.9))
        taken = [await drifting.look(system.deps, WORKSPACE) for _ in range(4)]
        assert taken == [100, 100, 50, 0]
        assert (await group(system)).now.n == 250

    play(tmp_path, scenario)


def test_two_that_look_at_once_take_every_row_in_once(tmp_path):
    async def scenario(system):
        await rated(system, 1, *FELL)
        looks = [drifting.look(system.deps, WORKSPACE) for _ in range(3)]
        await asyncio.gather(*looks)
        await drifting.look(system.deps, WORKSPACE)
        found = await group(system)
        (change,) = await changes(system)
        assert found.now.n == 380 - change.place
        assert len(await alerts(system)) == 1

    play(tmp_path, scenario)


def test_an_alert_that_was_not_raised_for_a_crash_is_raised_by_the_next_look(tmp_path):
    async def scenario(system):
        await rated(system, 1, *FELL)
        await drifting.catch_up(system.deps, WORKSPACE)
        assert (await group(system)).unsettled
        assert await alerts(system) == []
        await drifting.look(system.deps, WORKSPACE)
        assert len(await alerts(system)) == 1
        assert not (await group(system)).unsettled

    play(tmp_path, scenario)


def test_the_alert_is_resolved_once_the_model_is_as_good_as_it_was(tmp_path):
    async def scenario(system):
        await rated(system, 1, *FELL)
        await drifting.look(system.deps, WORKSPACE)
        assert (await group(system)).status == "fallen"
        await rated(system, 3, (400, 0.92))
        await drifting.look(system.deps, WORKSPACE)
        assert [one.state for one in await alerts(system)] == ["resolved"]
        assert await system.store.get(WORKSPACE, ALERT_KEYS, "x") is None
        assert (await group(system)).fallen_from is None

    play(tmp_path, scenario)


def test_a_fall_below_the_rules_threshold_is_noted_without_an_alert(tmp_path):
    async def scenario(system):
        caller = Caller(WORKSPACE, "ada", role="admin")
        await set_rule(system, caller, threshold=0.9)
        await rated(system, 1, *FELL)
        await drifting.look(system.deps, WORKSPACE)
        assert len(await changes(system)) == 1
        assert await alerts(system) == []

    play(tmp_path, scenario)


async def set_rule(system, caller, **change):
    body = ChangeRules.model_validate({"rules": [{"rule": "drift", **change}]})
    await monitoring.change_rules(system.deps, caller, body, None)


def test_nothing_is_read_where_it_is_turned_off_or_read_only(tmp_path):
    off = Options(learning=LearningConfig(drift=DriftConfig(false_alarm_rate=0)))

    async def turned_off(system):
        await rated(system, 1, *FELL)
        assert await drifting.look(system.deps, WORKSPACE) == 0

    async def read_only(system):
        await rated(system, 1, *FELL)
        await system.change_settings(read_only=True)
        assert await drifting.look(system.deps, WORKSPACE) == 0

    play(tmp_path / "off", turned_off, options=off)
    play(tmp_path / "read_only", read_only)


def test_a_run_takes_in_what_waits_and_its_snapshot_knows_of_the_change(tmp_path):
    async def scenario(system):
        await rated(system, 1, *FELL)
        await run(system)
        (change,) = await changes(system)
        opened = await open_current(system.deps, WORKSPACE)
        assert opened.snapshot.epochs == {tuple(MATH): 1}
        assert opened.snapshot.changes_watermark == change.place
        (row,) = opened.snapshot.policy.rows
        assert (row.choice, row.ranking[0].tier) == (None, "LOW")
        assert row.ranking[0].n == 380

    play(tmp_path, scenario)


def test_a_decision_says_how_many_changes_of_its_model_were_known(tmp_path):
    async def scenario(system):
        await rated(system, 1, *FELL)
        await run(system)
        caller, seen = Caller(WORKSPACE, "ada", role="admin"), {}
        for model in ("small", "medium"):
            only = [{"provider": "local", "model": model}]
            command = RouteRequest.model_validate(
                {"prompt": "What is 2 + 2?", "pattern": "math", "candidates": only}
            )
            answer = await routing.route(system.deps, caller, command, None)
            decision = await system.store.get(WORKSPACE, ROUTING_DECISIONS, answer.request_id)
            seen[model] = decision.epoch
        assert seen == {"small": 1, "medium": 0}

    play(tmp_path, scenario)


def test_runs_are_asked_for_again_soon_after_a_change(tmp_path):
    async def scenario(system):
        await rated(system, 1, *FELL)
        await drifting.look(system.deps, WORKSPACE)
        (change,) = await changes(system)
        await system.drain()
        asked = []
        for number in range(200):
            await rated(system, 100 + number, (1, 0.3))
            await drifting.look(system.deps, WORKSPACE)
            at = 381 + number - change.place
            asked += [at for one in await system.drain() if one.type == "learning.requested"]
        assert asked == [
            step for step in drifting.LEARN_AGAIN_AFTER if 380 - change.place < step <= at
        ]

    play(tmp_path, scenario)


def test_status_says_where_each_model_stands_in_a_sentence(tmp_path):
    async def scenario(system):
        await rated(system, 1, *FELL)
        await rated(system, 2, (5, 0.9), model="medium")
        await rated(system, 3, (200, 0.95), (10, 0.4), model="large")
        await drifting.look(system.deps, WORKSPACE)
        caller = Caller(WORKSPACE, "ada", role="viewer")
        page = await drift_status.drift(system.deps, caller, DriftPage())
        told = {one.model: (one.status, one.words) for one in page.items}
        assert [told[name][0] for name in ("small", "medium", "large")] == [
            "fallen",
            "new",
            "unproven",
        ]
        assert "has not recovered" in told["small"][1]
        assert "not proven" in told["large"][1]
        only = await drift_status.drift(system.deps, caller, DriftPage(status="fallen"))
        assert [one.model for one in only.items] == ["small"]
        noted = await drift_status.changes(system.deps, caller, PageParams())
        (change,) = noted.items
        assert change.words.startswith("local/small on math fell from a score of 9")
        assert change.change_id == (await changes(system))[0].id

    play(tmp_path, scenario)


def test_a_store_that_does_not_answer_leaves_all_for_the_next_look(tmp_path, monkeypatch):
    async def scenario(system):
        await rated(system, 1, *FELL)

        async def down(*_):
            raise Unavailable("the store is away")

        with monkeypatch.context() as patch:
            patch.setattr(type(system.deps.evidence_log), "rows", down)
            with pytest.raises(Unavailable):
                await drifting.look(system.deps, WORKSPACE)
        assert await drifting.look(system.deps, WORKSPACE) == 380

    play(tmp_path, scenario)
