"""The retrain function over HTTP: every route as the API promises it."""

import asyncio
import csv
import io

import pytest

from functions.retrain import main as retrain_main
from functions.retrain.main import app
from shared.messages.rating import RecordOutcome
from shared.services import outcomes
from tests.support.learning import (
    ADMIN,
    evidence,
    head,
    rate,
    recommended,
    routed,
    rows,
    runs,
    settled,
)
from tests.support.system import play

TRAIN = [
    ("POST", "/v1/learning/runs", {}),
    ("POST", "/v1/learning/runs?dry_run=true", {}),
    ("POST", "/v1/learning/rollback", {"snapshot_id": "snap_x", "reason": "worse"}),
    ("POST", "/v1/agents:initialize-trust", None),
]
READ = [
    "/v1/learning/runs",
    "/v1/learning/status",
    "/v1/learning/snapshots",
    "/v1/learning/trends",
    "/v1/agents",
    "/v1/patterns",
    "/v1/insights",
]
ONE = ["/v1/learning/runs/run_x", "/v1/agents/a1"]


async def admin(system):
    return await system.client(app, role="admin")


async def ask(client):
    """Returns the statuses of the routes that train, and of those that read."""
    train = [
        (await client.request(method, path, json=body)).status_code for method, path, body in TRAIN
    ]
    return train, [(await client.get(path)).status_code for path in (*READ, *ONE)]


def table(answer):
    """Returns the lines of a CSV answer as dictionaries."""
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


SHUT, OPEN, FOUND = [403] * 4, [200, 200, 404, 200], [200] * 7 + [404] * 2


@pytest.mark.parametrize(
    ("credential", "train", "read"),
    [
        ({}, [401] * 4, [401] * 9),
        ({"scopes": ("submit", "review", "serve")}, SHUT, [403] * 9),
        ({"scopes": ("feedback",)}, SHUT, FOUND),
        ({"scopes": ("monitor",)}, SHUT, FOUND),
        ({"scopes": ("admin",)}, OPEN, FOUND),
        ({"role": "viewer"}, SHUT, FOUND),
        ({"role": "reviewer"}, SHUT, FOUND),
        ({"role": "admin"}, OPEN, FOUND),
        ({"role": "system"}, SHUT, [403] * 9),
    ],
)
def test_who_may_do_what(tmp_path, credential, train, read):
    async def scenario(system):
        assert await ask(await system.client(app, **credential)) == (train, read)

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("credential", "status"),
    [({}, 401), ({"role": "admin"}, 403), ({"scopes": ("admin",)}, 403), ({"role": "system"}, 200)],
)
def test_only_the_schedule_asks_for_runs_everywhere(tmp_path, credential, status):
    async def scenario(system):
        client = await system.client(app, **credential)
        answer = await client.post("/jobs/retrain", json={})
        assert answer.status_code == status

    play(tmp_path, scenario)


def test_a_run_over_http_from_preview_to_rollback(tmp_path):
    async def scenario(system):
        await evidence(system, 12)
        http = await admin(system)
        preview = (await http.post("/v1/learning/runs?dry_run=true")).json()
        assert (preview["status"], preview["dry_run"]) == ("succeeded", True)
        assert (await http.get("/v1/learning/snapshots")).json()["items"] == []
        first = (await http.post("/v1/learning/runs", json={"reason": "the first"})).json()
        assert first["changes_preview"] == preview["changes_preview"] != []
        assert (first["before"], first["after"]) == (preview["before"], preview["after"])
        assert (first["trigger"], first["requested_by"]) == ("the first", "ada")
        await evidence(system, 12, pattern="math", model="medium")
        second = (await http.post("/v1/learning/runs", json={})).json()
        assert (second["ratings_read"], second["parent_id"]) == (12, first["snapshot_id"])
        body = {"snapshot_id": first["snapshot_id"], "reason": "complaints"}
        back = await http.post("/v1/learning/rollback", json=body)
        assert back.status_code == 200
        assert back.json()["previous_id"] == second["snapshot_id"]
        assert "complaints" in back.json()["hold"]
        status = (await http.get("/v1/learning/status")).json()
        assert (status["current_id"], status["hold"]) == (first["snapshot_id"], back.json()["hold"])
        assert status["tiers"]["HIGH"] == {"min_n": 10, "min_quality": 4, "min_correctness": 0.8}
        assert status["last_run"]["run_id"] == second["run_id"]
        again = await http.post("/v1/learning/rollback", json=body)
        assert again.status_code == 409
        one = (await http.get(f"/v1/learning/runs/{second['run_id']}")).json()
        assert one == second

    play(tmp_path, scenario)


