"""Each row of the API's tables, sent as it is written there and answered as it promises."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import jsonschema_rs
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from shared.web.aliases import ALIASES, path_pattern
from tests.fakes.openai_server import OpenAIServer
from tests.support.server import Server
from tests.support.world import World, settings_file

pytestmark = pytest.mark.e2e

Made = Callable[[World], Any]


@dataclass(frozen=True)
class Row:
    """A request as documented. `{}` in the path stands for what `makes` returns."""

    method: str
    path: str
    status: int
    members: str
    body: Made | None = None
    makes: Made | None = None
    holds: Callable[[dict[str, Any]], object] = bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def const(**body: Any) -> Made:
    return lambda _: body


ROUTED = (
    "request_id provider model pattern complexity confidence explored propensity snapshot_id reason"
)
RUN = "run_id status changes_preview before after blocked_by"
PAGE = "items next_cursor"

ROWS = (
    # submit
    Row(
        "POST",
        "/v1/entries",
        202,
        "entry_id revision state near_duplicates",
        World.entry,
        holds=lambda a: a["state"] == "pending_approval" and a["entry_id"].startswith("ent_"),
    ),
    Row(
        "POST",
        "/v1/entries:batch",
        200,
        "items accepted failed",
        lambda w: {"entries": [w.entry(), w.entry(), {"topic": "no content"}]},
        holds=lambda a: (a["accepted"], a["failed"], len(a["items"])) == (2, 1, 3),
    ),
    Row("GET", "/v1/entries/{}", 200, "entry_id revisions decisions state", None, World.approved),
    Row(
        "PUT",
        "/v1/entries/{}",
        202,
        "entry_id revision state",
        World.entry,
        World.revisable,
        holds=lambda a: a["revision"] == 2,
    ),
    Row(
        "POST",
        "/v1/recommendations",
        202,
        "recommendation_id",
        World.recommendation,
        holds=lambda a: a["recommendation_id"].startswith("rec_"),
    ),
    # approve
    Row(
        "GET",
        "/v1/approvals?state=pending_approval&topic=billing&submitter=agent&min_confidence=0.5"
        "&order=oldest",
        200,
        PAGE,
        makes=World.pending,
        holds=lambda a: a["items"],
    ),
    Row("GET", "/v1/approvals?tag=invoice&order=newest", 200, PAGE, makes=World.pending),
    Row("GET", "/v1/approvals?order=confidence&limit=1", 200, PAGE, makes=World.pending),
    Row(
        "POST",
        "/v1/approvals/{}/approve",
        200,
        "entry_id state reviewer decided_at",
        const(reviewer="ada", notes="Checked."),
        World.pending,
        holds=lambda a: (a["state"], a["reviewer"]) == ("approved", "ada"),
    ),
    Row(
        "POST",
        "/v1/approvals/{}/reject",
        200,
        "entry_id state notes",
        const(reviewer="ada", reason="Out of date."),
        World.pending,
        holds=lambda a: a["state"] == "rejected",
    ),
    Row(
        "POST",
        "/v1/approvals/{}/request-revision",
        200,
        "entry_id state notes",
        const(reviewer="ada", notes="Name the source."),
        World.pending,
        holds=lambda a: a["state"] == "revision_requested",
    ),
    Row(
        "POST",
        "/v1/approvals/{}/claim",
        200,
        "claim_token expires_at",
        const(reviewer="ada"),
        World.pending,
    ),
    Row(
        "POST",
        "/v1/approvals/{}/release",
        200,
        "entry_id released",
        const(reviewer="ada"),
        World.pending,
        holds=lambda a: a["released"] is False,
    ),
    Row(
        "POST",
        "/v1/approvals/{}/retract",
        200,
        "entry_id state retracted_at",
        const(reviewer="ada", reason="The rule has changed."),
        World.approved,
        holds=lambda a: a["state"] == "retracted",
    ),
    Row(
        "POST",
        "/v1/approvals:bulk",
        200,
        "items succeeded failed",
        lambda w: {
            "reviewer": "ada",
            "decisions": [
                {"entry_id": w.pending(), "verdict": "approve"},
                {"entry_id": w.pending(), "verdict": "reject"},
            ],
        },
        holds=lambda a: (a["succeeded"], a["failed"]) == (1, 1),
    ),
    Row(
        "GET",
        "/v1/approvals/stats",
        200,
        "approved rejected pending revision_requested total_processed approval_rate",
        makes=World.approved,
        holds=lambda a: a["approved"] >= 1,
    ),
    Row("GET", "/v1/audit", 200, PAGE, makes=World.pending, holds=lambda a: a["items"]),
    Row(
        "GET",
        "/v1/audit/verify",
        200,
        "ok checked first_broken",
        makes=World.approved,
        holds=lambda a: a["ok"] and a["checked"] and a["first_broken"] is None,
    ),
    # feedback
    Row(
        "POST",
        "/v1/feedback",
        201,
        "feedback_id status",
        World.rating,
        holds=lambda a: a["status"] == "recorded" and a["feedback_id"].startswith("fb_"),
    ),
    Row("POST", "/v1/outcomes", 201, "outcome_id settled missed", World.outcome),
    Row("POST", "/v1/conversations/completed", 200, "completed next_run_in", const(count=2)),
    Row("POST", "/v1/conversations/completed", 200, "completed run_requested", const()),
    Row(
        "GET",
        "/v1/feedback/summary",
        200,
        "ratings mean_quality correctness by_model by_pattern",
        makes=lambda w: w.post("/v1/feedback", w.rating()),
        holds=lambda a: a["ratings"] >= 1,
    ),
    # retrain
    Row(
        "POST",
        "/v1/learning/runs?dry_run=true",
        200,
        RUN,
        const(),
        holds=lambda a: a["dry_run"] and a["run_id"].startswith("run_"),
    ),
    Row(
        "POST",
        "/v1/learning/runs?dry_run=false",
        200,
        RUN,
        const(reason="after the release"),
        holds=lambda a: a["status"] == "succeeded",
    ),
    Row("GET", "/v1/learning/status", 200, "last_run next_run_at tiers mode", makes=World.run),
    Row("GET", "/v1/learning/runs", 200, PAGE, makes=World.run, holds=lambda a: a["items"]),
    Row("GET", "/v1/learning/runs/{}", 200, RUN, makes=lambda w: w.run()["run_id"]),
    Row("GET", "/v1/learning/snapshots", 200, PAGE, makes=World.run, holds=lambda a: a["items"]),
    Row("GET", "/v1/learning/trends", 200, PAGE, makes=World.run, holds=lambda a: a["items"]),
    Row(
        "POST",
        "/v1/learning/rollback",
        200,
        "snapshot_id previous_id hold",
        lambda w: {"snapshot_id": w.earlier_snapshot(), "reason": "quality fell"},
    ),
    Row("GET", "/v1/agents", 200, PAGE, makes=World.agent, holds=lambda a: a["items"]),
    Row("GET", "/v1/agents/{}", 200, "agent_id trust by_type", makes=World.agent),
    Row("GET", "/v1/patterns", 200, "items snapshot_id"),
    Row("GET", "/v1/insights", 200, "snapshot_id insights", makes=World.run),
    Row("POST", "/v1/agents:initialize-trust", 200, "initialized agents"),
    # serve
    Row(
        "POST",
        "/v1/route",
        200,
        ROUTED,
        const(
            prompt="Write a function.", pattern="code", candidates=["local/small"], max_cost=0.01
        ),
        holds=lambda a: a["model"] == "small" and a["request_id"].startswith("req_"),
    ),
    Row(
        "POST",
        "/v1/complete",
        200,
        f"{ROUTED} text usage cost_usd latency_ms",
        const(prompt="Name the capital of France."),
        holds=lambda a: a["text"] and a["cost_usd"] > 0,
    ),
    Row(
        "POST",
        "/v1/complete",
        200,
        "text usage",
        const(messages=[{"role": "user", "content": "Name it."}], temperature=0, max_tokens=9),
    ),
    Row(
        "GET",
        "/v1/routing/policy",
        200,
        "rows models snapshot_id",
        holds=lambda a: len(a["models"]) == 2,
    ),
    Row("GET", "/v1/routing/metrics", 200, "decisions cost_usd savings_usd", makes=World.rating),
    Row(
        "GET",
        "/v1/agents/{}/boost?recommendation_type=discount",
        200,
        "boost priority",
        makes=World.agent,
        holds=lambda a: (
            -0.5 <= a["boost"] <= 0.5 and a["priority"] in {"CRITICAL", "NORMAL", "LOW"}
        ),
    ),
    Row(
        "POST",
        "/v1/search",
        200,
        "items routing_info",
        const(text="word invoice", limit=3, tags=["invoice"], topic="billing"),
        holds=lambda a: {"tier", "reason", "latency_ms"} <= set(a["routing_info"]),
    ),
    # monitor, and each
    Row("GET", "/health", 200, "status", holds=lambda a: a["status"] == "ok"),
    Row("GET", "/ready", 200, "status"),
    Row(
        "POST",
        "/v1/metrics",
        202,
        "accepted",
        const(points=[{"model": "m", "version": "1", "name": "n", "value": 1.5, "labels": {}}]),
        holds=lambda a: a["accepted"] == 1,
    ),
    Row("POST", "/v1/metrics", 202, "accepted", const(model="m", version="1", name="n", value=2)),
    Row("GET", "/v1/metrics/stats?window=1h", 200, "series window"),
    Row("GET", "/v1/alerts", 200, PAGE, makes=World.alert, holds=lambda a: a["items"]),
    Row(
        "POST",
        "/v1/alerts/{}/ack",
        200,
        "alert_id state acknowledged_by",
        makes=World.alert,
        holds=lambda a: a["state"] == "acknowledged",
    ),
    Row("GET", "/v1/alert-rules", 200, "items", holds=lambda a: a["items"]),
    Row(
        "PUT",
        "/v1/alert-rules",
        200,
        "items",
        const(rules=[{"rule": "latency_p99", "threshold": 2000}]),
    ),
    Row("GET", "/v1/models/versions", 200, "items current_id current_since models"),
    Row("GET", "/v1/performance", 200, "routes search_tiers since"),
    Row("GET", "/v1/system/info", 200, "version commit configuration"),
    Row("GET", "/v1/settings", 200, "mode read_only"),
    Row("PUT", "/v1/settings", 200, "mode", const(mode="automatic", hold=None)),
    Row("GET", "/v1/keys", 200, PAGE, holds=lambda a: a["items"]),
    Row(
        "POST",
        "/v1/keys",
        201,
        "key_id secret scopes",
        const(name="agents", scopes=["submit", "serve"]),
        holds=lambda a: a["secret"].startswith("wsk_"),
    ),
    Row("POST", "/v1/keys/{}/revoke", 200, "revoked_at", makes=lambda w: w.key("serve")["key_id"]),
)

APART = {"GET /metrics", "GET /openapi.json", "GET /docs", "GET /docs/assets/{name}"}
"""Routes that do not answer JSON of their own; tested below."""

OURSELVES = ("/events/", "/jobs/")

ALIAS_ROWS = (
    Row(
        "POST",
        "/api/v3.4/kb/write-entry",
        202,
        "status entry_id message",
        World.entry,
        holds=lambda a: a["status"] == "success",
    ),
    Row(
        "GET",
        "/api/v3.4/approval/pending",
        200,
        "status pending_count entries",
        makes=World.pending,
        holds=lambda a: (
            a["status"] == "success" and a["pending_count"] >= len(a["entries"]) and a["entries"]
        ),
    ),
    Row(
        "POST",
        "/api/v3.4/approval/approve/{}",
        200,
        "status entry_id approved_at",
        const(reviewer="ada", notes="Checked."),
        World.pending,
        holds=lambda a: a["status"] == "approved" and a["approved_at"],
    ),
    Row(
        "POST",
        "/api/v3.4/approval/reject/{}",
        200,
        "status entry_id reason",
        const(reviewer="ada", reason="Out of date."),
        World.pending,
        holds=lambda a: (a["status"], a["reason"]) == ("rejected", "Out of date."),
    ),
    Row(
        "GET",
        "/api/v3.4/approval/stats",
        200,
        "status stats",
        makes=World.approved,
        holds=lambda a: (
            a["status"] == "success"
            and {"approved", "rejected", "pending", "total_processed", "approval_rate"}
            <= set(a["stats"])
        ),
    ),
    Row(
        "POST",
        "/feedback",
        201,
        "status feedback_id message",
        World.rating,
        holds=lambda a: a["status"] == "recorded" and a["message"],
    ),
    Row("GET", "/admin/feedback/summary", 200, "ratings by_model by_pattern"),
    Row("GET", "/admin/learning/status", 200, "mode tiers last_run"),
    Row("GET", "/admin/performance/trends", 200, PAGE),
    Row(
        "POST",
        "/admin/learning/retrain?dry_run=true",
        200,
        RUN,
        holds=lambda a: a["dry_run"] is True,
    ),
    Row("POST", "/complete", 200, "request_id text", const(prompt="Name the capital of France.")),
    Row("POST", "/recommendation", 200, ROUTED, const(prompt="Write a function.")),
    Row("GET", "/routing/metrics", 200, "decisions cost_usd"),
    Row("POST", "/metrics/log", 202, "accepted", const(model="m", version="1", name="n", value=1)),
    Row("GET", "/metrics/stats?window=1h", 200, "series"),
    Row("GET", "/alerts/recent", 200, "items", makes=World.alert, holds=lambda a: a["items"]),
    Row("GET", "/models/versions", 200, "items models"),
    Row("GET", "/api/v1/health", 200, "status"),
    Row("GET", "/api/v1/performance", 200, "routes"),
    Row("GET", "/api/v1/system/info", 200, "version"),
    Row("POST", "/api/v1/troubleshoot", 200, "items routing_info", const(text="an invoice")),
    Row("POST", "/api/v1/learning/debug/initialize-trust-scores", 200, "initialized agents"),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    with OpenAIServer() as provider:
        environment = settings_file(folder, provider.base_url)
        with Server(folder / "data", environment) as server:
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


@pytest.mark.parametrize("prefix", ["", *(f"/functions/{name}" for name in ("submit", "notify"))])
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
