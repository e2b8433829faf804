"""The API's tables as requests: one row for each way to ask that they name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.world import World

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
TRIAL = "trial_id kind state arms metric findings words outcome receipt"

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
        "/v1/knowledge/rollback",
        200,
        "version from_version changes waiting",
        const(version=0, reason="A bad source.", dry_run=True),
        World.approved,
        holds=lambda a: a["dry_run"] is True,
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
    Row("GET", "/v1/raters", 200, PAGE, makes=World.rater),
    Row(
        "POST",
        "/v1/raters/{}/set-aside",
        200,
        "rater_id state settled",
        const(reason="A script."),
        makes=World.rater,
        holds=lambda a: a["state"] == "aside" and a["settled"],
    ),
    Row(
        "POST",
        "/v1/raters/{}/put-back",
        200,
        "rater_id state settled",
        const(reason="No script."),
        makes=World.rater_set_aside,
        holds=lambda a: a["state"] == "new" and a["settled"],
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
    Row("GET", "/v1/learning/runs/{}", 200, RUN, makes=World.run_id),
    Row("GET", "/v1/learning/runs/{}/changes", 200, f"{PAGE} total", makes=World.run_id),
    Row("GET", "/v1/learning/snapshots", 200, PAGE, makes=World.run, holds=lambda a: a["items"]),
    Row("GET", "/v1/learning/trends", 200, PAGE, makes=World.run, holds=lambda a: a["items"]),
    Row("GET", "/v1/learning/drift", 200, PAGE, makes=World.run, holds=lambda a: a["items"]),
    Row("GET", "/v1/learning/drift/changes", 200, PAGE, makes=World.run),
    Row(
        "POST",
        "/v1/learning/rollback",
        200,
        "snapshot_id previous_id hold",
        lambda w: {"snapshot_id": w.earlier_snapshot(), "reason": "quality fell"},
    ),
    Row(
        "GET",
        "/v1/learning/canary",
        200,
        "running last",
        None,
        World.canary,
        holds=lambda a: a["running"]["state"] == "running",
    ),
    Row(
        "POST",
        "/v1/learning/canary/promote",
        200,
        TRIAL,
        const(reason="looked at by hand"),
        World.canary,
        holds=lambda a: a["state"] == "promoted" and a["receipt"],
    ),
    Row(
        "POST",
        "/v1/learning/canary/revert",
        200,
        TRIAL,
        const(reason="answers are too long", quarantine=False),
        World.canary,
        holds=lambda a: a["state"] == "reverted",
    ),
    Row(
        "POST",
        "/v1/learning/snapshots/{}/lift-quarantine",
        200,
        "snapshot_id quarantine",
        const(reason="the ratings came from one broken client"),
        World.quarantined,
    ),
    Row(
        "POST",
        "/v1/experiments",
        201,
        TRIAL,
        lambda w: w.fresh_experiment(),
        holds=lambda a: a["state"] == "running",
    ),
    Row("GET", "/v1/experiments", 200, PAGE, None, World.experiment, holds=lambda a: a["items"]),
    Row("GET", "/v1/experiments/{}", 200, TRIAL, None, World.experiment),
    Row(
        "POST",
        "/v1/experiments/{}/stop",
        200,
        TRIAL,
        const(reason="we know enough"),
        World.experiment,
        holds=lambda a: a["state"] == "stopped",
    ),
    Row("GET", "/v1/agents", 200, PAGE, makes=World.agent, holds=lambda a: a["items"]),
    Row("GET", "/v1/agents/{}", 200, "agent_id trust by_type", makes=World.agent),
    Row(
        "POST",
        "/v1/agents/{}/reinstate",
        200,
        "agent_id reinstated_at n judged_at_n",
        const(reason="its prompt was repaired"),
        World.disabled_agent,
        holds=lambda a: a["judged_at_n"] == a["n"] + 10,
    ),
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
