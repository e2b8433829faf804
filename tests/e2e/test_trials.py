"""Canaries and experiments over HTTP: shared out, rated, judged by the check, told."""

import pytest

from functions.feedback.main import app as feedback
from functions.monitor.main import app as monitor
from functions.retrain.main import app as retrain
from functions.serve.main import app as serve
from shared.domain.learning.config import LearningConfig
from shared.services.deps import Options
from tests.e2e.test_learning_loop import PROMPT, rate_requests
from tests.support.exporting import make_workspaces
from tests.support.system import WORKSPACE, play

pytestmark = pytest.mark.e2e

CURIOUS = Options(learning=LearningConfig(exploration_rate=0.5))


async def rated(system, serving, rating, count, right):
    """Routes and rates requests of as many sessions."""
    for n in range(count):
        asked = {"prompt": PROMPT, "session_id": f"s{n}"}
        routed = (await serving.post("/v1/route", json=asked)).json()
        good = routed["model"] == right
        body = {"request_id": routed["request_id"], "is_correct": good}
        body["quality_score"] = 5 if good else 1
        assert (await rating.post("/v1/feedback", json=body)).status_code == 201


async def clients(system):
    await make_workspaces(system.store, (WORKSPACE,))
    return (
        await system.client(serve, scopes=("serve",)),
        await system.client(feedback, scopes=("feedback",)),
        await system.client(retrain, role="admin"),
        await system.client(monitor, role="system"),
    )


async def canary(system, serving, rating, learning):
    """Teaches that medium is right, and has that tried on two fifths of the traffic."""
    await system.change_settings(canary_share=0.4, canary_min_hours=0)
    await rate_requests(system, serving, rating, 60)
    done = (await learning.post("/v1/learning/runs", json={})).json()
    system.clock.advance(5)
    status = (await learning.get("/v1/learning/canary")).json()
    assert status["running"]["arms"][1]["snapshot_id"] == done["snapshot_id"]
    return done["snapshot_id"]


def test_what_was_learned_is_tried_and_then_served_to_all(tmp_path):
    async def scenario(system):
        serving, rating, learning, checking = await clients(system)
        candidate = await canary(system, serving, rating, learning)
        await rated(system, serving, rating, 120, "medium")
        assert (await checking.post("/jobs/check")).status_code == 200
        last = (await learning.get("/v1/learning/canary")).json()["last"]
        assert (last["state"], last["receipt"]["candidate_id"]) == ("promoted", candidate)
        assert (await learning.get("/v1/learning/status")).json()["current_id"] == candidate
        system.clock.advance(3)
        policy = (await serving.get("/v1/routing/policy")).json()
        assert policy["snapshot_id"] == candidate

    play(tmp_path, scenario, options=CURIOUS)


def test_what_turns_out_worse_is_taken_back_quarantined_and_told(tmp_path):
    async def scenario(system):
        serving, rating, learning, checking = await clients(system)
        candidate = await canary(system, serving, rating, learning)
        await rated(system, serving, rating, 120, "small")
        await checking.post("/jobs/check")
        last = (await learning.get("/v1/learning/canary")).json()["last"]
        assert (last["state"], last["receipt"]["quarantined"]) == ("reverted", True)
        assert (await learning.get("/v1/learning/status")).json()["current_id"] is None
        wanted = {"snapshot_id": candidate, "reason": "I want it"}
        answer = await learning.post("/v1/learning/rollback", json=wanted)
        assert answer.status_code == 409
        told = [one for one in await system.drain() if one.type == "alert.raised"]
        assert "canary_reverted" in [one.data["rule"] for one in told]

    play(tmp_path, scenario, options=CURIOUS)


def test_an_experiment_finds_the_better_model(tmp_path):
    async def scenario(system):
        serving, rating, learning, checking = await clients(system)
        arms = [
            {"name": "small", "share": 0.5, "provider": "local", "model": "small"},
            {"name": "large", "share": 0.5, "provider": "other", "model": "large"},
        ]
        body = {"name": "small or large", "arms": arms, "metric": "value"}
        begun = (await learning.post("/v1/experiments", json=body)).json()
        again = await learning.post("/v1/experiments", json=body)
        assert (again.status_code, again.headers["content-type"]) == (
            409,
            "application/problem+json",
        )
        await rated(system, serving, rating, 80, "large")
        await checking.post("/jobs/check")
        path = f"/v1/experiments/{begun['trial_id']}"
        seen = (await learning.get(path)).json()
        assert seen["words"].startswith("large is better than small")
        assert seen["findings"][0]["low"] > 0
        done = await learning.post(f"{path}/stop", json={"reason": "large it is"})
        assert done.json()["state"] == "stopped"

    play(tmp_path, scenario, options=CURIOUS)
