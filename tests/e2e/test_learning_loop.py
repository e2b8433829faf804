"""Ratings over HTTP become a policy that serving uses: the loop's right half, event by event."""

import pytest

from functions.feedback.main import app as feedback
from functions.retrain.main import app as retrain
from functions.serve.main import app as serve
from shared.domain.learning.config import LearningConfig
from shared.services.deps import Options
from shared.services.requesting import LOOK_EVERY_S
from tests.support.system import play

pytestmark = pytest.mark.e2e

PROMPT = "Write a Python function that returns the n-th Fibonacci number."


async def clients(system):
    system.attach(retrain)
    return (
        await system.client(serve, scopes=("serve",)),
        await system.client(feedback, scopes=("feedback",)),
        await system.client(retrain, role="admin"),
    )


async def rate_requests(system, serving, rating, count, right="medium"):
    """Routes and rates requests; the users only like what `right` answers."""
    for _ in range(count):
        routed = (await serving.post("/v1/route", json={"prompt": PROMPT})).json()
        good = routed["model"] == right
        body = {
            "request_id": routed["request_id"],
            "quality_score": 5 if good else 1,
            "is_correct": good,
        }
        answer = await rating.post("/v1/feedback", json=body)
        assert answer.status_code == 201, answer.text


def test_enough_ratings_teach_the_router_without_anyone_asking(tmp_path):
    async def scenario(system):
        serving, rating, learning = await clients(system)
        await system.change_settings(runs_after_feedback=101)
        await rate_requests(system, serving, rating, 100)
        await system.drain()
        system.clock.advance(LOOK_EVERY_S)
        await rate_requests(system, serving, rating, 1)
        told = [one.type for one in await system.drain()]
        assert told.count("learning.requested") == told.count("learning.completed") == 1
        status = (await learning.get("/v1/learning/status")).json()
        assert status["last_run"]["trigger"] == "evidence"
        assert status["ratings_waiting"] == 0
        [change] = status["last_run"]["changes_preview"]
        assert change["new"] == {"provider": "local", "model": "medium"}
        system.clock.advance(5)
        routed = [
            (await serving.post("/v1/route", json={"prompt": PROMPT})).json() for _ in range(40)
        ]
        chosen = [one["model"] for one in routed if not one["explored"]]
        assert set(chosen) == {"medium"}
        assert {one["snapshot_id"] for one in routed} == {status["current_id"]}

    curious = Options(learning=LearningConfig(exploration_rate=0.5))
    play(tmp_path, scenario, options=curious)


def test_requests_that_state_their_pattern_teach_which_pattern_others_are_of(tmp_path):
    async def scenario(system):
        serving, _, learning = await clients(system)
        topics = {
            "refunds": "refund charged invoice twice card",
            "roaming": "abroad network signal sim trip",
        }
        for number in range(100):
            for pattern, words in topics.items():
                body = {"prompt": f"{words} customer{number % 9}", "pattern": pattern}
                assert (await serving.post("/v1/route", json=body)).status_code == 200
        told = {"prompt": "charged twice for a card refund, no invoice"}
        assert (await serving.post("/v1/route", json=told)).json()["pattern"] not in topics
        run = (await learning.post("/v1/learning/runs", json={})).json()
        await system.drain()
        said = (await learning.get("/v1/insights")).json()["insights"]["key_insights"]
        assert any("refunds, roaming" in one for one in said), run
        system.clock.advance(5)
        assert (await serving.post("/v1/route", json=told)).json()["pattern"] == "refunds"
        other = {"prompt": "Translate this to French: hello"}
        assert (await serving.post("/v1/route", json=other)).json()["pattern"] == "translation"

    play(tmp_path, scenario)


def test_the_tenth_conversation_and_the_schedule_ask_for_runs(tmp_path):
    async def scenario(system):
        serving, rating, learning = await clients(system)
        await rate_requests(system, serving, rating, 3)
        for _ in range(10):
            await rating.post("/v1/conversations/completed", json={})
        await system.drain()
        [run] = (await learning.get("/v1/learning/runs")).json()["items"]
        assert (run["trigger"], run["status"], run["ratings_read"]) == (
            "conversations",
            "succeeded",
            3,
        )

    play(tmp_path, scenario)


def test_every_change_is_in_a_chain_that_holds(tmp_path):
    async def scenario(system):
        serving, rating, learning = await clients(system)
        await rate_requests(system, serving, rating, 20)
        first = (await learning.post("/v1/learning/runs")).json()
        await rate_requests(system, serving, rating, 5)
        await learning.post("/v1/learning/runs")
        body = {"snapshot_id": first["snapshot_id"], "reason": "a test"}
        assert (await learning.post("/v1/learning/rollback", json=body)).status_code == 200
        chain = await system.store.audit_chain("default", 0, 1000)
        actions = [one.action for one in chain]
        assert actions.count("feedback.recorded") == 25
        assert actions.count("learning.run_succeeded") == 2
        assert actions[-1] == "learning.rolled_back"

    play(tmp_path, scenario)
