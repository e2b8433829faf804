"""The monitor function over HTTP: measurements, alerts, versions, settings, keys, jobs."""

import json
from unittest.mock import patch

import pytest

from functions.monitor.main import app
from shared import bootstrap, config
from shared.domain.learning.runs import LEARNING_HEADS, SNAPSHOTS, LearningHead, SnapshotInfo
from shared.domain.operations import METRIC_POINTS
from shared.domain.records import SYSTEM_WORKSPACE
from shared.services import access, alerting, monitoring
from shared.web import telemetry
from tests.support.system import WORKSPACE, play

POINT = {"model": "m", "version": "1", "name": "latency_ms", "value": 1.5}


def points(count, **more):
    return {"points": [{**POINT, "value": float(number), **more} for number in range(count)]}


async def audits(system):
    return [one.action for one in await system.store.audit_chain(WORKSPACE, 0, 100)]


def with_client(tmp_path, scenario, **credential):
    async def run(system):
        http = await system.client(app, **(credential or {"scopes": ("monitor",)}))
        await scenario(system, http)

    play(tmp_path, run)


def test_logged_points_come_back_as_figures_of_their_series(tmp_path):
    async def scenario(system, http):
        answer = await http.post("/v1/metrics", json=points(101))
        assert (answer.status_code, answer.json()["accepted"]) == (202, 101)
        assert (await http.post("/v1/metrics", json={**POINT, "name": "a"})).status_code == 202
        stats = (await http.get("/v1/metrics/stats?window=1h")).json()
        assert [one["name"] for one in stats["series"]] == ["a", "latency_ms"]
        series = stats["series"][1]
        assert (series["count"], series["min"], series["max"]) == (101, 0, 100)
        assert (series["p50"], series["p95"], series["p99"]) == (50, 95, 99)
        assert series["mean"] == pytest.approx(50)
        assert (stats["points"], stats["truncated"]) == (102, False)
        only = (await http.get("/v1/metrics/stats", params={"name": "a", "model": "m"})).json()
        assert [one["name"] for one in only["series"]] == ["a"]
        none = (await http.get("/v1/metrics/stats", params={"model": "other"})).json()
        assert none["series"] == []
        assert await audits(system) == ["metrics.logged"] * 2

    with_client(tmp_path, scenario)


def test_the_window_ends_now(tmp_path):
    async def scenario(system, http):
        await http.post("/v1/metrics", json=POINT)
        system.clock.advance(16 * 60)
        assert (await http.get("/v1/metrics/stats?window=15m")).json()["series"] == []
        assert len((await http.get("/v1/metrics/stats?window=1d")).json()["series"]) == 1

    with_client(tmp_path, scenario)


@pytest.mark.parametrize("window", ["31d", "0h", "1w", "h", "99999d", "-1h"])
def test_a_window_that_cannot_be_is_refused(tmp_path, window):
    async def scenario(_, http):
        answer = await http.get("/v1/metrics/stats", params={"window": window})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "?window"

    with_client(tmp_path, scenario)


@pytest.mark.parametrize(
    "body",
    [
        '{"model":"m","version":"1","name":"n","value":NaN}',
        '{"model":"m","version":"1","name":"n","value":1.1e30}',
        '{"model":"m","version":"1","name":"n","value":-1.1e30}',
        '{"model":"m","version":"1","name":"n","value":1e999}',
        '{"model":"m","version":"1","name":"n","value":"1"}',
        '{"model":"m","version":"1","name":"n"}',
        '{"model":"m","version":"1","name":"n","value":1,"extra":1}',
        '{"points":[]}',
        '{"points":[{"model":"m","version":"1","name":"n","value":1}],"value":1}',
        json.dumps(points(501)),
        "[]",
        "",
    ],
)
def test_bad_points_leave_nothing_behind(tmp_path, body):
    async def scenario(system, http):
        headers = {"content-type": "application/json"}
        answer = await http.post("/v1/metrics", content=body, headers=headers)
        assert answer.status_code == 422
        assert await system.store.count(WORKSPACE, METRIC_POINTS, at_most=10) == 0
        assert await audits(system) == []

    with_client(tmp_path, scenario)


