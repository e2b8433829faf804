"""Routing: which model answers what and why, what it costs, and where a prompt would go."""

import asyncio
from collections.abc import Sequence
from typing import Literal

from starlette.responses import Response

from functions.console.charts import (
    Bar,
    BarChart,
    Line,
    LineChart,
    Marker,
    Point,
    Stack,
    StackChart,
)
from functions.console.rendering import render
from functions.console.showing import model_name, snapshot_markers
from functions.console.trials import arm_words
from shared import bootstrap
from shared.messages.base import Command, FilledText, QueryParams
from shared.messages.serving_reading import MetricsParams, RoutingMetrics
from shared.messages.watching import DecisionHistory
from shared.services.serving import policy as reading
from shared.services.serving import watching
from shared.services.snapshots import head_of
from shared.web.pages import PageCall, Pages

pages = Pages()

DRAWN = 5
"""Models that a chart tells apart; the rest are drawn together."""


class RoutingPage(QueryParams):
    """How far back."""

    window: Literal["1h", "24h", "7d", "30d"] = "24h"


class TryForm(Command):
    """A prompt to try."""

    prompt: FilledText


@pages.get("/routing")
async def routing(call: PageCall) -> Response:
    """Shows the policy and what routing has done lately."""
    deps, wanted = bootstrap.deps(), call.query(RoutingPage)
    params = MetricsParams(window=wanted.window)
    table, (figures, history), markers, head = await asyncio.gather(
        reading.policy(deps, call.caller),
        watching.routing_history(deps, call.caller, params),
        snapshot_markers(deps, call.caller),
        head_of(deps, call.caller.workspace),
    )
    return render(
        call,
        "routing.html",
        wanted=wanted,
        table=table,
        trial=head.trial,
        arm_words=arm_words,
        figures=figures,
        charts=[_decisions(history, markers), _money(history, markers), _by_model(figures)],
        model_name=model_name,
    )


@pages.post("/routing/try", role="viewer")
async def try_prompt(call: PageCall) -> Response:
    """Shows where a prompt would go; nothing is recorded."""
    form = call.form(TryForm)
    tried = await watching.try_prompt(bootstrap.deps(), call.caller, form.prompt)
    template = "_tried.html" if call.partial else "tried.html"
    return render(call, template, tried=tried, prompt=form.prompt, model_name=model_name)


def _decisions(history: DecisionHistory, markers: Sequence[Marker]) -> str:
    shown, rest = history.models[:DRAWN], history.models[DRAWN:]
    names = [f"{one.provider}/{one.model}" for one in shown]
    rows = [one.decisions for one in shown]
    if rest:
        names.append(f"{len(rest)} others")
        rows.append([sum(row) for row in zip(*(one.decisions for one in rest), strict=True)])
    stacks = [Stack(at, [row[place] for row in rows]) for place, at in enumerate(history.times)]
    return StackChart(
        "Decisions per model over time",
        "count",
        "decisions",
        names,
        stacks,
        history.step_s,
        markers,
        nothing="Nothing was routed in this window: send POST /v1/route, or choose a longer one.",
    ).draw()


def _money(history: DecisionHistory, markers: Sequence[Marker]) -> str:
    if not sum(history.baseline_cost_usd):
        lines = []
    else:
        lines = [
            Line("what routing cost", _sums(history.times, history.cost_usd)),
            Line("what the baseline would have", _sums(history.times, history.baseline_cost_usd)),
        ]
    return LineChart(
        "Cost against the baseline, added up",
        "usd",
        "US dollars since the start of the window",
        lines,
        markers,
        whole=(0.0, 0.0),
        nothing="No decision in this window has both a cost and a baseline: set prices.",
    ).draw()


def _sums(times: Sequence[str], amounts: Sequence[float]) -> list[Point]:
    points, total = [], 0.0
    for at, amount in zip(times, amounts, strict=True):
        total += amount
        points.append(Point(at, total))
    return points


def _by_model(figures: RoutingMetrics) -> str:
    bars = [
        Bar(
            f"{one.provider}/{one.model} ({one.decisions:,} decisions)",
            [one.cost_usd, one.baseline_cost_usd],
        )
        for one in figures.by_model[:12]
        if one.priced
    ]
    return BarChart(
        "Cost by model",
        "usd",
        "US dollars in the window",
        ["paid", "baseline for the same requests"],
        bars,
        nothing="No decision in this window has both a cost and a baseline: set prices.",
    ).draw()
