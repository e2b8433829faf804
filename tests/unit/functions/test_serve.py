"""The serve function over HTTP: bodies, statuses, aliases, credentials, the stream as sent."""

import asyncio
import json

import pytest

from functions.publish.main import app as publish_app
from functions.serve.main import app
from shared.domain.learning.config import LearningConfig
from shared.domain.learning.trust import TrustCard
from shared.messages.reviewing import Approve
from shared.services import reviewing
from shared.services.deps import Options
from shared.services.serving import streaming
from tests.fakes.openai_server import Fault, OpenAIServer, plain_answer
from tests.support.entries import submit
from tests.support.serving import (
    CODE,
    LARGE,
    MEDIUM,
    decision_of,
    decisions_of,
    make_current,
    providers,
    snapshot,
)
from tests.support.system import caller, play

GREEDY = Options(learning=LearningConfig(exploration_rate=0.0), completion_timeout_s=5.0)

ROUTES = [
    ("POST", "/v1/route", {"prompt": CODE}),
    ("POST", "/v1/complete", {"prompt": CODE}),
    ("GET", "/v1/routing/policy", None),
    ("GET", "/v1/routing/metrics", None),
    ("GET", "/v1/agents/pricing/boost", None),
    ("POST", "/v1/search", {"text": "word0x3"}),
]


@pytest.fixture(scope="module")
def served():
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(served):
    yield served
    served.heal()


def run(tmp_path, server, scenario):
    async def whole(system):
        async with providers(system, server):
            card = TrustCard(agent_id="pricing", n=3)
            await make_current(system, snapshot({"code": [MEDIUM, LARGE]}, trust=(card,)))
            http = await system.client(app, scopes=("serve",))
            return await scenario(system, http)

    return play(tmp_path, whole, options=GREEDY)


def events(text):
    """Returns the (name, data) of each server-sent event."""
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in blocks
    ]


async def ask(http, method, path, body=None, **more):
    return await http.request(method, path, json=body, **more)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_each_route_asks_for_the_serve_scope(tmp_path, server, method, path, body):
    async def scenario(system, http):
        assert (await ask(http, method, path, body)).status_code == 200
        for scopes, status in (((), 401), (("submit", "review", "monitor"), 403)):
            other = await system.client(app, scopes=scopes)
            answer = await ask(other, method, path, body)
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"

    run(tmp_path, server, scenario)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_viewers_look_and_reviewers_spend(tmp_path, server, method, path, body):
    async def scenario(system, _):
        viewer = await system.client(app, role="viewer")
        reviewer = await system.client(app, role="reviewer")
        spends = path in ("/v1/route", "/v1/complete")
        assert (await ask(viewer, method, path, body)).status_code == (403 if spends else 200)
        assert (await ask(reviewer, method, path, body)).status_code == 200

    run(tmp_path, server, scenario)


@pytest.mark.parametrize(
    ("alias", "method", "ours", "body"),
    [
        ("/recommendation", "POST", "/v1/route", {"prompt": CODE}),
        ("/complete", "POST", "/v1/complete", {"prompt": CODE}),
        ("/routing/metrics", "GET", "/v1/routing/metrics", None),
        ("/api/v1/troubleshoot", "POST", "/v1/search", {"text": "word0x3"}),
    ],
)
def test_the_paths_of_old_answer_in_the_same_shape(tmp_path, server, alias, method, ours, body):
    async def scenario(_, http):
        old, new = await ask(http, method, alias, body), await ask(http, method, ours, body)
        assert (old.status_code, new.status_code) == (200, 200)
        assert old.json().keys() == new.json().keys()

    run(tmp_path, server, scenario)


def test_troubleshooting_says_how_it_was_routed(tmp_path, server):
    async def scenario(system, http):
        system.attach(publish_app)
        entry_id = await submit(system)
        ada = caller("ada", role="reviewer")
        await reviewing.decide(
            system.deps, ada, entry_id, Approve(), None, verdict="approve", notes=""
        )
        await system.drain()
        answer = (await ask(http, "POST", "/api/v1/troubleshoot", {"text": "word0x3"})).json()
        assert [one["entry_id"] for one in answer["items"]] == [entry_id]
        assert answer["routing_info"]["tier"] == "bm25"

    run(tmp_path, server, scenario)


