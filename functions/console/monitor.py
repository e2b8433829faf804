"""Monitor: whether everything works, what is wrong, and who did what."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field
from starlette.responses import RedirectResponse, Response

from functions.console.charts import Bar, BarChart, Line, LineChart, Marker, Point
from functions.console.rendering import render
from functions.console.showing import page_url, snapshot_markers
from shared import bootstrap
from shared.messages.auditing import AuditParams
from shared.messages.base import Command, Identifier
from shared.messages.events import FunctionName
from shared.messages.monitoring import AlertsQuery, PerformanceView, StatsQuery
from shared.messages.watching import MetricHistory, ReplayLetters
from shared.services import (
    alerting,
    auditing,
    dead_letters,
    metric_history,
    monitoring,
    performing,
)
from shared.web import health, telemetry
from shared.web.pages import PageCall, Pages
from shared.web.roll_call import Present, roll_call

pages = Pages()

ROUTES, SERIES = 10, 6
_ALERTS = 50

SEVERITIES = {"critical": "poor", "warning": "fair", "info": ""}

STATES = {
    "ok": ("ok", "good"),
    "degraded": ("degraded", "poor"),
    "silent": ("no answer", "poor"),
    "unasked": ("not asked", ""),
}
"""What each function's state is called, and its tone."""

AMISS = frozenset({"degraded", "silent"})


@dataclass(slots=True)
class Watched:
    """Which functions share this process; the console's main module says so."""

    functions: Callable[[], Sequence[FunctionName]] = tuple


WATCHED = Watched()


class MonitorPage(StatsQuery):
    """How far back measurements go, and what has just been done."""

    window: Literal["15m", "1h", "24h", "7d"] = "24h"
    done: Literal["acknowledged", "replayed"] | None = None


class AuditPage(AuditParams):
    """Which records."""

    limit: int = Field(default=50, ge=1, le=200)


class Empty(Command):
    """A form without fields."""


class ReplayForm(Command):
    """Which dead letters shall be tried again."""

    ids: list[Identifier] = Field(default_factory=list)


@pages.get("/monitor")
async def monitor(call: PageCall) -> Response:
    """Shows health, latency, measurements, alerts and dead letters."""
    deps, gate, wanted = bootstrap.deps(), bootstrap.gate(), call.query(MonitorPage)
    query = StatsQuery(window=wanted.window, name=wanted.name, model=wanted.model)
    present, alerts, letters, history, markers = await asyncio.gather(
        _roll_call(gate),
        monitoring.list_alerts(deps, call.caller, AlertsQuery(limit=_ALERTS)),
        dead_letters.list_dead_letters(deps, call.caller),
        metric_history.metric_history(deps, call.caller, query),
        snapshot_markers(deps, call.caller),
    )
    traffic = performing.performance(
        gate.started_at, telemetry.route_traffic(), telemetry.search_traffic()
    )
    return render(
        call,
        "monitor.html",
        wanted=wanted,
        present=present,
        version=gate.version,
        states=STATES,
        amiss=[one.function for one in present if one.status in AMISS],
        apart={one.function for one in present} - set(WATCHED.functions()),
        letters_of=Counter(one.consumer for one in letters),
        alerts=[one for one in alerts.items if one.state != "resolved"],
        resolved=[one for one in alerts.items if one.state == "resolved"],
        letters=letters,
        traffic=traffic,
        charts=[_latency(traffic), _errors(traffic)],
        measured=_measured(history, markers),
        severities=SEVERITIES,
    )


@pages.post("/monitor/alerts/{alert_id}/ack", role="reviewer")
async def acknowledge(call: PageCall) -> Response:
    """Notes that whoever asks looks after an alert."""
    call.form(Empty)
    await alerting.acknowledge(bootstrap.deps(), call.caller, call.parts["alert_id"], None)
    return RedirectResponse("/monitor?done=acknowledged", 303)


@pages.post("/monitor/dead-letters/replay", role="admin")
async def replay(call: PageCall) -> Response:
    """Gives dead letters their tries back."""
    form = call.form(ReplayForm)
    if form.ids:
        command = ReplayLetters(ids=form.ids)
        await dead_letters.replay_dead_letters(bootstrap.deps(), call.caller, command)
    return RedirectResponse("/monitor?done=replayed" if form.ids else "/monitor", 303)


@pages.get("/monitor/audit")
async def audit(call: PageCall) -> Response:
    """Shows the audit log."""
    wanted = call.query(AuditPage)
    found = await auditing.list_audit(bootstrap.deps(), call.caller, wanted)
    fields = wanted.model_dump(include={"action", "subject", "actor"})
    return render(
        call,
        "audit.html",
        wanted=wanted,
        found=found,
        verified=None,
        next_url=page_url("/monitor/audit", found.next_cursor, **fields),
        first_url="/monitor/audit" if wanted.cursor else None,
    )


@pages.post("/monitor/audit/verify", role="viewer")
async def verify(call: PageCall) -> Response:
    """Checks the chain of the audit log from its first record."""
    call.form(Empty)
    verified = await auditing.verify_audit(bootstrap.deps(), call.caller.workspace)
    template = "_verified.html" if call.partial else "verified.html"
    return render(call, template, verified=verified)


async def _roll_call(gate: bootstrap.WebGate) -> list[Present]:
    own = await health.report("console", gate.version, gate.checks, WATCHED.functions())
    return await roll_call(own, bootstrap.asks())


def _latency(traffic: PerformanceView) -> str:
    timed = [one for one in traffic.routes if one.p95_ms is not None]
    routes = sorted(timed, key=lambda one: -(one.p95_ms or 0.0))
    bars = [
        Bar(f"{one.method} {one.route} ({one.requests:,})", [one.p50_ms, one.p95_ms, one.p99_ms])
        for one in routes[:ROUTES]
    ]
    return BarChart(
        "Latency of the slowest routes",
        "ms",
        "milliseconds, since the start of this process",
        ["p50", "p95", "p99"],
        bars,
        nothing="No request was answered yet.",
    ).draw()


def _errors(traffic: PerformanceView) -> str:
    routes = sorted(traffic.routes, key=lambda one: (-one.error_share, -one.requests))
    bars = [
        Bar(f"{one.method} {one.route} ({one.requests:,} requests)", [one.error_share])
        for one in routes[:ROUTES]
        if one.error_share
    ]
    return BarChart(
        "Errors",
        "share",
        "share of requests answered with 5xx, since the start of this process",
        ["errors"],
        bars,
        nothing="No request was answered with an error of ours (5xx).",
    ).draw()


def _measured(history: MetricHistory, markers: Sequence[Marker]) -> list[str]:
    """Returns one chart for each measurement that models sent, a line for each version."""
    charts: list[str] = []
    for name in list(dict.fromkeys(one.name for one in history.series))[:SERIES]:
        series = [one for one in history.series if one.name == name][:SERIES]
        lines = [
            Line(
                f"{one.model} {one.version}",
                [Point(point.at, point.mean, point.low, point.high) for point in one.points],
            )
            for one in series
        ]
        charts.append(
            LineChart(
                name,
                "ms" if name.endswith("_ms") else "number",
                f"{name}, mean with its extremes",
                lines,
                markers,
            ).draw()
        )
    return charts