def test_five_hundred_points_sent_again_with_their_key_are_five_hundred(tmp_path):
    async def scenario(system, http):
        headers = {"Idempotency-Key": "k"}
        first = await http.post("/v1/metrics", json=points(500), headers=headers)
        again = await http.post("/v1/metrics", json=points(500), headers=headers)
        assert first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert await system.store.count(WORKSPACE, METRIC_POINTS, at_most=2_000) == 500

    with_client(tmp_path, scenario)


def test_more_points_than_may_be_read_are_said_to_be_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(monitoring, "MAX_READ", 700)

    async def scenario(system, http):
        await http.post("/v1/metrics", json=points(400, name="old"))
        system.clock.advance(1)
        await http.post("/v1/metrics", json=points(500, name="new"))
        stats = (await http.get("/v1/metrics/stats")).json()
        assert (stats["points"], stats["truncated"]) == (700, True)
        assert {one["name"]: one["count"] for one in stats["series"]} == {"new": 500, "old": 200}

    with_client(tmp_path, scenario)


def test_alerts_are_listed_newest_first_filtered_and_acknowledged(tmp_path):
    async def scenario(system, http):
        for number, rule in enumerate(["dead_letters", "oldest_pending", "index_behind"]):
            system.clock.advance(1)
            await alerting.raise_alert(
                system.deps, WORKSPACE, rule=rule, key=f"k{number}", summary="s", evidence={}
            )
        items = (await http.get("/v1/alerts")).json()["items"]
        assert [one["rule"] for one in items] == ["index_behind", "oldest_pending", "dead_letters"]
        path = f"/v1/alerts/{items[0]['alert_id']}/ack"
        acked = await http.post(path)
        assert acked.json()["state"] == "acknowledged"
        assert acked.json()["acknowledged_by"].startswith("key:")
        opened = (await http.get("/v1/alerts?state=open&severity=warning")).json()["items"]
        assert [one["rule"] for one in opened] == ["oldest_pending"]
        page = (await http.get("/v1/alerts?limit=2")).json()
        rest = (await http.get("/v1/alerts", params={"cursor": page["next_cursor"]})).json()
        assert len(page["items"]) == 2
        assert [one["rule"] for one in rest["items"]] == ["dead_letters"]
        assert (await http.get("/v1/alerts?state=new")).status_code == 422
        assert (await http.post("/v1/alerts/alr_none/ack")).status_code == 404

    with_client(tmp_path, scenario)


def test_alert_rules_change_together_or_not_at_all(tmp_path):
    async def scenario(system, http):
        change = {"rules": [{"rule": "oldest_pending", "threshold": 60, "enabled": False}]}
        changed = (await http.put("/v1/alert-rules", json=change)).json()["items"]
        rule = next(one for one in changed if one["rule"] == "oldest_pending")
        assert (rule["threshold"], rule["enabled"], rule["unit"]) == (60, False, "seconds")
        assert rule["runbook"] == "docs/operations-runbook.md#oldest_pending"
        bad = {"rules": [{"rule": "dead_letters", "threshold": 2}, {"rule": "no_such_rule"}]}
        refused = await http.put("/v1/alert-rules", json=bad)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == "/rules/1/rule"
        assert (await http.get("/v1/alert-rules")).json()["items"] == changed
        assert await audits(system) == ["alert_rule.changed"]
        (record,) = await system.store.audit_chain(WORKSPACE, 0, 5)
        assert record.data["before"] == {"threshold": 86_400.0, "enabled": True}
        assert record.data["after"] == {"threshold": 60.0, "enabled": False}

    with_client(tmp_path, scenario, scopes=("admin",))


