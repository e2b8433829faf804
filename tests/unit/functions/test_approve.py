"""The approve function over HTTP: every route as the API promises it."""

import pytest

from functions.approve.main import app
from tests.support.entries import submit
from tests.support.system import play

ROUTES = [
    ("GET", "/v1/approvals"),
    ("GET", "/v1/approvals/stats"),
    ("POST", "/v1/approvals/ent_x/approve"),
    ("POST", "/v1/approvals/ent_x/reject"),
    ("POST", "/v1/approvals/ent_x/request-revision"),
    ("POST", "/v1/approvals/ent_x/claim"),
    ("POST", "/v1/approvals/ent_x/release"),
    ("POST", "/v1/approvals/ent_x/retract"),
    ("POST", "/v1/approvals:bulk"),
    ("GET", "/v1/audit"),
    ("GET", "/v1/audit/verify"),
]
BODIES = {
    "approve": {},
    "reject": {"reason": "no"},
    "request-revision": {"notes": "more"},
    "claim": {},
    "release": {},
    "retract": {"reason": "no"},
}


async def ada(system):
    return await system.client(app, role="reviewer")


def test_every_route_is_shut_without_a_credential(tmp_path):
    async def scenario(system):
        nobody = await system.client(app)
        submitter = await system.client(app, scopes=("submit", "feedback", "serve"))
        for method, path in ROUTES:
            for client, status in ((nobody, 401), (submitter, 403)):
                answer = await client.request(method, path, json={} if method == "POST" else None)
                assert answer.status_code == status, (method, path)
                assert answer.headers["content-type"] == "application/problem+json"

    play(tmp_path, scenario)


def test_a_viewer_looks_and_changes_nothing(tmp_path):
    async def scenario(system):
        viewer = await system.client(app, role="viewer")
        for method, path in ROUTES:
            answer = await viewer.request(method, path, json={} if method == "POST" else None)
            assert answer.status_code == (200 if method == "GET" else 403), (method, path)

    play(tmp_path, scenario)


@pytest.mark.parametrize("action", BODIES)
def test_another_workspaces_entry_is_not_found(tmp_path, action):
    async def scenario(system):
        entry_id = await submit(system)
        for credential in ({"scopes": ("admin",)}, {"role": "admin"}):
            stranger = await system.client(app, workspace="other", **credential)
            answer = await stranger.post(f"/v1/approvals/{entry_id}/{action}", json=BODIES[action])
            assert answer.status_code == 404
        page = (await stranger.get("/v1/approvals")).json()
        assert (page["items"], page["next_cursor"], page["pending_count"]) == ([], None, 0)
        assert (await stranger.get("/v1/audit")).json()["items"] == []

    play(tmp_path, scenario)


