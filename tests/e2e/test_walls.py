"""Promise 8: by no id, cursor, search, figure or key does one workspace see another."""

import asyncio
import json
import re

import pytest

from shared.cli.serve import apps
from shared.services import alerting
from shared.web.aliases import ALIASES
from tests.support.every_route import every_route, filled, gateway, problem
from tests.support.system import WORKSPACE, System, play

pytestmark = pytest.mark.e2e

OTHER = "other"
SECRET = "xylophone"
"""A word that is in everything that the first workspace has."""


async def fill(system: System) -> dict[str, list[str]]:
    """Puts something of everything into the first workspace, and returns its ids by parameter."""
    http = await gateway(system, scopes=("admin",))
    people = [
        app for app in apps() if app.function in ("publish", "retrain", "monitor") and app.consume
    ]
    system.attach(*people)

    async def post(path, body, method="POST"):
        answer = await http.request(method, path, json=body)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    entries = []
    for number in range(4):
        words = " ".join(f"{SECRET}{number}{at}" for at in range(9))
        body = {
            "topic": SECRET,
            "content": f"{SECRET} {words}",
            "confidence_score": 0.9,
            "tags": [SECRET],
            "metadata": {"note": SECRET},
            "submitter": f"{SECRET}-agent",
        }
        entries.append((await post("/v1/entries", body))["entry_id"])
    await post(f"/v1/approvals/{entries[0]}/approve", {"reviewer": SECRET, "notes": SECRET})
    await post(f"/v1/approvals/{entries[1]}/approve", {"reviewer": SECRET})
    await post(f"/v1/approvals/{entries[2]}/claim", {"reviewer": SECRET})
    routed = []
    for _ in range(2):
        asked = {"prompt": "Write a function.", "session_id": SECRET, "pattern": SECRET}
        request_id = (await post("/v1/route", asked))["request_id"]
        routed.append(request_id)
        rating = {"request_id": request_id, "quality_score": 5, "is_correct": True}
        await post("/v1/feedback", {**rating, "comment": SECRET, "user_id": SECRET})
        workflow = f"{SECRET}-{request_id}"
        recommendation = {
            "agent_id": f"{SECRET}-agent",
            "agent_name": SECRET,
            "correlation_id": SECRET,
            "workflow_id": workflow,
            "recommendation_type": SECRET,
            "content": SECRET,
            "confidence_score": 0.5,
        }
        made = (await post("/v1/recommendations", recommendation))["recommendation_id"]
        settled = [{"recommendation_id": made, "status": "approved"}]
        outcome = {"workflow_id": workflow, "overall_quality_score": 80}
        await post("/v1/outcomes", {**outcome, "recommendations": settled, "feedback": SECRET})
        await post("/v1/learning/runs", {"reason": SECRET})
    open_one = (await post("/v1/recommendations", {**recommendation, "workflow_id": SECRET}))[
        "recommendation_id"
    ]
    point = {"model": SECRET, "version": SECRET, "name": SECRET, "value": 1}
    await post("/v1/metrics", point)
    await post("/v1/metrics", point)
    for number in range(2):
        await alerting.raise_alert(
            system.deps, WORKSPACE, rule="agent_disabled", key=f"{SECRET}{number}",
            summary=SECRET, evidence={"why": SECRET},
        )  # fmt: skip
    await post("/v1/keys", {"name": SECRET, "scopes": ["serve"]})
    arms = [
        {"name": SECRET, "share": 0.5, "provider": "local", "model": "small"},
        {"name": "other", "share": 0.5, "provider": "other", "model": "large"},
    ]
    trial = (await post("/v1/experiments", {"name": SECRET, "arms": arms}))["trial_id"]
    await system.drain()

    async def ids(path, name):
        return [one[name] for one in (await http.get(path)).json()["items"]]

    return {
        "entry_id": entries,
        "run_id": await ids("/v1/learning/runs", "run_id"),
        "agent_id": [f"{SECRET}-agent"],
        "alert_id": await ids("/v1/alerts", "alert_id"),
        "key_id": await ids("/v1/keys", "key_id"),
        "snapshot_id": await ids("/v1/learning/snapshots", "snapshot_id"),
        "request_id": routed,
        "recommendation_id": [open_one],
        "rater_id": [SECRET],
        "trial_id": [trial],
    }


