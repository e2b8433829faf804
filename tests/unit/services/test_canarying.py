import asyncio

import pytest

from shared.domain.learning.runs import RUNS, SNAPSHOTS
from shared.domain.learning.trials import TRIALS
from shared.domain.operations import ALERTS
from shared.errors import Conflict, NotFound, Unavailable
from shared.messages.base import PageParams
from shared.messages.trials import EndCanary, LiftQuarantine, RevertCanary
from shared.services import canarying, learning_status
from shared.services.watching_trials import look
from tests.support.learning import ADMIN, evidence, head, run
from tests.support.system import WORKSPACE, caller, play
from tests.unit.services.test_leasing import OURSELVES
from tests.unit.services.test_rolling_back import back

LATER = 2 * 3600


async def begun(system, share=0.2):
    """Has a first snapshot be current and a second one be tried; returns both and the canary."""
    await evidence(system, 30)
    first = (await run(system)).snapshot_id
    await system.change_settings(canary_share=share)
    await evidence(system, 30, model="medium", cost_nanousd=1)
    system.clock.advance(60)
    done = await run(system)
    assert done.status == "succeeded"
    trial = (await head(system)).trial
    return first, done.snapshot_id, trial.id


async def rated(system, trial_id, *, current=(5, 5, 4), candidate=(5, 5, 4), n=60):
    for arm, qualities in (("current", current), ("candidate", candidate)):
        for quality in qualities:
            await evidence(system, n, quality=quality, arm=f"{trial_id}/{arm}")
    system.clock.advance(LATER)


async def ended(system, trial_id):
    return await system.store.get(WORKSPACE, TRIALS, trial_id)


async def alerts(system):
    found = (await system.store.find(WORKSPACE, ALERTS)).items
    return [(one.rule, one.severity, one.state) for one in found]