def test_an_entry_goes_from_the_queue_to_approved(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        http = await ada(system)
        queue = (await http.get("/v1/approvals")).json()
        assert queue["pending_count"] == 1
        assert queue["items"][0]["entry_id"] == entry_id
        lease = (await http.post(f"/v1/approvals/{entry_id}/claim")).json()
        body = {
            "notes": "fine",
            "revision": 1,
            "content_hash": queue["items"][0]["content_hash"],
            "claim_token": lease["claim_token"],
        }
        answer = await http.post(f"/v1/approvals/{entry_id}/approve", json=body)
        assert answer.status_code == 200
        assert answer.json() == {
            "entry_id": entry_id,
            "revision": 1,
            "state": "approved",
            "verdict": "approve",
            "reviewer": "ada",
            "notes": "fine",
            "decided_at": system.clock.now_text(),
            "votes": 1,
            "votes_needed": 1,
        }
        stats = (await http.get("/v1/approvals/stats")).json()
        assert (stats["approved"], stats["pending"], stats["approval_rate"]) == (1, 0, 1.0)
        audit = (await http.get("/v1/audit", params={"subject": entry_id})).json()
        actions = [record["action"] for record in audit["items"]]
        assert actions == ["entry.approved", "entry.claimed", "entry.submitted"]
        verified = (await http.get("/v1/audit/verify")).json()
        assert (verified["ok"], verified["checked"], verified["first_broken"]) == (True, 3, None)

    play(tmp_path, scenario)


def test_the_loser_gets_409_with_the_winners_decision(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        bob = await system.client(app, role="reviewer", subject="bob")
        http = await ada(system)
        await http.post(f"/v1/approvals/{entry_id}/reject", json={"reason": "wrong"})
        answer = await bob.post(f"/v1/approvals/{entry_id}/approve", json={})
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"
        decision = answer.json()["decision"]
        assert (decision["verdict"], decision["reviewer"]) == ("reject", "ada")
        assert decision["notes"] == "wrong"

    play(tmp_path, scenario)


def test_a_person_who_names_another_reviewer_is_refused(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        http = await ada(system)
        path = f"/v1/approvals/{entry_id}/approve"
        answer = await http.post(path, json={"reviewer": "bob"})
        assert answer.status_code == 403
        assert answer.json()["errors"][0]["pointer"] == "/reviewer"
        assert (await http.post(path, json={"reviewer": "ada"})).status_code == 200

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("action", "body", "pointer"),
    [
        ("approve", {"reviewer": 5}, "/reviewer"),
        ("approve", {"reviewer": ""}, "/reviewer"),
        ("approve", {"reviewer": "a\x00"}, "/reviewer"),
        ("approve", {"notes": "x" * 4001}, "/notes"),
        ("approve", {"revision": 0}, "/revision"),
        ("approve", {"revision": "1"}, "/revision"),
        ("approve", {"content_hash": "abc"}, "/content_hash"),
        ("approve", {"claim_token": 1.5}, "/claim_token"),
        ("approve", {"unknown": 1}, "/unknown"),
        ("reject", {}, "/reason"),
        ("reject", {"reason": " "}, "/reason"),
        ("request-revision", {"notes": ""}, "/notes"),
        ("request-revision", {}, "/notes"),
        ("claim", {"seconds": 29}, "/seconds"),
        ("claim", {"seconds": 3601}, "/seconds"),
        ("retract", {}, "/reason"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_left_behind(tmp_path, action, body, pointer):
    async def scenario(system):
        entry_id = await submit(system)
        http = await ada(system)
        answer = await http.post(f"/v1/approvals/{entry_id}/{action}", json=body)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert (await http.get("/v1/approvals")).json()["pending_count"] == 1
        assert (await http.get("/v1/audit/verify")).json()["checked"] == 1

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "query",
    ["state=unknown", "limit=0", "limit=501", "min_confidence=2", "order=random", "x=1"],
)
def test_a_bad_query_is_named(tmp_path, query):
    async def scenario(system):
        answer = await (await ada(system)).get(f"/v1/approvals?{query}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"?{query.partition('=')[0]}"

    play(tmp_path, scenario)


def test_bulk_takes_at_most_two_hundred(tmp_path):
    async def scenario(system):
        http = await ada(system)
        item = {"entry_id": "ent_none", "verdict": "approve"}
        for count, status in ((0, 422), (1, 200), (200, 200), (201, 422)):
            body = {"decisions": [item] * count}
            assert (await http.post("/v1/approvals:bulk", json=body)).status_code == status

    play(tmp_path, scenario)


def test_a_repeated_key_answers_the_same_and_says_so(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        http = await ada(system)
        path, key = f"/v1/approvals/{entry_id}/approve", {"Idempotency-Key": "one"}
        first = await http.post(path, json={}, headers=key)
        second = await http.post(path, json={}, headers=key)
        assert (first.status_code, second.status_code) == (200, 200)
        assert first.json() == second.json()
        assert second.headers["idempotent-replayed"] == "true"
        other = await http.post(path, json={"notes": "other"}, headers=key)
        assert other.status_code == 422

    play(tmp_path, scenario)


def test_old_paths_answer_in_their_own_shape(tmp_path):
    async def scenario(system):
        one, two = [await submit(system, number) for number in range(2)]
        bot = await system.client(app, scopes=("review",))
        base = "/api/v3.4/approval"
        pending = (await bot.get(f"{base}/pending")).json()
        assert (pending["status"], pending["pending_count"]) == ("success", 2)
        assert {entry["entry_id"] for entry in pending["entries"]} == {one, two}
        body = {"reviewer": "ada", "notes": "fine"}
        approved = (await bot.post(f"{base}/approve/{one}", json=body)).json()
        assert approved == {
            "status": "approved",
            "entry_id": one,
            "approved_at": system.clock.now_text(),
        }
        body = {"reviewer": "ada", "reason": "wrong"}
        rejected = (await bot.post(f"{base}/reject/{two}", json=body)).json()
        assert rejected == {"status": "rejected", "entry_id": two, "reason": "wrong"}
        stats = (await bot.get(f"{base}/stats")).json()
        assert stats["status"] == "success"
        wanted = {
            "approved": 1,
            "rejected": 1,
            "pending": 0,
            "total_processed": 2,
            "approval_rate": 0.5,
        }
        assert wanted.items() <= stats["stats"].items()
        again = await bot.post(f"{base}/approve/{one}", json={"reviewer": "bob", "notes": ""})
        assert again.status_code == 409

    play(tmp_path, scenario)


def test_retracting_over_http(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        http = await ada(system)
        path = f"/v1/approvals/{entry_id}/retract"
        early = await http.post(path, json={"reason": "old"})
        assert (early.status_code, early.json()["state"]) == (409, "pending_approval")
        await http.post(f"/v1/approvals/{entry_id}/approve")
        answer = await http.post(path, json={"reason": "old"})
        assert answer.json() == {
            "entry_id": entry_id,
            "revision": 1,
            "state": "retracted",
            "reviewer": "ada",
            "reason": "old",
            "retracted_at": system.clock.now_text(),
        }
        assert (await http.post(path, json={"reason": "old"})).status_code == 409

    play(tmp_path, scenario)


def test_claims_over_http(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        http = await ada(system)
        bob = await system.client(app, role="reviewer", subject="bob")
        path = f"/v1/approvals/{entry_id}"
        lease = (await http.post(f"{path}/claim", json={"seconds": 30})).json()
        refused = await bob.post(f"{path}/claim")
        assert refused.status_code == 409
        assert refused.json()["claim"] == {"reviewer": "ada", "expires_at": lease["expires_at"]}
        assert (await bob.post(f"{path}/approve")).status_code == 409
        released = (await http.post(f"{path}/release")).json()
        assert released == {"entry_id": entry_id, "released": True}
        asked = {"notes": "name the source"}
        answer = await bob.post(f"{path}/request-revision", json=asked)
        assert answer.json()["state"] == "revision_requested"

    play(tmp_path, scenario)


def test_the_target_hands_the_app_to_the_framework():
    import asyncio

    from functions.approve import main as approve_main
    from functions.publish import main as publish_main

    assert asyncio.run(approve_main.approve(None)) is app
    assert asyncio.run(publish_main.publish(None)) is publish_main.app