BODIES = {
    "PUT /v1/entries/{entry_id}": {"topic": "t", "content": "c", "confidence_score": 0.5},
    "POST /v1/approvals/{entry_id}/reject": {"reason": "no"},
    "POST /v1/approvals/{entry_id}/retract": {"reason": "no"},
    "POST /v1/approvals/{entry_id}/request-revision": {"notes": "more"},
    "POST /v1/agents/{agent_id}/reinstate": {"reason": "mended"},
    "POST /v1/learning/snapshots/{snapshot_id}/lift-quarantine": {"reason": "a mistake"},
    "POST /v1/experiments/{trial_id}/stop": {"reason": "enough"},
    "POST /v1/raters/{rater_id}/set-aside": {"reason": "a script"},
    "POST /v1/raters/{rater_id}/put-back": {"reason": "no script"},
}


def test_the_first_workspace_sees_what_the_other_must_not(tmp_path):
    """Without this the tests below could pass on an empty system."""

    async def scenario(system):
        ids = await fill(system)
        assert all(ids.values()), ids
        http = await gateway(system, scopes=("admin",))
        for path in (
            f"/v1/entries/{ids['entry_id'][0]}",
            "/v1/approvals",
            "/v1/audit",
            "/v1/feedback/summary",
            "/v1/agents",
            f"/v1/agents/{SECRET}-agent",
            "/v1/alerts",
            "/v1/keys",
            "/v1/metrics/stats",
            "/v1/models/versions",
            "/v1/routing/metrics",
            "/v1/raters",
            "/v1/experiments",
            "/v1/learning/drift",
        ):
            assert SECRET in (await http.get(path)).text, path
        found = (await http.post("/v1/search", json={"text": SECRET})).json()["items"]
        assert {one["entry_id"] for one in found} == set(ids["entry_id"][:2])

    play(tmp_path, scenario)


def test_ids_of_another_workspace_are_not_there(tmp_path):
    async def scenario(system):
        ids = await fill(system)
        before = await state(system)
        http = await gateway(system, scopes=("admin",), workspace=OTHER)
        for _, method, path, need in every_route():
            parameter = re.search(r"\{(\w+)\}", path)
            if need.public or need.system or parameter is None:
                continue
            for value in ids[parameter[1]]:
                route = f"{method} {path}"
                body = {"json": BODIES.get(ours(route), {})} if method != "GET" else {}
                answer = await http.request(method, filled(path, value), **body)
                problem(answer, 404)
                assert SECRET not in answer.text.replace(value, "")
        assert await state(system) == before

    play(tmp_path, scenario)


def ours(route: str) -> str:
    return next((f"{a.method} {a.ours}" for a in ALIASES if f"{a.method} {a.path}" == route), route)


def test_ids_of_another_workspace_in_a_body_are_not_there(tmp_path):
    async def scenario(system):
        ids = await fill(system)
        before = await state(system)
        http = await gateway(system, scopes=("admin",), workspace=OTHER)
        for request_id in ids["request_id"]:
            rating = {"request_id": request_id, "quality_score": 1, "is_correct": False}
            for path in ("/v1/feedback", "/feedback"):
                problem(await http.post(path, json=rating), 404)
        for name in ids["recommendation_id"]:
            settled = [{"recommendation_id": name, "status": "rejected"}]
            outcome = {"workflow_id": SECRET, "overall_quality_score": 1}
            answer = await http.post("/v1/outcomes", json={**outcome, "recommendations": settled})
            problem(answer, 422)
            assert answer.json()["errors"][0]["pointer"] == "/recommendations/0/recommendation_id"
        for snapshot_id in ids["snapshot_id"]:
            body = {"snapshot_id": snapshot_id, "reason": "mine now"}
            problem(await http.post("/v1/learning/rollback", json=body), 404)
        bulk = [{"entry_id": one, "verdict": "approve"} for one in ids["entry_id"]]
        answer = (await http.post("/v1/approvals:bulk", json={"decisions": bulk})).json()
        assert answer["succeeded"] == 0
        assert {item["problem"]["code"] for item in answer["items"]} == {"not_found"}
        assert await state(system) == before

    play(tmp_path, scenario)


