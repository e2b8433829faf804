"""Each row of the API's tables, sent as it is written there and answered as it promises."""

import csv
import io
import json

import httpx
import jsonschema_rs
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from shared.web.aliases import ALIASES, path_pattern
from tests.fakes.openai_server import OpenAIServer
from tests.support.api_rows import ALIAS_ROWS, ROWS
from tests.support.world import World, settings_file

pytestmark = pytest.mark.e2e

APART = {"GET /metrics", "GET /openapi.json", "GET /docs", "GET /docs/assets/{name}"}
"""Routes that do not answer JSON of their own; tested below."""

OURSELVES = ("/events/", "/jobs/")


@pytest.fixture(scope="module")
def world(tmp_path_factory, serve):
    folder = tmp_path_factory.mktemp("api")
    with OpenAIServer() as provider:
        environment = settings_file(folder, provider.base_url)
        with serve(folder / "data", environment) as server:
            made = World(server)
            try:
                yield made
            finally:
                made.close()


@pytest.mark.parametrize("row", [*ROWS, *ALIAS_ROWS], ids=str)
def test_a_row_is_answered_as_promised(world, row):
    made = row.makes(world) if row.makes else None
    path = row.path.replace("{}", str(made))
    body = {"json": row.body(world)} if row.body else {}
    answer = world.http.request(row.method, path, **body)
    assert answer.status_code == row.status, answer.text
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert set(row.members.split()) <= set(told)
    assert row.holds(told), told


def test_every_documented_path_has_a_row_and_every_row_is_documented(world):
    paths = world.http.get("/openapi.json").json()["paths"]
    documented = {f"{m.upper()} {path}" for path, one in paths.items() for m in one} - APART
    sent = set()
    for row in ROWS:
        path = row.path.partition("?")[0].replace("{}", "x")
        sent |= {
            one
            for one in documented
            if one.startswith(f"{row.method} ")
            and path_pattern(one.partition(" ")[2]).fullmatch(path)
            and one.count("{") == row.path.count("{")
        }
    missing = {one for one in documented - sent if not one.partition(" ")[2].startswith(OURSELVES)}
    assert missing == set()


def test_every_alias_has_a_row():
    templates = {f"{row.method} {row.path.partition('?')[0]}" for row in ALIAS_ROWS}
    assert {f"{one.method} {one.path.replace('{entry_id}', '{}')}" for one in ALIASES} == templates


@pytest.mark.parametrize("path", ["/v1/agents", "/v1/agents/{}", "/v1/patterns", "/v1/insights"])
def test_tables_come_as_csv(world, path):
    agent = world.agent()
    world.run()
    answer = world.http.get(path.replace("{}", agent), params={"format": "csv"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert len({len(row) for row in rows}) <= 1
    assert path == "/v1/patterns" or len(rows) >= 2


def test_lists_are_walked_by_their_cursor(world):
    made = {world.pending() for _ in range(5)}
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = world.http.get(
            "/v1/approvals", params={"limit": 2, "order": "newest", **cursor}
        ).json()
        seen += [one["entry_id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert made <= set(seen)
    assert len(seen) == len(set(seen))


def test_a_claim_keeps_others_out_until_it_is_released(world):
    entry_id = world.pending()
    claim = world.post(f"/v1/approvals/{entry_id}/claim", {"reviewer": "ada"})
    other = world.http.post(f"/v1/approvals/{entry_id}/approve", json={"reviewer": "grace"})
    assert other.status_code == 409
    released = world.post(
        f"/v1/approvals/{entry_id}/release",
        {"reviewer": "ada", "claim_token": claim["claim_token"]},
    )
    assert released["released"] is True
    world.post(f"/v1/approvals/{entry_id}/approve", {"reviewer": "grace"})
    second = world.http.post(
        f"/v1/approvals/{entry_id}/reject", json={"reviewer": "ada", "reason": "no"}
    )
    assert second.status_code == 409
    assert second.json()["decision"]["reviewer"] == "grace"


def test_a_person_can_only_name_itself_as_reviewer(world):
    entry_id = world.pending()
    token = world.server.token("ada", "reviewer")
    path = f"{world.server.url}/v1/approvals/{entry_id}/approve"
    headers = {"Authorization": f"Bearer {token}"}
    refused = httpx.post(path, headers=headers, json={"reviewer": "grace"})
    assert refused.status_code in {403, 422}
    approved = httpx.post(path, headers=headers, json={})
    assert approved.status_code == 200
    assert approved.json()["reviewer"] == "ada"


def test_a_streamed_completion_starts_brings_text_and_ends(world):
    body = {"prompt": "Name the capital of France.", "stream": True}
    with world.http.stream("POST", "/v1/complete", json=body) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = list(answer.iter_lines())
    events = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert events[0] == "start"
    assert set(events[1:-1]) == {"delta"}
    assert events[-1] == "end"
    assert "".join(one["text"] for one in data[1:-1])
    assert data[-1]["usage"]["output_tokens"] > 0
    rating = {"request_id": data[0]["request_id"], "quality_score": 4, "is_correct": True}
    world.post("/v1/feedback", rating)


ONE_PROCESS = pytest.mark.embedded("another function of the process answers")


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param("", marks=ONE_PROCESS),
        "/functions/submit",
        pytest.param("/functions/notify", marks=ONE_PROCESS),
    ],
)
def test_metrics_are_openmetrics(world, prefix):
    world.pending()
    answer = world.http.get(f"{prefix}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = list(text_string_to_metric_families(answer.text))
    samples = [one for family in families for one in family.samples]
    assert any(
        sample.labels.get("route") == "/v1/entries" and sample.value >= 1 for sample in samples
    )


@pytest.mark.parametrize("function", "submit approve feedback retrain serve publish notify".split())
def test_each_function_tells_its_own_health(world, function):
    for what in ("health", "ready"):
        told = httpx.get(f"{world.server.url}/functions/{function}/{what}").json()
        assert told["status"] == "ok"
        assert told["function"] == function


def test_docs_and_their_assets_are_public(world):
    page = httpx.get(f"{world.server.url}/docs")
    assert page.headers["content-type"].startswith("text/html")
    for asset in ("swagger-ui.css", "swagger-ui-bundle.js", "docs.js"):
        assert f"/docs/assets/{asset}" in page.text
        assert httpx.get(f"{world.server.url}/docs/assets/{asset}").status_code == 200
    assert httpx.get(f"{world.server.url}/docs/assets/../../guard.py").status_code == 404
    assert httpx.get(f"{world.server.url}/docs/assets/%2e%2e%2fguard.py").status_code == 404


def test_every_schema_of_the_document_is_valid_and_every_example_fits_its_own(world):
    document = httpx.get(f"{world.server.url}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    shown = 0
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": DIALECT, **schema})
        rooted = {
            "$schema": DIALECT,
            "$ref": f"#/components/schemas/{name}",
            "components": document["components"],
        }
        validator = jsonschema_rs.validator_for(rooted)
        for example in schema.get("examples", []):
            validator.validate(example)
            shown += 1
    assert shown > 15


def test_every_documented_operation_is_served(world):
    document = httpx.get(f"{world.server.url}/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = path.replace("{", "").replace("}", "")
            status = httpx.request(method, world.server.url + where).status_code
            assert status == (401 if "security" in operation else status), (method, path)
            assert status != 405, (method, path)
            assert status != 404 or path == "/docs/assets/{name}", (method, path)


DIALECT = "https://json-schema.org/draft/2020-12/schema"
