"""Requests shared out between the arms of a trial, and the probability that is logged for it."""

from collections import Counter, defaultdict

import pytest

from shared.domain.learning.runs import LEARNING_HEADS
from shared.domain.learning.trials import ActiveTrial, Arm
from shared.services.snapshots import head_of
from tests.support.serving import (
    LARGE,
    MEDIUM,
    SMALL,
    decision_of,
    make_current,
    snapshot,
    store_snapshot,
)
from tests.support.system import WORKSPACE, play
from tests.unit.services.serving.test_routing import ask, candidates, options

A, B = "current", "candidate"


async def tried(system, arms, kind="experiment", workspace=WORKSPACE):
    """Has a trial with these arms run."""
    head = await head_of(system.deps, workspace)
    active = ActiveTrial(id="exp_1", kind=kind, key="a key", arms=tuple(arms))

    async def write(tx):
        tx.put(LEARNING_HEADS, head.model_copy(update={"trial": active}))

    await system.store.transact(workspace, write)
    system.clock.advance(3)


async def canary(system, share=0.25):
    """Has MEDIUM be current for code and LARGE be tried."""
    current = await make_current(system, snapshot({"code": [MEDIUM]}))
    candidate = await store_snapshot(system, snapshot({"code": [LARGE]}))
    arms = [
        Arm(name=A, share=1 - share, snapshot_id=current),
        Arm(name=B, share=share, snapshot_id=candidate),
    ]
    await tried(system, arms, "canary")
    return current, candidate


async def decided(system, **more):
    return await decision_of(system, (await ask(system, **more)).request_id)


def test_a_share_of_the_sessions_is_served_by_the_candidate_and_says_so(tmp_path):
    async def scenario(system):
        current, candidate = await canary(system)
        found = [await decided(system, session_id=f"s{n}") for n in range(300)]
        arms = Counter(one.arm for one in found)
        assert arms.keys() == {A, B}
        assert 45 <= arms[B] <= 105
        for one in found:
            model, name = (MEDIUM, current) if one.arm == A else (LARGE, candidate)
            assert (one.provider, one.model) == model
            assert (one.trial, one.snapshot_id) == ("exp_1", name)

    play(tmp_path, scenario, options=options())


def test_a_session_stays_in_its_arm_and_requests_without_one_do_not(tmp_path):
    async def scenario(system):
        await canary(system, 0.5)
        arms = defaultdict(set)
        for n in range(60):
            arms[n % 6].add((await decided(system, session_id=f"s{n % 6}")).arm)
        assert all(len(one) == 1 for one in arms.values())
        alone = {(await decided(system)).arm for _ in range(30)}
        assert alone == {A, B}

    play(tmp_path, scenario, options=options())


def test_the_propensity_is_that_over_both_arms(tmp_path):
    async def scenario(system):
        await canary(system, 0.25)
        seen = {}
        for n in range(200):
            one = await decided(system, session_id=f"s{n}")
            seen.setdefault((one.provider, one.model), set()).add(round(one.propensity, 9))
        # Without evidence a draw takes each of the three models alike, whichever arm draws.
        third = 0.3 / 3
        assert seen[MEDIUM] == {round(0.75 * 0.7 + third, 9)}
        assert seen[LARGE] == {round(0.25 * 0.7 + third, 9)}
        assert seen[SMALL] == {round(third, 9)}

    play(tmp_path, scenario, options=options(exploration_rate=0.3))


def test_weighing_by_the_propensity_finds_each_models_share_of_a_uniform_policy(tmp_path):
    async def scenario(system):
        await canary(system, 0.25)
        weights = Counter()
        for n in range(600):
            one = await decided(system, session_id=f"s{n}")
            weights[one.model] += 1 / one.propensity / 600
        assert weights["medium"] == pytest.approx(1, abs=0.1)
        assert weights["large"] == pytest.approx(1, abs=0.25)

    play(tmp_path, scenario, options=options())


def test_critical_requests_take_part_in_nothing(tmp_path):
    async def scenario(system):
        current, _ = await canary(system, 0.9)
        found = [await decided(system, session_id=f"s{n}", critical=True) for n in range(20)]
        assert {(one.arm, one.trial, one.snapshot_id) for one in found} == {(None, None, current)}
        assert {one.propensity for one in found} == {1.0}

    play(tmp_path, scenario, options=options())


MODELS = [
    Arm(name="small", share=0.5, provider=SMALL.provider, model=SMALL.model),
    Arm(name="large", share=0.3, provider=LARGE.provider, model=LARGE.model),
]


def test_an_arm_of_a_model_sends_everything_there_and_the_rest_is_served_as_ever(tmp_path):
    async def scenario(system):
        current = await make_current(system, snapshot({"code": [MEDIUM]}))
        await tried(system, MODELS)
        found = [await decided(system, session_id=f"s{n}") for n in range(150)]
        by_arm = {one.arm: (one.model, one.snapshot_id, one.propensity) for one in found}
        assert by_arm == {
            "small": ("small", None, 0.5),
            "large": ("large", None, 0.3),
            None: ("medium", current, pytest.approx(0.2)),
        }

    play(tmp_path, scenario, options=options())


def test_who_may_not_go_to_every_arms_model_takes_part_in_no_arm(tmp_path):
    async def scenario(system):
        await make_current(system, snapshot({"code": [MEDIUM]}))
        await tried(system, MODELS)
        for n in range(20):
            one = await decided(system, session_id=f"s{n}", candidates=candidates(SMALL, MEDIUM))
            assert (one.arm, one.model, one.propensity) == (None, "medium", 1.0)

    play(tmp_path, scenario, options=options())


def test_a_candidate_that_cannot_be_read_is_served_to_nobody(tmp_path, caplog):
    async def scenario(system):
        current = await make_current(system, snapshot({"code": [MEDIUM]}))
        arms = [
            Arm(name=A, share=0.5, snapshot_id=current),
            Arm(name=B, share=0.5, snapshot_id="snap_gone"),
        ]
        await tried(system, arms, "canary")
        found = [await decided(system, session_id=f"s{n}") for n in range(10)]
        assert {(one.arm, one.model) for one in found} == {(None, "medium")}
        assert "trial.unreadable" in caplog.text

    play(tmp_path, scenario, options=options())


def test_serving_sees_the_end_of_a_trial_within_two_seconds(tmp_path):
    async def scenario(system):
        await canary(system, 0.5)
        assert (await decided(system)).trial == "exp_1"
        head = await head_of(system.deps, WORKSPACE)

        async def write(tx):
            tx.put(LEARNING_HEADS, head.model_copy(update={"trial": None}))

        await system.store.transact(WORKSPACE, write)
        system.clock.advance(2.1)
        assert (await decided(system)).trial is None

    play(tmp_path, scenario, options=options())


def test_the_default_policy_can_be_an_arm(tmp_path):
    async def scenario(system):
        candidate = await store_snapshot(system, snapshot({"code": [LARGE]}))
        arms = [Arm(name=A, share=0.5), Arm(name=B, share=0.5, snapshot_id=candidate)]
        await tried(system, arms, "canary")
        found = {
            (one.arm, one.snapshot_id, one.model)
            for one in [await decided(system, session_id=f"s{n}") for n in range(30)]
        }
        assert found == {(A, None, "small"), (B, candidate, "large")}

    play(tmp_path, scenario, options=options())
