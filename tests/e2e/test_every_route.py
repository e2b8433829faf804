"""Every route of every function lets in whom it names, and nobody else."""

import pytest

from shared.cli.serve import apps
from shared.domain.access import ROLES, SCOPES
from shared.web.aliases import ALIASES
from shared.web.guard import PUBLIC, SYSTEM, Needs, needs
from tests.support.every_route import every_route, gateway, problem, send
from tests.support.system import play

pytestmark = pytest.mark.e2e

VIEW_LEARNING = needs("monitor", "feedback", role="viewer")
REVIEW = needs("review", role="reviewer")
SUBMIT = needs("submit", role="reviewer")
MONITOR = needs("monitor", role="viewer")
ADMIN = needs("admin", role="admin")
RATE = needs("feedback", role="viewer")

NEEDS: dict[str, Needs] = {
    "GET /health": PUBLIC,
    "GET /ready": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "GET /docs": PUBLIC,
    "GET /docs/assets/{name}": PUBLIC,
    "GET /metrics": MONITOR,
    "POST /v1/entries": SUBMIT,
    "POST /v1/entries:batch": SUBMIT,
    "GET /v1/entries/{entry_id}": needs("submit", "review", role="viewer"),
    "PUT /v1/entries/{entry_id}": SUBMIT,
    "POST /v1/recommendations": SUBMIT,
    "GET /v1/approvals": needs("review", role="viewer"),
    "GET /v1/approvals/stats": needs("review", role="viewer"),
    "POST /v1/approvals/{entry_id}/approve": REVIEW,
    "POST /v1/approvals/{entry_id}/reject": REVIEW,
    "POST /v1/approvals/{entry_id}/request-revision": REVIEW,
    "POST /v1/approvals/{entry_id}/claim": REVIEW,
    "POST /v1/approvals/{entry_id}/release": REVIEW,
    "POST /v1/approvals/{entry_id}/retract": REVIEW,
    "POST /v1/approvals:bulk": REVIEW,
    "POST /v1/knowledge/rollback": ADMIN,
    "GET /v1/audit": needs("review", "monitor", role="viewer"),
    "GET /v1/audit/verify": needs("review", "monitor", role="viewer"),
    "POST /v1/feedback": RATE,
    "GET /v1/raters": ADMIN,
    "POST /v1/raters/{rater_id}/set-aside": ADMIN,
    "POST /v1/raters/{rater_id}/put-back": ADMIN,
    "POST /v1/outcomes": needs("feedback", role="reviewer"),
    "POST /v1/conversations/completed": RATE,
    "GET /v1/feedback/summary": needs("feedback", "monitor", role="viewer"),
    "POST /v1/learning/runs": ADMIN,
    "GET /v1/learning/runs": VIEW_LEARNING,
    "GET /v1/learning/runs/{run_id}": VIEW_LEARNING,
    "GET /v1/learning/runs/{run_id}/changes": VIEW_LEARNING,
    "GET /v1/learning/status": VIEW_LEARNING,
    "GET /v1/learning/snapshots": VIEW_LEARNING,
    "GET /v1/learning/trends": VIEW_LEARNING,
    "GET /v1/learning/drift": VIEW_LEARNING,
    "GET /v1/learning/drift/changes": VIEW_LEARNING,
    "GET /v1/learning/canary": VIEW_LEARNING,
    "POST /v1/learning/canary/promote": ADMIN,
    "POST /v1/learning/canary/revert": ADMIN,
    "POST /v1/learning/snapshots/{snapshot_id}/lift-quarantine": ADMIN,
    "POST /v1/experiments": ADMIN,
    "GET /v1/experiments": VIEW_LEARNING,
    "GET /v1/experiments/{trial_id}": VIEW_LEARNING,
    "POST /v1/experiments/{trial_id}/stop": ADMIN,
    "POST /v1/learning/rollback": ADMIN,
    "GET /v1/agents": VIEW_LEARNING,
    "GET /v1/agents/{agent_id}": VIEW_LEARNING,
    "POST /v1/agents:initialize-trust": ADMIN,
    "POST /v1/agents/{agent_id}/reinstate": ADMIN,
    "GET /v1/patterns": VIEW_LEARNING,
    "GET /v1/insights": VIEW_LEARNING,
    "POST /v1/route": needs("serve", role="reviewer"),
    "POST /v1/complete": needs("serve", role="reviewer"),
    "GET /v1/routing/policy": needs("serve", role="viewer"),
    "GET /v1/routing/metrics": needs("serve", role="viewer"),
    "GET /v1/agents/{agent_id}/boost": needs("serve", role="viewer"),
    "POST /v1/search": needs("serve", role="viewer"),
    "POST /v1/metrics": needs("monitor", role="reviewer"),
    "GET /v1/metrics/stats": MONITOR,
    "GET /v1/alerts": MONITOR,
    "POST /v1/alerts/{alert_id}/ack": needs("monitor", role="reviewer"),
    "GET /v1/alert-rules": MONITOR,
    "PUT /v1/alert-rules": ADMIN,
    "GET /v1/models/versions": MONITOR,
    "GET /v1/performance": MONITOR,
    "GET /v1/system/info": MONITOR,
    "GET /v1/settings": MONITOR,
    "PUT /v1/settings": ADMIN,
    "GET /v1/keys": ADMIN,
    "POST /v1/keys": ADMIN,
    "POST /v1/keys/{key_id}/revoke": ADMIN,
    "POST /jobs/retrain": SYSTEM,
    "POST /jobs/sweep": SYSTEM,
    "POST /jobs/backup": SYSTEM,
    "POST /jobs/check": SYSTEM,
    "POST /events/retrain": SYSTEM,
    "POST /events/publish": SYSTEM,
    "POST /events/notify": SYSTEM,
    "POST /events/monitor": SYSTEM,
    "POST /events/dead-letters/{consumer}": SYSTEM,
}
"""What each route asks for: to loosen one, write it here as well, where a reviewer sees it."""


