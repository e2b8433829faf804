"""Monitor: measurements, alerts, versions, settings and keys, and the jobs that look after it."""

from starlette.responses import Response

from shared import bootstrap
from shared.config import VERSION
from shared.domain.traffic import total
from shared.errors import InvalidInput
from shared.messages.access import ChangeSettings, CreateKey, KeyCreated, KeyView, SettingsView
from shared.messages.base import Page, PageParams
from shared.messages.events import Event
from shared.messages.monitoring import (
    AlertRules,
    AlertsQuery,
    AlertView,
    ChangeRules,
    ChecksRun,
    LogMetrics,
    MetricsLogged,
    MetricStats,
    ModelVersions,
    PerformanceView,
    StatsQuery,
    SystemInfo,
)
from shared.services import (
    access,
    alerting,
    burying,
    checking,
    drifting,
    guarding,
    monitoring,
    performing,
    raters,
    relaying,
    watching_trials,
)
from shared.services.backup import daily
from shared.services.backup.daily import BackupDone
from shared.services.burying import DeadLetterTaken
from shared.services.relaying import Swept
from shared.web import docs, events, openapi, telemetry
from shared.web.app import Api
from shared.web.cloud import cloud_function
from shared.web.endpoint import Call
from shared.web.guard import PUBLIC, SYSTEM, needs

app = Api("monitor", bootstrap.gate)

READER = needs("monitor", role="viewer")
WRITER = needs("monitor", role="reviewer")
ADMIN = needs("admin", role="admin")

TRAFFIC = checking.TrafficWatch()
"""What this process has counted up to the last check."""