def test_without_a_share_a_run_is_current_at_once(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        done = await run(system)
        assert ((await head(system)).current_id, (await head(system)).trial) == (
            done.snapshot_id,
            None,
        )

    play(tmp_path, scenario)


def test_a_run_begins_a_canary_and_what_was_current_stays(tmp_path):
    async def scenario(system):
        first, second, trial_id = await begun(system)
        now = await head(system)
        assert (now.current_id, now.tip_id, now.lease_run_id) == (first, second, None)
        assert [(one.name, one.share, one.snapshot_id) for one in now.trial.arms] == [
            ("current", 0.8, first),
            ("candidate", 0.2, second),
        ]
        status = await canarying.status(system.deps, ADMIN)
        assert (status.running.trial_id, status.last) == (trial_id, None)
        told = [one.type for one in await system.drain()]
        assert told[-1] == "canary.started"
        [record] = (await system.store.audit_page(WORKSPACE, action="canary.started")).items
        assert record.subject == trial_id

    play(tmp_path, scenario)


def test_a_candidate_that_holds_up_is_promoted_with_a_receipt(tmp_path):
    async def scenario(system):
        first, second, trial_id = await begun(system)
        await rated(system, trial_id)
        await look(system.deps, WORKSPACE)
        now = await head(system)
        assert (now.current_id, now.previous_id, now.trial) == (second, first, None)
        trial = await ended(system, trial_id)
        assert (trial.state, trial.ended_by) == ("promoted", "system:trials")
        assert trial.receipt["candidate_id"] == second
        assert trial.receipt["current_id"] == first
        assert trial.receipt["ratings_upto"] == 420
        assert trial.receipt["evidence_of_safety"] >= 20
        [record] = (await system.store.audit_page(WORKSPACE, action="canary.promoted")).items
        assert record.data["receipt"] == trial.receipt
        [told] = [one for one in await system.drain() if one.type == "canary.ended"]
        assert told.data["outcome"] == "promoted"
        assert await alerts(system) == []

    play(tmp_path, scenario)


def test_a_real_fall_is_reverted_quarantined_and_told(tmp_path):
    async def scenario(system):
        first, second, trial_id = await begun(system)
        await rated(system, trial_id, candidate=(2, 3, 4))
        await look(system.deps, WORKSPACE)
        now = await head(system)
        assert (now.current_id, now.trial, now.tip_id) == (first, None, second)
        trial = await ended(system, trial_id)
        assert (trial.state, trial.receipt["quarantined"]) == ("reverted", True)
        assert "a real fall of more than 10%" in trial.outcome
        assert await alerts(system) == [("canary_reverted", "critical", "open")]
        info = await system.store.get(WORKSPACE, SNAPSHOTS, second)
        kept = info.quarantine
        assert (kept.trial_id, kept.why, kept.receipt) == (trial_id, trial.outcome, trial.receipt)
        assert kept.since == trial.ended_at
        shown = (await learning_status.snapshots(system.deps, ADMIN, PageParams())).items
        assert {one.snapshot_id: one.quarantine for one in shown} == {first: None, second: kept}

    play(tmp_path, scenario)


async def quarantined(system):
    first, second, trial_id = await begun(system)
    await rated(system, trial_id, candidate=(2, 3, 4))
    await look(system.deps, WORKSPACE)
    return first, second


def test_what_is_in_quarantine_never_becomes_current_by_rollback(tmp_path):
    async def scenario(system):
        first, second = await quarantined(system)
        with pytest.raises(Conflict, match="in quarantine"):
            await back(system, second)
        assert (await head(system)).current_id == first

    play(tmp_path, scenario)


def test_a_run_that_leads_to_what_is_in_quarantine_is_blocked_and_says_so(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        first = (await run(system)).snapshot_id
        await system.change_settings(canary_share=0.2)
        await evidence(system, 30, model="medium", cost_nanousd=1)
        second = (await run(system)).snapshot_id
        await canarying.revert(system.deps, ADMIN, RevertCanary(reason="no", quarantine=True), None)
        again = await run(system)
        assert (again.status, again.snapshot_id) == ("blocked", second)
        assert "in quarantine" in again.blocked_by[0]
        now = await head(system)
        assert (now.current_id, now.lease_run_id, now.trial) == (first, None, None)
        await lifted(system, second)
        assert (await run(system)).status == "succeeded"
        assert (await head(system)).trial is not None

    play(tmp_path, scenario)


async def lifted(system, snapshot_id, who=ADMIN):
    command = LiftQuarantine(reason="one broken client")
    return await canarying.lift_quarantine(system.deps, who, snapshot_id, command, None)


def test_a_person_lifts_the_quarantine_with_a_reason(tmp_path):
    async def scenario(system):
        _, second = await quarantined(system)
        await lifted(system, second)
        assert (await back(system, second)).snapshot_id == second
        assert await alerts(system) == [("canary_reverted", "critical", "resolved")]
        [record] = (
            await system.store.audit_page(WORKSPACE, action="learning.quarantine_lifted")
        ).items
        assert record.data["reason"] == "one broken client"
        with pytest.raises(Conflict):
            await lifted(system, second)
        with pytest.raises(NotFound):
            await lifted(system, second, caller("eve", role="admin", workspace="other"))

    play(tmp_path, scenario)


def test_too_few_ratings_decide_nothing_until_the_time_is_up(tmp_path):
    async def scenario(system):
        first, _, trial_id = await begun(system)
        await rated(system, trial_id, n=2)
        await look(system.deps, WORKSPACE)
        assert (await head(system)).trial.id == trial_id
        status = await canarying.status(system.deps, ADMIN)
        assert "6 of at least 30 ratings" in status.running.words
        assert status.running.findings[0].n == 6
        system.clock.advance(15 * 86_400)
        await look(system.deps, WORKSPACE)
        trial = await ended(system, trial_id)
        assert (trial.state, (await head(system)).current_id) == ("undecided", first)
        assert "Its time was up" in trial.outcome

    play(tmp_path, scenario)


def test_ratings_are_read_once_however_often_one_looks(tmp_path):
    async def scenario(system):
        _, _, trial_id = await begun(system)
        for n in (1, 2, 3):
            await rated(system, trial_id, n=1)
            await look(system.deps, WORKSPACE)
            counts = (await ended(system, trial_id)).counts
            assert counts["candidate"].ratings == {"4:1": n, "5:1": 2 * n}

    play(tmp_path, scenario)


def test_a_run_waits_for_the_canary_and_a_dry_run_does_not(tmp_path):
    async def scenario(system):
        _, second, trial_id = await begun(system)
        for who in (ADMIN, OURSELVES):
            blocked = await run(system, who=who)
            assert blocked.status == "blocked"
            assert f"Canary {trial_id} tries snapshot {second}" in blocked.blocked_by[0]
        assert (await run(system, dry_run=True)).status == "succeeded"

    play(tmp_path, scenario)


def test_before_a_run_the_canary_is_judged(tmp_path):
    async def scenario(system):
        _, second, trial_id = await begun(system)
        await rated(system, trial_id)
        assert (await run(system, who=OURSELVES)).status == "succeeded"
        now = await head(system)
        assert (now.current_id, (await ended(system, trial_id)).state) == (second, "promoted")
        assert now.trial is not None

    play(tmp_path, scenario)


def test_a_person_promotes_whatever_the_evidence_says(tmp_path):
    async def scenario(system):
        _, second, trial_id = await begun(system)
        done = await canarying.promote(system.deps, ADMIN, EndCanary(reason="urgent"), None)
        assert (done.state, done.ended_by) == ("promoted", "ada")
        assert done.outcome == "Promoted by ada: urgent"
        assert "0 of at least 30" in done.receipt["seen"]
        assert (await head(system)).current_id == second
        with pytest.raises(Conflict, match="no canary is under way"):
            await canarying.promote(system.deps, ADMIN, EndCanary(reason="again"), None)
        status = await canarying.status(system.deps, ADMIN)
        assert (status.running, status.last.trial_id) == (None, trial_id)

    play(tmp_path, scenario)


def test_a_person_reverts_without_quarantine_unless_asked(tmp_path):
    async def scenario(system):
        first, second, _ = await begun(system)
        await canarying.revert(system.deps, ADMIN, RevertCanary(reason="too long"), None)
        assert (await head(system)).current_id == first
        assert (await system.store.get(WORKSPACE, SNAPSHOTS, second)).quarantine is None
        assert (await back(system, second)).snapshot_id == second

    play(tmp_path, scenario)


def test_a_rollback_ends_the_canary(tmp_path):
    async def scenario(system):
        await evidence(system, 5, pattern="math")
        zero = (await run(system)).snapshot_id
        first, _, trial_id = await begun(system)
        await back(system, zero)
        now = await head(system)
        assert (now.current_id, now.previous_id, now.trial) == (zero, first, None)
        trial = await ended(system, trial_id)
        assert (trial.state, trial.ended_by) == ("reverted", "ada")
        assert "rolled back" in trial.outcome

    play(tmp_path, scenario)


def test_promoting_and_rolling_back_at_once_leave_one_winner(tmp_path):
    async def scenario(system):
        await evidence(system, 5, pattern="math")
        zero = (await run(system)).snapshot_id
        _, second, trial_id = await begun(system)
        results = await asyncio.gather(
            canarying.promote(system.deps, ADMIN, EndCanary(reason="go"), None),
            canarying.revert(system.deps, ADMIN, RevertCanary(reason="stop"), None),
            back(system, zero),
            return_exceptions=True,
        )
        now, trial = await head(system), await ended(system, trial_id)
        assert now.trial is None
        assert sum(isinstance(one, Conflict) for one in results) >= 1
        assert now.current_id == zero
        assert now.previous_id in {second, trial.receipt["arms"][0]["snapshot_id"]}
        actions = [
            one.action for one in (await system.store.audit_page(WORKSPACE, subject=trial_id)).items
        ]
        assert len(actions) == 2

    play(tmp_path, scenario)


def test_a_promotion_that_fails_half_way_has_changed_nothing(tmp_path, monkeypatch):
    async def scenario(system):
        first, _, trial_id = await begun(system)
        await rated(system, trial_id)
        before = await head(system), await ended(system, trial_id)

        def broken(*_args, **_more):
            raise Unavailable("the process died before the last write")

        with monkeypatch.context() as patched:
            patched.setattr("shared.services.trying.event", broken)
            with pytest.raises(Unavailable):
                await look(system.deps, WORKSPACE)
        assert (await head(system), await ended(system, trial_id)) == before
        assert before[0].current_id == first
        await look(system.deps, WORKSPACE)
        assert (await ended(system, trial_id)).state == "promoted"

    play(tmp_path, scenario)


def test_a_damaged_candidate_is_not_promoted(tmp_path):
    async def scenario(system):
        first, second, trial_id = await begun(system)
        await rated(system, trial_id)
        info = await system.store.get(WORKSPACE, SNAPSHOTS, second)
        await system.deps.blobs.put(info.blob_key, b"{}", if_generation=None)
        await look(system.deps, WORKSPACE)
        now = await head(system)
        assert (now.current_id, now.trial.id) == (first, trial_id)

    play(tmp_path, scenario)


def test_nothing_is_promoted_where_learning_is_stopped_or_nothing_may_be_written(tmp_path):
    async def scenario(system):
        first, _, trial_id = await begun(system)
        await rated(system, trial_id)
        for switch in ("learning_stopped", "read_only"):
            await system.change_settings(**{switch: True})
            await look(system.deps, WORKSPACE)
            assert (await head(system)).current_id == first
            await system.change_settings(**{switch: False})
        await look(system.deps, WORKSPACE)
        assert (await ended(system, trial_id)).state == "promoted"

    play(tmp_path, scenario)


def test_a_canary_of_another_workspace_cannot_be_touched(tmp_path):
    async def scenario(system):
        _, _, trial_id = await begun(system)
        eve = caller("eve", role="admin", workspace="other")
        assert (await canarying.status(system.deps, eve)).running is None
        with pytest.raises(Conflict):
            await canarying.promote(system.deps, eve, EndCanary(reason="mine"), None)
        await look(system.deps, "other")
        assert (await ended(system, trial_id)).state == "running"

    play(tmp_path, scenario)


def test_a_run_that_changes_nothing_begins_no_canary(tmp_path):
    async def scenario(system):
        await evidence(system, 30)
        first = (await run(system)).snapshot_id
        await system.change_settings(canary_share=0.2)
        done = await run(system)
        assert (done.snapshot_id, (await head(system)).trial) == (first, None)
        assert (await system.store.get(WORKSPACE, RUNS, done.run_id)).status == "succeeded"

    play(tmp_path, scenario)