def test_versions_tell_the_current_snapshot_and_the_models_around(tmp_path):
    async def scenario(system, http):
        async def write(tx):
            for number in (1, 2):
                tx.put(
                    SNAPSHOTS,
                    SnapshotInfo(
                        id=f"snap_{number}",
                        parent_id=None,
                        run_id="run_1",
                        blob_key="b",
                        state_key="s",
                        checksum="c",
                        ratings_watermark=0,
                        outcomes_watermark=0,
                        created_at=f"2026-01-0{number}T00:00:00.000000Z",
                        metrics={"accuracy": 0.7},
                    ),
                )
            tx.put(
                LEARNING_HEADS,
                LearningHead(id="head", current_id="snap_1", current_since="2026-01-03"),
            )

        await system.store.transact(WORKSPACE, write)
        await http.post("/v1/metrics", json=POINT)
        found = (await http.get("/v1/models/versions")).json()
        assert [(one["snapshot_id"], one["current"]) for one in found["items"]] == [
            ("snap_2", False),
            ("snap_1", True),
        ]
        assert found["items"][1]["current_since"] == found["current_since"] == "2026-01-03"
        assert found["items"][0]["metrics"] == {"accuracy": 0.7}
        configured = [one for one in found["models"] if one["provider"]]
        assert {one["model"] for one in configured} == {"small", "medium", "large"}
        measured = found["models"][-1]
        assert (measured["model"], measured["version"], measured["points"]) == ("m", "1", 1)

    with_client(tmp_path, scenario)


def test_versions_of_an_empty_workspace_are_none(tmp_path):
    async def scenario(_, http):
        found = (await http.get("/v1/models/versions")).json()
        assert (found["items"], found["current_id"]) == ([], None)

    with_client(tmp_path, scenario)


def test_performance_tells_of_this_process_by_route_and_tier(tmp_path):
    async def scenario(system, http):
        for _ in range(3):
            await http.get("/v1/alert-rules")
        telemetry.observe_search("bm25-test", 0.002, found=True)
        telemetry.observe_search("bm25-test", 0.004, found=False)
        found = (await http.get("/v1/performance")).json()
        assert found["scope"] == "this process"
        assert found["since"] == bootstrap.gate().started_at
        route = next(
            one
            for one in found["routes"]
            if (one["function"], one["route"]) == ("monitor", "/v1/alert-rules")
        )
        assert route["requests"] >= 3
        assert 0 < route["p50_ms"] <= route["p95_ms"] <= route["p99_ms"]
        (tier,) = [one for one in found["search_tiers"] if one["tier"] == "bm25-test"]
        assert (tier["searches"], tier["hit_rate"]) == (2, 0.5)

    with_client(tmp_path, scenario)


def _canaries():
    """Returns settings with a canary in every secret, wherever it is nested."""
    return config.Settings(
        bootstrap_api_key="canary-1",
        jwt_secret="canary-2 which is long enough to sign with",
        notify={
            "smtp_host": "mail",
            "mail_to": ["ops@localhost"],
            "smtp_user": "postbox",
            "smtp_password": "canary-3",
            "slack_webhook_url": "https://hooks.test/canary-4",
            "webhook_url": "https://hooks.test/canary-5",
            "webhook_secret": "canary-6",
        },
        postgres={"dsn": "postgresql://user:canary-8@db.test/whetstone"},
        providers=[
            {
                "name": "p",
                "base_url": "https://user:canary-7@models.test/v1",
                "models": [{"model": "m", "usd_per_m_input": 1, "usd_per_m_output": 1}],
            }
        ],
    )


def _secret_fields(model):
    for name, field in model.model_fields.items():
        if "SecretStr" in str(field.annotation):
            yield name
        elif hasattr(field.annotation, "model_fields"):
            yield from _secret_fields(field.annotation)


def test_system_info_tells_the_configuration_without_any_secret(tmp_path):
    assert len(list(_secret_fields(config.Settings))) == 7, "put a canary into the new secret"

    async def scenario(_, http):
        bootstrap.commit.cache_clear()
        with patch.object(bootstrap, "settings", _canaries):  # ends before the system's own patch
            answer = await http.get("/v1/system/info")
        assert answer.status_code == 200
        assert "canary" not in answer.text
        found = answer.json()
        assert found["version"] == config.VERSION
        assert found["configuration"]["jwt_secret"] == "(set)"
        assert found["configuration"]["notify"]["smtp_user"] == "postbox"
        assert found["configuration"]["providers"][0]["base_url"] == "https://models.test/v1"
        assert found["configuration"]["limits"]["body_bytes"] == 1_048_576
        assert found["backend"] == "embedded"

    with_client(tmp_path, scenario, role="viewer")


