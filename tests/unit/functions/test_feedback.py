"""The feedback function over HTTP: every route as the API promises it."""

import asyncio

import pytest

from functions.feedback import main as feedback_main
from functions.feedback.main import app
from tests.support.learning import recommended, routed, rows
from tests.support.system import play

RATING = {"request_id": "req_1", "quality_score": 5, "is_correct": True}
OUTCOME = {"workflow_id": "wf-1", "overall_quality_score": 80, "recommendations": []}

ROUTES = [
    ("POST", "/v1/feedback", RATING),
    ("POST", "/v1/outcomes", OUTCOME),
    ("POST", "/v1/conversations/completed", {}),
    ("GET", "/v1/feedback/summary", None),
    ("GET", "/v1/raters", None),
    ("POST", "/v1/raters/nobody/set-aside", {"reason": "a script"}),
    ("POST", "/v1/raters/nobody/put-back", {"reason": "no script"}),
]
NO_RATINGS = {
    "ratings": 0,
    "mean_quality": None,
    "correctness": None,
    "mean_cost_usd": None,
    "by_model": [],
    "by_pattern": [],
}


async def statuses(client):
    """Returns the status of each route."""
    return [
        (await client.request(method, path, json=body)).status_code for method, path, body in ROUTES
    ]


def test_every_route_is_shut_without_a_credential_or_the_scope(tmp_path):
    async def scenario(system):
        await routed(system)
        nobody = await system.client(app)
        assert await statuses(nobody) == [401] * 7
        stranger = await system.client(app, scopes=("submit", "review", "serve"))
        assert await statuses(stranger) == [403] * 7
        ourselves = await system.client(app, role="system")
        assert await statuses(ourselves) == [403] * 7
        answer = await nobody.post("/v1/feedback", json=RATING)
        assert answer.headers["content-type"] == "application/problem+json"
        assert rows(system, "SELECT * FROM evidence_ratings") == []

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("credential", "expected"),
    [
        ({"scopes": ("feedback",)}, [201, 201, 200, 200, 403, 403, 403]),
        ({"scopes": ("monitor",)}, [403, 403, 403, 200, 403, 403, 403]),
        ({"scopes": ("admin",)}, [201, 201, 200, 200, 200, 404, 404]),
        ({"role": "viewer"}, [201, 403, 200, 200, 403, 403, 403]),
        ({"role": "reviewer"}, [201, 201, 200, 200, 403, 403, 403]),
        ({"role": "admin"}, [201, 201, 200, 200, 200, 404, 404]),
    ],
)
def test_who_may_do_what(tmp_path, credential, expected):
    async def scenario(system):
        await routed(system)
        await recommended(system)
        assert await statuses(await system.client(app, **credential)) == expected

    play(tmp_path, scenario)


def test_another_workspace_neither_rates_nor_sees_it(tmp_path):
    async def scenario(system):
        await routed(system)
        recommendation_id = await recommended(system)
        ours = await system.client(app, scopes=("feedback",))
        assert (await ours.post("/v1/feedback", json=RATING)).status_code == 201
        for credential in ({"scopes": ("admin",)}, {"role": "admin"}):
            theirs = await system.client(app, workspace="other", **credential)
            assert (await theirs.post("/v1/feedback", json=RATING)).status_code == 404
            settled = [{"recommendation_id": recommendation_id, "status": "approved"}]
            answer = await theirs.post("/v1/outcomes", json={**OUTCOME, "recommendations": settled})
            assert answer.status_code == 422
            assert (await theirs.get("/v1/feedback/summary")).json() == NO_RATINGS
        await theirs.post("/v1/conversations/completed", json={"count": 7})
        answer = await ours.post("/v1/conversations/completed", json={"count": 1})
        assert answer.json()["completed"] == 1

    play(tmp_path, scenario)