def test_candidates_are_texts_or_objects(tmp_path, server):
    async def scenario(_, http):
        both = ["own/deep/model", {"provider": "other", "model": "large"}]
        body = {"prompt": CODE, "candidates": both}
        answer = (await ask(http, "POST", "/v1/route", body)).json()
        assert (answer["provider"], answer["model"]) == ("other", "large")
        first = {"prompt": "hm", "candidates": both[:1]}
        answer = (await ask(http, "POST", "/v1/route", first)).json()
        assert (answer["provider"], answer["model"]) == ("own", "deep/model")

    run(tmp_path, server, scenario)


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/route", {}, "/prompt"),
        ("/v1/route", {"prompt": "  "}, "/prompt"),
        ("/v1/route", {"prompt": "a\x00"}, "/prompt"),
        ("/v1/route", {"prompt": CODE, "surprise": 1}, "/surprise"),
        ("/v1/route", {"prompt": CODE, "candidates": ["alone"]}, "/candidates/0"),
        ("/v1/route", {"prompt": CODE, "candidates": [7]}, "/candidates/0"),
        ("/v1/route", {"prompt": CODE, "candidates": ["/m"]}, "/candidates/0/provider"),
        ("/v1/route", {"prompt": CODE, "candidates": []}, "/candidates"),
        ("/v1/route", {"prompt": CODE, "max_cost": -1}, "/max_cost"),
        ("/v1/route", {"prompt": CODE, "max_cost": 0}, "/max_cost"),
        ("/v1/route", {"prompt": CODE, "pattern": "NO WAY"}, "/pattern"),
        ("/v1/complete", {}, "/prompt"),
        ("/v1/complete", {"prompt": CODE, "stream": "yes"}, "/stream"),
        ("/v1/complete", {"prompt": CODE, "temperature": 9}, "/temperature"),
        ("/v1/complete", {"messages": []}, "/messages"),
        ("/v1/complete", {"messages": [{"role": "x", "content": ""}]}, "/messages/0/role"),
        ("/v1/search", {"text": ""}, "/text"),
        ("/v1/search", {"text": "a", "limit": 51}, "/limit"),
        ("/v1/search", {"text": "a", "tags": "b"}, "/tags"),
        ("/v1/routing/metrics?window=1y", None, "?window"),
    ],
)
def test_bad_input_names_the_field_and_leaves_nothing(tmp_path, server, path, body, pointer):
    async def scenario(system, http):
        answer = await ask(http, "GET" if body is None else "POST", path, body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer
        assert await decisions_of(system) == []

    run(tmp_path, server, scenario)


def test_a_repeated_key_is_answered_again_and_marked(tmp_path, server):
    async def scenario(system, http):
        for path in ("/v1/route", "/v1/complete"):
            headers = {"Idempotency-Key": "once"}
            first = await ask(http, "POST", path, {"prompt": CODE}, headers=headers)
            again = await ask(http, "POST", path, {"prompt": CODE}, headers=headers)
            assert again.json() == first.json()
            assert again.headers["idempotent-replayed"] == "true"
            other = await ask(http, "POST", path, {"prompt": "else"}, headers=headers)
            assert other.status_code == 422
        assert len(await decisions_of(system)) == 2

    run(tmp_path, server, scenario)


def test_an_unknown_agent_is_not_found(tmp_path, server):
    async def scenario(_, http):
        answer = await ask(http, "GET", "/v1/agents/misspelt/boost?recommendation_type=x")
        assert answer.status_code == 404

    run(tmp_path, server, scenario)


def test_where_nobody_answers_the_problem_lists_the_attempts(tmp_path, server):
    server.break_with(Fault.SERVER_ERROR)

    async def scenario(_, http):
        for stream in (False, True):
            body = {"prompt": CODE, "stream": stream}
            answer = await ask(http, "POST", "/v1/complete", body)
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            asked = [one["model"] for one in answer.json()["attempts"]]
            assert asked == ["medium", "large", "small"]

    run(tmp_path, server, scenario)


def test_a_stream_is_sent_as_events(tmp_path, server):
    async def scenario(system, http):
        answer = await ask(http, "POST", "/v1/complete", {"prompt": CODE, "stream": True})
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        (name, first), *deltas, (last_name, last) = events(answer.text)
        assert (name, last_name) == ("start", "end")
        assert (first["provider"], first["model"]) == MEDIUM
        assert {name for name, _ in deltas} == {"delta"}
        text = "".join(data["text"] for _, data in deltas)
        assert text == plain_answer("medium", [{"role": "user", "content": CODE}])
        assert last["usage"]["output_tokens"] > 0
        assert last["cost_usd"] == (await decision_of(system, first["request_id"])).cost_usd

    run(tmp_path, server, scenario)


def test_an_error_midway_is_the_last_event(tmp_path, server):
    server.break_with(Fault.DROP_MIDWAY)

    async def scenario(_, http):
        answer = await ask(http, "POST", "/v1/complete", {"prompt": CODE, "stream": True})
        names = [name for name, _ in events(answer.text)]
        assert (answer.status_code, names[0], names[-1]) == (200, "start", "error")

    run(tmp_path, server, scenario)


def test_a_client_who_disconnects_leaves_a_whole_record(tmp_path, server):
    server.break_with(Fault.HANG_MIDWAY)

    async def scenario(system, _):
        body = json.dumps({"prompt": CODE, "stream": True}).encode()
        key = await system.key("serve")
        sent, gone = [], asyncio.Event()

        async def receive():
            if not sent_body:
                sent_body.append(True)
                return {"type": "http.request", "body": body}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)
            if b"event: delta" in message.get("body", b""):
                gone.set()

        sent_body = []
        headers = [(b"x-api-key", key.encode()), (b"content-type", b"application/json")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/complete",
            "headers": headers,
            "query_string": b"",
            "asgi": {"spec_version": "2.3"},
        }
        await asyncio.wait_for(app(scope, receive, send), 5)
        await asyncio.gather(*streaming._reading)
        [record] = await decisions_of(system)
        assert sent[0]["status"] == 200
        assert (record.failed, record.output_tokens > 0) == (False, True)
        assert record.latency_ms is not None

    run(tmp_path, server, scenario)


def test_the_description_has_both_kinds_of_answer():
    complete = app.openapi()["paths"]["/v1/complete"]["post"]
    content = complete["responses"]["200"]["content"]
    assert content["application/json"]["schema"]["$ref"].endswith("/CompleteAnswer")
    assert content["text/event-stream"] == {"schema": {"type": "string"}}
    route = app.openapi()["components"]["schemas"]["RouteRequest"]
    assert route["examples"][0]["prompt"]
    kinds = route["properties"]["candidates"]["anyOf"][0]["items"]["anyOf"]
    assert {one.get("type", "object") for one in kinds} == {"string", "object"}