def test_lists_come_newest_first_and_page_by_page(tmp_path):
    async def scenario(system):
        http = await admin(system)
        made = []
        for at in range(5):
            system.clock.advance(60)
            await evidence(system, 12, pattern=f"pattern{at}")
            made.append((await http.post("/v1/learning/runs", json={})).json())
        for path, name in (("runs", "run_id"), ("snapshots", "snapshot_id"), ("trends", "run_id")):
            found, cursor, pages = [], None, 0
            while pages == 0 or cursor:
                query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
                page = (await http.get(f"/v1/learning/{path}", params=query)).json()
                found += [item[name] for item in page["items"]]
                cursor, pages = page["next_cursor"], pages + 1
            assert found == [one[name] for one in reversed(made)]
            assert pages == 3

    play(tmp_path, scenario)


def test_another_workspace_sees_and_moves_nothing(tmp_path):
    async def scenario(system):
        await evidence(system, 12)
        await recommended(system)
        run = (await (await admin(system)).post("/v1/learning/runs", json={})).json()
        before = await head(system)
        for credential in ({"scopes": ("admin",)}, {"role": "admin"}):
            stranger = await system.client(app, workspace="other", **credential)
            assert (await stranger.get(f"/v1/learning/runs/{run['run_id']}")).status_code == 404
            assert (await stranger.get("/v1/agents/a1")).status_code == 404
            body = {"snapshot_id": run["snapshot_id"], "reason": "mischief"}
            assert (await stranger.post("/v1/learning/rollback", json=body)).status_code == 404
            for path in READ[:1] + READ[2:6]:
                assert (await stranger.get(path)).json()["items"] == []
            assert (await stranger.get("/v1/insights")).json()["insights"] == {}
            status = (await stranger.get("/v1/learning/status")).json()
            assert (status["current_id"], status["ratings_waiting"]) == (None, 0)
        assert await head(system) == before

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("POST", "/v1/learning/runs?dry_run=perhaps", {}, "?dry_run"),
        ("POST", "/v1/learning/runs?dryrun=true", {}, "?dryrun"),
        ("POST", "/v1/learning/runs", {"reason": "x" * 4001}, "/reason"),
        ("POST", "/v1/learning/runs", {"reason": None}, "/reason"),
        ("POST", "/v1/learning/runs", {"dry_run": True}, "/dry_run"),
        ("POST", "/v1/learning/rollback", {"snapshot_id": "snap_x"}, "/reason"),
        ("POST", "/v1/learning/rollback", {"snapshot_id": "snap_x", "reason": ""}, "/reason"),
        ("POST", "/v1/learning/rollback", {"snapshot_id": 5, "reason": "x"}, "/snapshot_id"),
        ("POST", "/v1/learning/rollback", {"reason": "x"}, "/snapshot_id"),
        ("GET", "/v1/learning/runs?limit=0", None, "?limit"),
        ("GET", "/v1/learning/snapshots?limit=501", None, "?limit"),
        ("GET", "/v1/learning/trends?cursor=nonsense", None, "?cursor"),
        ("GET", "/v1/agents?format=xml", None, "?format"),
        ("GET", "/v1/agents?cursor=nonsense", None, "?cursor"),
        ("GET", "/v1/agents/a1?format=", None, "?format"),
        ("GET", "/v1/patterns?category=lucky", None, "?category"),
        ("GET", "/v1/insights?format=pdf", None, "?format"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_left_behind(tmp_path, method, path, body, pointer):
    async def scenario(system):
        answer = await (await admin(system)).request(method, path, json=body)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert await runs(system) == []
        assert rows(system, "SELECT * FROM audit_log") == []

    play(tmp_path, scenario)


def test_a_cursor_that_is_no_patterns_key_is_named(tmp_path):
    async def scenario(system):
        await settled(system, 20)
        http = await admin(system)
        await http.post("/v1/learning/runs", json={})
        answer = await http.get("/v1/patterns?cursor=nonsense")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "?cursor"

    play(tmp_path, scenario)


def test_a_repeated_key_is_one_run_and_another_request_is_refused(tmp_path):
    async def scenario(system):
        await evidence(system, 12)
        http = await admin(system)
        key = {"Idempotency-Key": "one"}
        first = await http.post("/v1/learning/runs", json={}, headers=key)
        second = await http.post("/v1/learning/runs", json={}, headers=key)
        assert second.json()["run_id"] == first.json()["run_id"]
        assert second.headers["idempotent-replayed"] == "true"
        for path, body in (
            ("/v1/learning/runs", {"reason": "other"}),
            ("/v1/learning/runs?dry_run=true", {}),
        ):
            assert (await http.post(path, json=body, headers=key)).status_code == 422
        assert len(await runs(system)) == 1

    play(tmp_path, scenario)


def test_a_blocked_run_says_why(tmp_path):
    async def scenario(system):
        await system.change_settings(learning_stopped=True, mode="collect")
        answer = await (await admin(system)).post("/v1/learning/runs", json={})
        assert answer.status_code == 200
        assert answer.json()["status"] == "blocked"
        assert [why[-1] for why in answer.json()["blocked_by"]] == [".", "."]

    play(tmp_path, scenario)


def test_agents_as_json_and_as_a_table(tmp_path):
    async def scenario(system):
        await recommended(system)
        await recommended(system, "=cmd()")
        await settled(system, 12)
        http = await admin(system)
        await http.post("/v1/learning/runs", json={})
        agents = (await http.get("/v1/agents")).json()["items"]
        lines = table(await http.get("/v1/agents?format=csv"))
        assert [line["agent_id"] for line in lines] == ["'=cmd()", "a1"]
        assert [one["agent_id"] for one in agents] == ["=cmd()", "a1"]
        assert float(lines[1]["trust.overall"]) == agents[1]["trust"]["overall"] > 0.5
        one = (await http.get("/v1/agents/a1")).json()
        assert one["trust"] == agents[1]["trust"]
        cards = table(await http.get("/v1/agents/a1?format=csv"))
        assert [card["recommendation_type"] for card in cards] == ["", "discount"]
        assert len(one["by_type"]) == 1

    play(tmp_path, scenario)


def test_patterns_and_insights_as_json_and_as_a_table(tmp_path):
    async def scenario(system):
        await settled(system, 40, agent_id="a1")
        await settled(system, 40, agent_id="a2", points=0)
        http = await admin(system)
        await http.post("/v1/learning/runs", json={})
        patterns = (await http.get("/v1/patterns?category=expert")).json()
        assert [one["category"] for one in patterns["items"]] == ["expert"]
        lines = table(await http.get("/v1/patterns?category=expert&format=csv"))
        assert [line["key"] for line in lines] == [one["key"] for one in patterns["items"]]
        insights = (await http.get("/v1/insights")).json()
        [line] = table(await http.get("/v1/insights?format=csv"))
        assert line["snapshot_id"] == insights["snapshot_id"] == patterns["snapshot_id"]

    play(tmp_path, scenario)


def test_enough_evidence_asks_for_a_run_and_the_event_makes_it_once(tmp_path):
    async def scenario(system):
        system.attach(app)
        await system.change_settings(runs_after_feedback=12)
        await evidence(system, 11)
        await routed(system)
        await rate(system)
        told = await system.drain()
        assert [one.type for one in told] == [
            "feedback.recorded",
            "learning.requested",
            "learning.completed",
        ]
        [run] = await runs(system)
        assert (run.status, run.trigger, run.ratings_read) == ("succeeded", "evidence", 12)
        ourselves = await system.client(app, role="system")
        event = told[1].model_dump(mode="json")
        answer = await ourselves.post("/events/retrain", json=event)
        assert answer.is_success
        assert [one.id for one in await runs(system)] == [run.id]

    play(tmp_path, scenario)


def test_a_burst_of_outcomes_is_counted_by_what_each_settled_and_missed(tmp_path):
    async def scenario(system):
        system.attach(app)
        await system.change_settings(runs_after_feedback=12)
        for at in range(4):
            await recommended(system, workflow_id=f"wf-{at}")
            one = await recommended(system, "a2", workflow_id=f"wf-{at}")
            await recommended(system, "a3", workflow_id=f"wf-{at}")
            command = RecordOutcome(
                workflow_id=f"wf-{at}",
                overall_quality_score=80,
                recommendations=[{"recommendation_id": one, "status": "approved"}],
            )
            await outcomes.record_outcome(system.deps, ADMIN, command, None)
            await system.drain()
        [run] = await runs(system)
        assert (run.status, run.outcomes_read) == ("succeeded", 12)

    play(tmp_path, scenario)


def test_trust_is_initialized_over_http(tmp_path):
    async def scenario(system):
        await recommended(system)
        http = await admin(system)
        path = "/v1/agents:initialize-trust"
        assert (await http.post(path)).json() == {"initialized": 1, "agents": 1}
        old = "/api/v1/learning/debug/initialize-trust-scores"
        assert (await http.post(old)).json() == {"initialized": 0, "agents": 1}

    play(tmp_path, scenario)


def test_old_paths_answer_like_ours(tmp_path):
    async def scenario(system):
        await evidence(system, 12)
        http = await admin(system)
        preview = await http.post("/admin/learning/retrain?dry_run=true")
        assert preview.status_code == 200
        assert preview.json()["changes_preview"]
        assert (await http.post("/admin/learning/retrain")).json()["status"] == "succeeded"
        for old, ours in (
            ("/admin/learning/status", "/v1/learning/status"),
            ("/admin/performance/trends", "/v1/learning/trends"),
        ):
            assert (await http.get(old)).json() == (await http.get(ours)).json()

    play(tmp_path, scenario)


def test_a_read_only_workspace_learns_nothing_and_shows_everything(tmp_path):
    async def scenario(system):
        await system.change_settings(read_only=True)
        train, read = await ask(await admin(system))
        assert train == [503] * 4
        assert read == FOUND

    play(tmp_path, scenario)


def test_the_target_hands_the_app_to_the_framework():
    assert asyncio.run(retrain_main.retrain(None)) is app


@pytest.mark.parametrize(("path", "column"), [("/v1/agents", "agent_id"), ("/v1/patterns", "key")])
def test_a_table_is_walked_by_its_links(tmp_path, path, column):
    async def scenario(system):
        for name, points in (("a1", 2), ("a2", 2), ("a3", 0)):
            await recommended(system, name)
            await settled(system, 40, agent_id=name, points=points)
        http = await admin(system)
        await http.post("/v1/learning/runs", json={})
        whole = [one[column] for one in (await http.get(path)).json()["items"]]
        assert len(whole) >= 2
        url, seen = http.base_url.join(f"{path}?format=csv&limit=1"), []
        while url is not None:
            answer = await http.get(url)
            seen += [line[column] for line in table(answer)]
            behind = answer.links.get("next")
            url = None if behind is None else answer.url.join(behind["url"])
        assert seen == whole

    play(tmp_path, scenario)
