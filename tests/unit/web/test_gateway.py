"""Functions side by side behind one port, and the paths that the project grew from."""

import asyncio
import json

import pytest

from functions.submit.main import app as submit
from shared.cli.serve import apps as all_apps
from shared.web.aliases import ALIASES, AliasTable, path_pattern
from shared.web.gateway import Gateway
from tests.support.system import play
from tests.unit.web.probe import check_problem, client, make_app, raw_request

ENTRY = {"topic": "billing", "content": "Invoices can be reissued.", "confidence_score": 0.9}


def test_an_old_path_answers_in_its_own_shape(tmp_path):
    async def scenario(system):
        http = await system.client(submit, scopes=("submit",))
        response = await http.post("/api/v3.4/kb/write-entry", json=ENTRY)
        answer = response.json()
        assert response.status_code == 202
        assert answer["status"] == "success"
        assert answer["entry_id"].startswith("ent_")
        assert answer["entry_id"] in answer["message"]
        assert response.headers["content-length"] == str(len(response.content))
        check_problem(await http.post("/api/v3.4/kb/write-entry", json={}), 422)
        check_problem(await http.get("/api/v3.4/kb/write-entry"), 404)
        nobody = await system.client(submit)
        check_problem(await nobody.post("/api/v3.4/kb/write-entry", json=ENTRY), 401)

    play(tmp_path, scenario)


def test_an_old_and_a_new_path_share_their_idempotency_keys(tmp_path):
    async def scenario(system):
        http = await system.client(submit, scopes=("submit",))
        headers = {"Idempotency-Key": "k"}
        first = await http.post("/v1/entries", json=ENTRY, headers=headers)
        again = await http.post("/api/v3.4/kb/write-entry", json=ENTRY, headers=headers)
        assert again.json()["entry_id"] == first.json()["entry_id"]
        assert again.headers["idempotent-replayed"] == "true"

    play(tmp_path, scenario)


SAMPLES = {
    "/v1/entries": {"entry_id": "ent_1", "revision": 1, "state": "pending_approval"},
    "/v1/approvals": {"items": [{"entry_id": "ent_1"}], "pending_count": 7, "next_cursor": None},
    "/v1/approvals/ent_1/approve": {
        "entry_id": "ent_1",
        "state": "approved",
        "decided_at": "now",
        "notes": "",
    },
    "/v1/approvals/ent_1/reject": {
        "entry_id": "ent_1",
        "state": "rejected",
        "decided_at": "now",
        "notes": "wrong",
    },
    "/v1/approvals/stats": {"approved": 1, "approval_rate": 0.5},
    "/v1/feedback": {"feedback_id": "fb_1", "status": "recorded", "counted": True},
}
SHAPES = {
    "/api/v3.4/kb/write-entry": {"status": "success", "entry_id": "ent_1"},
    "/api/v3.4/approval/pending": {
        "status": "success",
        "pending_count": 7,
        "entries": [{"entry_id": "ent_1"}],
    },
    "/api/v3.4/approval/approve/ent_1": {
        "status": "approved",
        "entry_id": "ent_1",
        "approved_at": "now",
    },
    "/api/v3.4/approval/reject/ent_1": {
        "status": "rejected",
        "entry_id": "ent_1",
        "reason": "wrong",
    },
    "/api/v3.4/approval/stats": {
        "status": "success",
        "stats": {"approved": 1, "approval_rate": 0.5},
    },
    "/feedback": {"status": "recorded", "feedback_id": "fb_1"},
}