def test_settings_are_read_by_viewers_and_changed_by_admins(tmp_path):
    async def scenario(system, http):
        changed = await http.put("/v1/settings", json={"mode": "collect"})
        assert changed.json()["mode"] == "collect"
        viewer = await system.client(app, role="viewer")
        assert (await viewer.get("/v1/settings")).json() == changed.json()
        assert (await viewer.put("/v1/settings", json={})).status_code == 403
        bad = await http.put("/v1/settings", json={"mode": "wild", "hold": "x"})
        assert bad.status_code == 422
        pointers = {one["pointer"] for one in bad.json()["errors"]}
        assert pointers == {"/mode", "/hold"}

    with_client(tmp_path, scenario, role="admin")


def test_keys_are_made_listed_and_revoked_by_admins(tmp_path):
    async def scenario(system, http):
        made = await http.post("/v1/keys", json={"name": "bots", "scopes": ["monitor"]})
        assert made.status_code == 201
        key_id, secret = made.json()["key_id"], made.json()["secret"]
        machine = await system.client(app)
        header = {"X-API-Key": secret}
        assert (await machine.get("/v1/alerts", headers=header)).status_code == 200
        assert (await machine.get("/v1/keys", headers=header)).status_code == 403
        listed = await http.get("/v1/keys")
        assert secret not in listed.text
        assert [one["key_id"] for one in listed.json()["items"]] == [key_id]
        revoked = await http.post(f"/v1/keys/{key_id}/revoke")
        assert revoked.json()["revoked_at"]
        system.clock.advance(6)
        assert (await machine.get("/v1/alerts", headers=header)).status_code == 401
        bad = await http.post("/v1/keys", json={"name": "x", "scopes": ["root"]})
        assert bad.status_code == 422

    with_client(tmp_path, scenario, role="admin")


def test_the_jobs_are_for_the_schedule_alone_and_do_their_work(tmp_path):
    async def scenario(system, http):
        await access.bootstrap_access(system.deps, None)
        swept = await http.post("/jobs/sweep")
        counts = ("published", "retried", "numbered", "exported", "purged")
        nothing = {**dict.fromkeys(counts, 0), "elsewhere": False}
        assert swept.json() == nothing
        checked = await http.post("/jobs/check")
        assert (checked.json()["workspaces"], checked.json()["largest_index_bytes"]) == (1, 0)
        assert (await http.post("/jobs/backup")).json()["state"] == "off"
        for credential in ({"scopes": ("admin",)}, {"role": "admin"}):
            other = await system.client(app, **credential)
            for job in ("sweep", "check", "backup"):
                assert (await other.post(f"/jobs/{job}")).status_code == 403

    with_client(tmp_path, scenario, role="system")


def test_every_route_without_a_credential_is_401_but_the_public_ones(tmp_path):
    public = {"/health", "/ready", "/openapi.json", "/docs", "/docs/assets/{name}"}

    async def scenario(system):
        http = await system.client(app)
        for method, path in app.endpoints:
            if path not in public:
                answer = await http.request(method, path.replace("{", "").replace("}", ""))
                assert answer.status_code == 401, path

    play(tmp_path, scenario)


def test_other_workspaces_see_nothing_of_it(tmp_path):
    async def scenario(system, http):
        await http.post("/v1/metrics", json=POINT)
        alert = await alerting.raise_alert(
            system.deps, WORKSPACE, rule="dead_letters", key="k", summary="s", evidence={}
        )
        other = await system.client(app, scopes=("admin",), workspace="other")
        assert (await other.get("/v1/metrics/stats")).json()["series"] == []
        assert (await other.get("/v1/alerts")).json()["items"] == []
        assert (await other.post(f"/v1/alerts/{alert.id}/ack")).status_code == 404
        assert len((await other.get("/v1/keys")).json()["items"]) == 1
        assert await system.store.count(SYSTEM_WORKSPACE, METRIC_POINTS, at_most=5) == 0

    with_client(tmp_path, scenario)


def test_the_paths_it_grew_from_still_answer(tmp_path):
    async def scenario(_, http):
        assert (await http.post("/metrics/log", json=POINT)).status_code == 202
        for path in (
            "/metrics/stats?window=1h",
            "/alerts/recent",
            "/models/versions",
            "/api/v1/health",
            "/api/v1/performance",
            "/api/v1/system/info",
        ):
            assert (await http.get(path)).status_code == 200, path

    with_client(tmp_path, scenario)