def test_each_route_needs_what_the_table_says():
    found = {}
    for app in apps():
        for (method, path), endpoint in app.endpoints.items():
            assert found.setdefault(f"{method} {path}", endpoint.needs) == endpoint.needs
    assert found == NEEDS


def test_every_alias_answers_to_a_route_of_its_own_function():
    assert len(every_route()) == sum(len(app.endpoints) for app in apps()) + len(ALIASES)


def test_without_a_credential_every_route_but_the_public_ones_is_shut(tmp_path):
    wrong = [
        {},
        {"X-API-Key": "wsk_wrong"},
        {"X-API-Key": ""},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
    ]

    async def scenario(system):
        http = await gateway(system)
        for function, method, path, need in every_route():
            for headers in wrong:
                answer = await send(http, function, method, path, headers)
                if need.public:
                    assert answer.status_code in {200, 404}, path
                else:
                    problem(answer, 401)
                    assert answer.headers["www-authenticate"].startswith("Bearer")

    play(tmp_path, scenario)


def test_every_wrong_scope_and_every_lower_role_is_refused(tmp_path):
    async def scenario(system):
        http = await gateway(system)
        machines = {scope: {"X-API-Key": await system.key(scope)} for scope in SCOPES}
        people = {
            role: {"Authorization": f"Bearer {system.token('eve', role)}"}
            for role in (*ROLES, "system")
        }
        for function, method, path, need in every_route():
            if need.public:
                continue
            for scope, headers in machines.items():
                allowed = not need.system and (scope == "admin" or scope in need.scopes)
                await expect(http, function, method, path, headers, allowed)
            for role, headers in people.items():
                if role == "system":
                    allowed = need.system
                else:
                    allowed = need.role is not None and ROLES.index(role) >= ROLES.index(need.role)
                await expect(http, function, method, path, headers, allowed)

    async def expect(http, function, method, path, headers, allowed):
        answer = await send(http, function, method, path, headers)
        if allowed:
            assert answer.status_code not in {401, 403}, (path, answer.text)
            assert answer.status_code < 500 or path in NO_PROVIDER, (path, answer.text)
        else:
            problem(answer, 403)

    play(tmp_path, scenario)


NO_PROVIDER = {"/v1/complete", "/complete"}


@pytest.mark.parametrize("ended", ["expired", "revoked"])
def test_a_key_that_has_ended_opens_nothing(tmp_path, ended):
    async def scenario(system):
        http = await gateway(system)
        past = "2000-01-01T00:00:00.000000Z"
        key = await system.key("admin", **{ENDINGS[ended]: past})
        for function, method, path, need in every_route():
            if not need.public:
                answer = await send(http, function, method, path, {"X-API-Key": key})
                problem(answer, 401)
                assert ended in answer.json()["detail"]

    play(tmp_path, scenario)


ENDINGS = {"expired": "expires_at", "revoked": "revoked_at"}


def test_a_key_that_is_revoked_over_http_stops_within_seconds(tmp_path):
    async def scenario(system):
        http = await gateway(system, scopes=("admin",))
        made = (await http.post("/v1/keys", json={"name": "x", "scopes": ["serve"]})).json()
        headers = {"X-API-Key": made["secret"]}
        search = {"json": {"text": "anything"}, "headers": headers}
        assert (await http.post("/v1/search", **search)).status_code == 200
        assert (await http.post(f"/v1/keys/{made['key_id']}/revoke")).status_code == 200
        system.clock.advance(6)
        problem(await http.post("/v1/search", **search), 401)

    play(tmp_path, scenario)