def test_lists_searches_and_figures_of_another_workspace_are_empty(tmp_path):
    async def scenario(system):
        await fill(system)
        http = await gateway(system, scopes=("admin",), workspace=OTHER)
        for _, method, path, need in every_route():
            if method == "GET" and "{" not in path and not need.public and path != "/metrics":
                answer = await http.get(path)
                assert answer.status_code == 200, path
                assert SECRET not in answer.text, path
        for path in ("/v1/search", "/api/v1/troubleshoot"):
            for body in ({"text": SECRET}, {"text": SECRET, "topic": SECRET, "tags": [SECRET]}):
                answer = await http.post(path, json=body)
                assert answer.json()["items"] == []
        queue = {"topic": SECRET, "submitter": f"{SECRET}-agent"}
        assert (await http.get("/v1/approvals", params=queue)).json()["items"] == []
        assert (await http.get("/v1/audit/verify")).json()["checked"] == 0

    play(tmp_path, scenario)


LISTS = (
    "/v1/approvals",
    "/v1/audit",
    "/v1/learning/runs",
    "/v1/learning/snapshots",
    "/v1/learning/trends",
    "/v1/agents",
    "/v1/alerts",
    "/v1/models/versions",
    "/v1/keys",
)


def test_a_cursor_of_another_workspace_opens_nothing(tmp_path):
    async def scenario(system):
        await fill(system)
        mine = await gateway(system, scopes=("admin",))
        other = await gateway(system, scopes=("admin",), workspace=OTHER)
        used = 0
        for path in LISTS:
            cursor = (await mine.get(path, params={"limit": 1})).json()["next_cursor"]
            if cursor is None:
                assert path == "/v1/agents", path  # there is one
                continue
            used += 1
            again = await mine.get(path, params={"limit": 1, "cursor": cursor})
            assert again.status_code == 200
            for elsewhere in LISTS:
                answer = await other.get(elsewhere, params={"limit": 1, "cursor": cursor})
                if elsewhere == "/v1/audit" and cursor.isdigit():
                    # A place in a chain is a number, which holds nothing of whose it was.
                    assert answer.json()["items"] == []
                    continue
                problem(answer, 422)
                assert answer.json()["errors"][0]["pointer"] == "?cursor"
        assert used == len(LISTS) - 1

    play(tmp_path, scenario)


def test_an_idempotency_key_of_another_workspace_replays_nothing(tmp_path):
    async def scenario(system):
        mine = await gateway(system, role="admin")
        other = await gateway(system, role="admin", workspace=OTHER)
        body = {"topic": "t", "content": SECRET, "confidence_score": 0.5}
        headers = {"Idempotency-Key": "same"}
        first = await mine.post("/v1/entries", json=body, headers=headers)
        second = await other.post("/v1/entries", json=body, headers=headers)
        assert first.json()["entry_id"] != second.json()["entry_id"]
        assert second.json()["duplicate"] is False
        assert "idempotent-replayed" not in second.headers

    play(tmp_path, scenario)


def test_a_token_of_one_workspace_is_none_of_another(tmp_path):
    async def scenario(system):
        ids = await fill(system)
        http = await gateway(system, role="admin", workspace=OTHER)
        answer = await http.get(f"/v1/entries/{ids['entry_id'][0]}", params={})
        problem(answer, 404)
        for header in ("X-Workspace", "X-Tenant", "Workspace"):
            answer = await http.get(
                f"/v1/entries/{ids['entry_id'][0]}", headers={header: WORKSPACE}
            )
            problem(answer, 404)

    play(tmp_path, scenario)


async def state(system: System) -> str:
    """Returns everything that both workspaces hold, but for who asked."""
    chains = await asyncio.gather(
        *(system.store.audit_chain(name, 0, 10_000) for name in (WORKSPACE, OTHER))
    )
    counters = await asyncio.gather(
        *(system.store.counters(name, "") for name in (WORKSPACE, OTHER))
    )
    return json.dumps([[len(one) for one in chains], [sorted(map(str, c)) for c in counters]])