@app.endpoint("POST", "/v1/metrics", needs=WRITER, status=202)
async def log_metrics(call: Call, body: LogMetrics) -> MetricsLogged:
    """Log measurements of models: up to 500 points, or a single one. They are kept for 31 days."""
    return await monitoring.log_metrics(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("GET", "/v1/metrics/stats", needs=READER)
async def metric_stats(call: Call, query: StatsQuery) -> MetricStats:
    """Count, mean, least, greatest and percentiles of each series within a window."""
    return await monitoring.metric_stats(bootstrap.deps(), call.caller, query)


@app.endpoint("GET", "/v1/alerts", needs=READER)
async def list_alerts(call: Call, query: AlertsQuery) -> Page[AlertView]:
    """List alerts, newest first."""
    return await monitoring.list_alerts(bootstrap.deps(), call.caller, query)


@app.endpoint("POST", "/v1/alerts/{alert_id}/ack", needs=WRITER, answers=[409])
async def acknowledge_alert(call: Call, alert_id: str) -> AlertView:
    """Say that you look after an alert; the first to say so stays named."""
    return await alerting.acknowledge(bootstrap.deps(), call.caller, alert_id, call.key)


@app.endpoint("GET", "/v1/alert-rules", needs=READER)
async def list_alert_rules(call: Call) -> AlertRules:
    """Read every alert rule: when it fires, how severe it is, whether it is on."""
    return await monitoring.list_rules(bootstrap.deps(), call.caller)


@app.endpoint("PUT", "/v1/alert-rules", needs=ADMIN)
async def change_alert_rules(call: Call, body: ChangeRules) -> AlertRules:
    """Change thresholds and severities, and turn rules on and off; all or none."""
    return await monitoring.change_rules(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("GET", "/v1/models/versions", needs=READER)
async def model_versions(call: Call, query: PageParams) -> ModelVersions:
    """List the versions of what was learned, which is current since when, and the models."""
    return await monitoring.model_versions(bootstrap.deps(), call.caller, query)


@app.endpoint("GET", "/v1/performance", needs=READER)
async def performance(call: Call) -> PerformanceView:  # noqa: ARG001 -- of the process, not the workspace
    """Read latencies and hit rates of this process since it started, by route and search tier."""
    since = bootstrap.gate().started_at
    return performing.performance(since, telemetry.route_traffic(), telemetry.search_traffic())


@app.endpoint("GET", "/v1/system/info", needs=READER)
async def system_info(call: Call) -> SystemInfo:  # noqa: ARG001 -- of the process, not the workspace
    """Read what runs: version, commit, and the configuration without secrets."""
    return bootstrap.system_info()


@app.endpoint("GET", "/v1/settings", needs=READER)
async def view_settings(call: Call) -> SettingsView:
    """Read the workspace's settings."""
    return await access.view_settings(bootstrap.deps(), call.caller)


@app.endpoint("PUT", "/v1/settings", needs=ADMIN)
async def change_settings(call: Call, body: ChangeSettings) -> SettingsView:
    """Change the workspace's settings and kill switches; what is left out stays."""
    return await access.change_settings(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("GET", "/v1/keys", needs=ADMIN)
async def list_keys(call: Call, query: PageParams) -> Page[KeyView]:
    """List the workspace's API keys, newest first, without their secrets."""
    return await access.list_keys(bootstrap.deps(), call.caller, query)


@app.endpoint("POST", "/v1/keys", needs=ADMIN, status=201)
async def create_key(call: Call, body: CreateKey) -> KeyCreated:
    """Make an API key. Its secret is in this answer and nowhere else."""
    return await access.create_key(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("POST", "/v1/keys/{key_id}/revoke", needs=ADMIN)
async def revoke_key(call: Call, key_id: str) -> KeyView:
    """End an API key for good, everywhere within seconds."""
    return await access.revoke_key(bootstrap.deps(), call.caller, key_id, call.key)


@app.endpoint("POST", "/jobs/sweep", needs=SYSTEM)
async def sweep(call: Call) -> Swept:  # noqa: ARG001 -- for all workspaces
    """Publish events that wait, try due deliveries again, delete what has expired."""
    return await relaying.sweep(bootstrap.deps())


@app.endpoint("POST", "/jobs/check", needs=SYSTEM)
async def check(call: Call) -> ChecksRun:  # noqa: ARG001 -- for all workspaces
    """Look at every alert rule of every workspace, raise alerts and resolve them."""
    recent = TRAFFIC.look(total(telemetry.route_traffic().values()))
    looks = (drifting.look, watching_trials.look, raters.look, guarding.check_quality)
    done = await checking.check(bootstrap.deps(), recent, looks)
    telemetry.observe_index(done.largest_index_bytes)
    return done


@app.endpoint("POST", "/jobs/backup", needs=SYSTEM)
async def back_up(call: Call) -> BackupDone:  # noqa: ARG001 -- of all workspaces
    """Take the daily backup, or go on with it, where a place is set; remove what is too old."""
    chosen = bootstrap.settings().backup
    return await daily.back_up(bootstrap.deps(), VERSION, chosen.budget_s, chosen.keep_days)


@app.endpoint("GET", "/openapi.json", needs=PUBLIC)
async def openapi_document(call: Call) -> Response:  # noqa: ARG001 -- public
    """Read the description of the whole API (OpenAPI 3.1)."""
    return Response(openapi.document(), media_type="application/json")


@app.endpoint("GET", "/docs", needs=PUBLIC, media={"text/html": {"schema": {"type": "string"}}})
async def api_pages(call: Call) -> Response:  # noqa: ARG001 -- public
    """Read the same as pages, and try requests."""
    return docs.page()


@app.endpoint(
    "GET", "/docs/assets/{name}", needs=PUBLIC, media={"*/*": {"schema": {"type": "string"}}}
)
async def api_page_asset(call: Call, name: str) -> Response:  # noqa: ARG001 -- public
    """Load a file of these pages."""
    return docs.asset(name)


@app.endpoint("POST", "/events/dead-letters/{consumer}", needs=SYSTEM)
async def take_dead_letter(call: Call, consumer: str, body: bytes) -> DeadLetterTaken:
    """Record an event that Pub/Sub gave up for a consumer, to be listed and replayed."""
    try:
        got = events.receive(call.request_headers, body)
    except InvalidInput as error:
        return burying.leave(consumer, error)
    return await burying.take(bootstrap.deps(), consumer, got.event, got.attempt)


@app.consumer
async def on_event(event: Event) -> None:
    """Closes alerts that a finished run makes untrue."""
    await checking.on_learning(bootstrap.deps(), event)


monitor = cloud_function(app, bootstrap.start)