def test_a_rating_counts_in_the_summary(tmp_path):
    async def scenario(system):
        await routed(system)
        http = await system.client(app, role="viewer")
        answer = await http.post("/v1/feedback", json=RATING)
        assert answer.status_code == 201
        feedback_id = answer.json()["feedback_id"]
        assert answer.json() == {
            "feedback_id": feedback_id,
            "status": "recorded",
            "replaced": False,
            "counted": True,
            "reason": None,
        }
        again = await http.post("/v1/feedback", json={**RATING, "quality_score": 3})
        assert again.json()["replaced"]
        figures = {
            "ratings": 1,
            "mean_quality": 3.0,
            "correctness": 1.0,
            "mean_cost_usd": 0.002,
        }
        assert (await http.get("/v1/feedback/summary")).json() == {
            **figures,
            "by_model": [{**figures, "provider": "local", "model": "small"}],
            "by_pattern": [{**figures, "pattern": "code"}],
        }

    play(tmp_path, scenario)


def test_a_request_that_nobody_answered_conflicts(tmp_path):
    async def scenario(system):
        await routed(system, failed=True)
        http = await system.client(app, scopes=("feedback",))
        answer = await http.post("/v1/feedback", json=RATING)
        assert answer.status_code == 409
        assert "req_1" in answer.json()["detail"]

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/feedback", {**RATING, "quality_score": 0}, "/quality_score"),
        ("/v1/feedback", {**RATING, "quality_score": 6}, "/quality_score"),
        ("/v1/feedback", {**RATING, "quality_score": 4.5}, "/quality_score"),
        ("/v1/feedback", {**RATING, "quality_score": "5"}, "/quality_score"),
        ("/v1/feedback", {**RATING, "quality_score": True}, "/quality_score"),
        ("/v1/feedback", {**RATING, "is_correct": 1}, "/is_correct"),
        ("/v1/feedback", {**RATING, "is_correct": None}, "/is_correct"),
        ("/v1/feedback", {**RATING, "is_helpful": "yes"}, "/is_helpful"),
        ("/v1/feedback", {**RATING, "comment": "x" * 4001}, "/comment"),
        ("/v1/feedback", {**RATING, "user_id": ""}, "/user_id"),
        ("/v1/feedback", {**RATING, "request_id": "a\x00"}, "/request_id"),
        ("/v1/feedback", {**RATING, "model": "large"}, "/model"),
        ("/v1/feedback", {"quality_score": 5, "is_correct": True}, "/request_id"),
        ("/v1/outcomes", {**OUTCOME, "overall_quality_score": 101}, "/overall_quality_score"),
        ("/v1/outcomes", {**OUTCOME, "overall_quality_score": -1}, "/overall_quality_score"),
        ("/v1/outcomes", {**OUTCOME, "workflow_id": ""}, "/workflow_id"),
        (
            "/v1/outcomes",
            {**OUTCOME, "recommendations": [{"recommendation_id": "rec_1", "status": "done"}]},
            "/recommendations/0/status",
        ),
        (
            "/v1/outcomes",
            {**OUTCOME, "recommendations": [{"recommendation_id": "rec_1", "status": "partial"}]},
            "/recommendations/0/recommendation_id",
        ),
        ("/v1/outcomes", {**OUTCOME, "recommendations": None}, "/recommendations"),
        ("/v1/conversations/completed", {"count": 0}, "/count"),
        ("/v1/conversations/completed", {"count": 1001}, "/count"),
        ("/v1/conversations/completed", {"count": 1.5}, "/count"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_left_behind(tmp_path, path, body, pointer):
    async def scenario(system):
        await routed(system)
        http = await system.client(app, scopes=("feedback",))
        answer = await http.post(path, json=body)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        for table in ("evidence_ratings", "evidence_outcomes", "audit_log", "outbox"):
            assert rows(system, f"SELECT * FROM {table}") == []

    play(tmp_path, scenario)


def test_a_person_who_rates_in_anothers_name_is_refused(tmp_path):
    async def scenario(system):
        await routed(system)
        ada = await system.client(app, role="reviewer")
        answer = await ada.post("/v1/feedback", json={**RATING, "user_id": "bob"})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/user_id"
        bot = await system.client(app, scopes=("feedback",))
        answer = await bot.post("/v1/feedback", json={**RATING, "user_id": "bob"})
        assert answer.status_code == 201
        assert rows(system, "SELECT rater FROM evidence_ratings") == [("bob",)]

    play(tmp_path, scenario)


def test_an_outcome_settles_its_workflow_once(tmp_path):
    async def scenario(system):
        one, two = await recommended(system), await recommended(system, "a2")
        http = await system.client(app, role="reviewer")
        body = {**OUTCOME, "recommendations": [{"recommendation_id": one, "status": "approved"}]}
        first = await http.post("/v1/outcomes", json=body)
        assert first.status_code == 201
        assert (first.json()["settled"], first.json()["missed"]) == ([one], [two])
        assert (await http.post("/v1/outcomes", json=body)).json() == first.json()
        other = await http.post("/v1/outcomes", json={**body, "feedback": "on second thoughts"})
        assert other.status_code == 409
        assert other.json()["outcome_id"] == first.json()["outcome_id"]

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        ("/v1/feedback", RATING, {**RATING, "quality_score": 1}),
        ("/v1/outcomes", OUTCOME, {**OUTCOME, "workflow_id": "wf-2"}),
        ("/v1/conversations/completed", {"count": 4}, {"count": 5}),
    ],
)
def test_a_repeated_key_answers_the_same_and_says_so(tmp_path, path, body, other):
    async def scenario(system):
        await routed(system)
        await recommended(system)
        http = await system.client(app, scopes=("feedback",))
        key = {"Idempotency-Key": "one"}
        first = await http.post(path, json=body, headers=key)
        second = await http.post(path, json=body, headers=key)
        assert first.is_success
        assert second.status_code == first.status_code
        assert first.json() == second.json()
        assert second.headers["idempotent-replayed"] == "true"
        assert (await http.post(path, json=other, headers=key)).status_code == 422
        audited = rows(system, "SELECT action FROM audit_log WHERE actor LIKE 'key:%'")
        assert len(audited) == 1

    play(tmp_path, scenario)