def answer_alias(row, path, response, *, media=b"application/json", status=200):
    """Answers one old path by an app that answers every path with this; returns what was seen."""
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope)
        headers = [(b"content-type", media), (b"content-length", b"1"), (b"x-kept", b"yes")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for part in response[:-1]:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": response[-1]})

    async def through(scope, receive, send):
        table = AliasTable(row.function)
        assert table.serves(scope)
        await table.answer(app, scope, receive, send)

    answered = asyncio.run(raw_request(through, row.method, path, []))
    return seen, answered


@pytest.mark.parametrize("row", ALIASES, ids=lambda row: row.path)
def test_each_old_path_asks_ours_and_reshapes_the_answer(row):
    path = row.path.replace("{entry_id}", "ent_1")
    ours = row.ours.replace("{entry_id}", "ent_1")
    sample = SAMPLES.get(ours, {"any": "thing"})
    text = json.dumps(sample).encode()
    seen, (status, headers, body, _) = answer_alias(row, path, [text[:5], text[5:]])
    assert (seen["path"], seen["raw_path"]) == (ours, ours.encode())
    assert seen["method"] == (row.our_method or row.method)
    answer = json.loads(body)
    wanted = SHAPES.get(path, sample)
    assert {name: answer[name] for name in wanted} == wanted
    assert status == 200
    assert headers[b"content-length"] == str(len(body)).encode()
    assert headers[b"x-kept"] == b"yes"


@pytest.mark.parametrize(("counted", "said"), [(True, "counts"), (False, "does not count")])
def test_who_rates_by_the_old_path_is_told_whether_it_counts(counted, said):
    (row,) = [one for one in ALIASES if one.path == "/feedback"]
    text = json.dumps({**SAMPLES["/v1/feedback"], "counted": counted}).encode()
    _, (_, _, body, _) = answer_alias(row, row.path, [text])
    message = json.loads(body)["message"]
    assert message == f"thank you: this rating {said} in the next training run"


@pytest.mark.parametrize("row", ALIASES, ids=lambda row: row.path)
def test_problems_and_streams_pass_through_an_old_path_as_they_are(row):
    path = row.path.replace("{entry_id}", "ent_1")
    for media, status in ((b"application/problem+json", 409), (b"text/event-stream", 200)):
        parts = [b"data: 1\n\n", b"data: 2\n\n"]
        _, (got, headers, body, _) = answer_alias(row, path, parts, media=media, status=status)
        assert (got, body) == (status, b"".join(parts))
        assert headers[b"content-length"] == b"1"


def test_an_alias_answers_only_its_own_method_and_shape_of_path():
    table = AliasTable("approve")
    for method, path in (
        ("GET", "/api/v3.4/approval/approve/ent_1"),
        ("POST", "/api/v3.4/approval/approve/"),
        ("POST", "/api/v3.4/approval/approve/a/b"),
        ("POST", "/api/v3.4/approval/pending"),
        ("POST", "/feedback"),
    ):
        assert not table.serves({"method": method, "path": path})
    with pytest.raises(LookupError):
        asyncio.run(table.answer(None, {"method": "GET", "path": "/x"}, None, None))


def test_a_path_template_takes_its_other_characters_literally():
    pattern = path_pattern("/a.b/{name}:go")
    assert pattern.fullmatch("/a.b/x:go")["name"] == "x"
    assert not pattern.fullmatch("/aXb/x:go")
    assert not pattern.fullmatch("/a.b/x/y:go")


# --- the gateway ----------------------------------------------------------------------------------


def two_functions(system):
    first, second = make_app(system), make_app(system)
    second.function = "monitor"
    return Gateway([second, first, submit])


def test_each_path_reaches_its_function(tmp_path):
    async def scenario(system):
        gateway = Gateway([submit])
        key = await system.key("submit")
        async with client(gateway, **{"X-API-Key": key}) as http:
            created = await http.post("/v1/entries", json=ENTRY)
            assert created.status_code == 202
            entry_id = created.json()["entry_id"]
            assert (await http.get(f"/v1/entries/{entry_id}")).status_code == 200
            assert (await http.post("/api/v3.4/kb/write-entry", json=ENTRY)).status_code == 202
            assert (await http.get("/health")).status_code == 200
            assert (await http.get("/functions/submit/health")).status_code == 200
            for path in (
                "/nothing",
                "/functions/other/health",
                "/functions/",
                "/functions/submit/",
            ):
                check_problem(await http.get(path), 404)
            check_problem(await http.delete("/v1/entries"), 405)

    play(tmp_path, scenario)


def test_what_all_functions_have_is_answered_by_the_monitor(tmp_path):
    async def scenario(system):
        gateway = two_functions(system)
        assert gateway._exact["/health"].function == "monitor"
        assert gateway._exact["/v1/entries"].function == "submit"

    play(tmp_path, scenario)


def test_the_gateway_lives_and_dies_with_the_server_and_takes_no_sockets(tmp_path):
    async def scenario(system):
        gateway = two_functions(system)
        sent = []
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message["type"])

        await gateway({"type": "lifespan"}, receive, send)
        await gateway({"type": "websocket", "path": "/"}, receive, send)
        assert sent == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
            "websocket.close",
        ]

    play(tmp_path, scenario)


def test_what_nobody_has_is_told_in_a_page_to_browsers_and_as_a_problem_to_programs(tmp_path):
    async def scenario(system):
        for apps, page in ((all_apps(), True), ([submit], False)):
            http = await system.client(Gateway(apps))
            check_problem(await http.get("/nothing"), 404)
            answer = await http.get("/nothing", headers={"Accept": "text/html"})
            assert answer.status_code == 404
            assert answer.headers["content-type"].startswith("text/html") == page
            check_problem(await http.get("/v1/nothing", headers={"Accept": "text/html"}), 404)

    play(tmp_path, scenario)
