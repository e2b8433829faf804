"""Health, readiness and metrics, which every function serves."""

import asyncio

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from shared import bootstrap
from shared.errors import Unavailable
from shared.messages.events import FLOW
from shared.web import health
from shared.web.app import Api
from tests.support.system import play


async def fine():
    return None


async def broken():
    raise Unavailable("the file /secret/place cannot be opened")


def app_of(function="submit"):
    return Api(function, bootstrap.gate)


def break_dependency(name, check=broken):
    bootstrap.gate().checks[name] = check


def test_a_healthy_function_says_so_with_latencies(tmp_path):
    async def scenario(system):
        http = await system.client(app_of("publish"))
        answer = await http.get("/health")
        assert answer.status_code == 200
        body = answer.json()
        assert (body["status"], body["function"]) == ("ok", "publish")
        assert body["version"] == bootstrap.config.VERSION
        assert set(body["checks"]) == {"store", "blobs", "index"}
        for check in body["checks"].values():
            assert check["status"] == "ok"
            assert check["latency_ms"] > 0
        assert (await http.get("/ready")).status_code == 200

    play(tmp_path, scenario)


def test_a_failing_dependency_degrades_and_makes_unready_without_telling_why(tmp_path):
    async def scenario(system):
        break_dependency("store")
        http = await system.client(app_of())
        answer = await http.get("/health")
        assert answer.status_code == 200
        assert answer.json()["status"] == "degraded"
        assert answer.json()["checks"]["store"]["status"] == "failed"
        unready = await http.get("/ready")
        assert unready.status_code == 503
        assert unready.headers["content-type"] == "application/problem+json"
        assert unready.json()["checks"]["store"]["status"] == "failed"
        assert unready.headers["retry-after"]
        assert "secret" not in answer.text + unready.text

    play(tmp_path, scenario)


def test_a_dependency_that_a_function_does_not_need_leaves_it_ready(tmp_path):
    async def scenario(system):
        break_dependency("blobs")
        submit = await system.client(app_of("submit"))
        assert (await submit.get("/ready")).status_code == 200
        serve = await system.client(app_of("serve"))
        assert (await serve.get("/ready")).status_code == 503

    play(tmp_path, scenario)


def test_a_dependency_that_hangs_is_cut_off():
    async def hang():
        await asyncio.Event().wait()

    found = asyncio.run(health.run_checks({"store": hang, "blobs": fine}, limit_s=0.01))
    assert found["store"].status == "failed"
    assert found["store"].latency_ms >= 10
    assert found["blobs"].status == "ok"


def test_the_limit_of_a_check_is_two_seconds():
    assert health.CHECK_S == 2.0


def test_a_crashing_check_is_a_failed_dependency():
    async def crash():
        raise ZeroDivisionError

    assert asyncio.run(health.run_checks({"x": crash}))["x"].status == "failed"


def test_one_process_tells_about_all_its_functions_and_tries_each_dependency_once(tmp_path):
    async def scenario(system):
        tried = []

        async def count():
            tried.append("blobs")
            raise Unavailable("down")

        break_dependency("blobs", count)
        app = app_of("monitor")
        app.peers = ("submit", "serve", "monitor")
        body = (await (await system.client(app)).get("/health")).json()
        assert body["status"] == "degraded"
        assert {name: one["status"] for name, one in body["functions"].items()} == {
            "serve": "degraded",
            "submit": "ok",
        }
        assert tried == ["blobs"]

    play(tmp_path, scenario)


def test_every_function_says_what_it_needs():
    assert set(health.NEEDED) >= {name for route in FLOW.values() for name in route.producers}
    assert set(health.NEEDED) >= {name for route in FLOW.values() for name in route.consumers}


def test_metrics_are_openmetrics_text_with_its_end(tmp_path):
    async def scenario(system):
        app = app_of()
        await (await system.client(app)).get("/health")
        answer = await (await system.client(app, scopes=("monitor",))).get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1")
        assert answer.text.endswith("# EOF\n")
        families = {one.name: one for one in text_string_to_metric_families(answer.text)}
        samples = families["whetstone_requests"].samples
        assert any(one.labels.get("route") == "/health" for one in samples)

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("credential", "status"),
    [
        ({}, 401),
        ({"scopes": ("submit",)}, 403),
        ({"role": "system"}, 403),
        ({"role": "viewer"}, 200),
        ({"scopes": ("admin",)}, 200),
    ],
)
def test_metrics_need_the_monitor_scope_or_a_person(tmp_path, credential, status):
    async def scenario(system):
        http = await system.client(app_of(), **credential)
        assert (await http.get("/metrics")).status_code == status

    play(tmp_path, scenario)