def test_the_tenth_conversation_asks_for_a_run(tmp_path):
    async def scenario(system):
        http = await system.client(app, scopes=("feedback",))
        answers = [
            (await http.post("/v1/conversations/completed", **body)).json()
            for body in ({"json": {"count": 9}}, {}, {"json": {"count": 25}})
        ]
        assert answers == [
            {"completed": 9, "next_run_in": 1, "run_requested": False},
            {"completed": 10, "next_run_in": 10, "run_requested": True},
            {"completed": 35, "next_run_in": 5, "run_requested": True},
        ]
        asked = [one for one in await system.drain() if one.type == "learning.requested"]
        assert [one.data["completed"] for one in asked] == [10, 35]

    play(tmp_path, scenario)


def test_a_read_only_workspace_takes_nothing(tmp_path):
    async def scenario(system):
        await routed(system)
        await system.change_settings(read_only=True)
        assert await statuses(await system.client(app, scopes=("admin",))) == [
            503,
            503,
            503,
            200,
            200,
            503,
            503,
        ]

    play(tmp_path, scenario)


def test_old_paths_answer_in_their_own_shape(tmp_path):
    async def scenario(system):
        await routed(system)
        http = await system.client(app, scopes=("feedback",))
        answer = await http.post("/feedback", json=RATING)
        assert answer.status_code == 201
        assert answer.json()["status"] == "recorded"
        assert answer.json()["feedback_id"].startswith("fb_")
        assert answer.json()["message"]
        assert (await http.get("/admin/feedback/summary")).json()["ratings"] == 1

    play(tmp_path, scenario)


def test_the_target_hands_the_app_to_the_framework():
    assert asyncio.run(feedback_main.feedback(None)) is app
