"""Learning: what the latest cycle changed, what the next would, and the way back."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field, JsonValue
from starlette.responses import RedirectResponse, Response

from functions.console.charts import (
    Bar,
    BarChart,
    Dot,
    Line,
    LineChart,
    Marker,
    Point,
    ScatterChart,
)
from functions.console.rendering import render
from functions.console.showing import model_name, number_of, page_url, short, snapshot_markers
from shared import bootstrap
from shared.domain.learning.config import ModelId
from shared.domain.learning.routing import ModelFigures, PatternPolicy
from shared.messages.base import Command, Identifier, Note, PageParams
from shared.messages.learning import Insights, TrendPoint
from shared.messages.training import RollBack, RunView
from shared.services import learning_status, rolling_back, training
from shared.services.serving.policy import policy
from shared.web.pages import PageCall, Pages

pages = Pages()

RUNS, SNAPSHOTS, TRENDS = 15, 12, 60


class LearningPage(PageParams):
    """Which runs, and what has just been done."""

    limit: int = RUNS
    done: Literal["rolled-back"] | None = None


class Empty(Command):
    """A form without fields."""


class ApplyForm(Command):
    """Apply what the preview showed."""

    reason: Note = Field(min_length=1)
    sure: Literal["yes"]


class RollBackForm(Command):
    """Make an earlier snapshot current."""

    snapshot_id: Identifier
    reason: Note = Field(min_length=1)
    sure: Literal["yes"]


@pages.get("/learning")
async def learning(call: PageCall) -> Response:
    """Shows the latest cycle, trends, runs and snapshots."""
    deps, caller, params = bootstrap.deps(), call.caller, call.query(LearningPage)
    status, insights, runs, trends = await asyncio.gather(
        learning_status.status(deps, caller),
        learning_status.insights(deps, caller),
        training.list_runs(deps, caller, params),
        learning_status.trends(deps, caller, PageParams(limit=TRENDS)),
    )
    snapshots, table, markers = await asyncio.gather(
        learning_status.snapshots(deps, caller, PageParams(limit=SNAPSHOTS)),
        policy(deps, caller),
        snapshot_markers(deps, caller),
    )
    points = list(reversed(trends.items))
    last = next((run for run in runs.items if run.status == "succeeded" and not run.dry_run), None)
    charts = [
        _quality(points, markers),
        _cost(points, markers),
        frontier(table.rows, last),
        _accuracy(insights),
    ]
    return render(
        call,
        "learning.html",
        params=params,
        standing=status,
        insights=insights,
        told=insights.insights,
        runs=runs,
        snapshots=snapshots.items,
        charts=charts,
        number_of=number_of,
        short=short,
        next_url=page_url("/learning", runs.next_cursor),
        first_url="/learning" if params.cursor else None,
    )


@pages.get("/learning/runs/{run_id}")
async def run(call: PageCall) -> Response:
    """Shows one run: its figures before and after, and every change that it kept."""
    found = await training.view_run(bootstrap.deps(), call.caller, call.parts["run_id"])
    return _run_page(call, found)


@pages.post("/learning/preview", role="admin")
async def preview(call: PageCall) -> Response:
    """Previews a run and shows what it would change."""
    call.form(Empty)
    found = await training.start_run(
        bootstrap.deps(), call.caller, "preview in the console", None, dry_run=True
    )
    return _run_page(call, found)


@pages.post("/learning/apply", role="admin")
async def apply(call: PageCall) -> Response:
    """Runs, and shows how it ended."""
    form = call.form(ApplyForm)
    done = await training.start_run(bootstrap.deps(), call.caller, form.reason, None, dry_run=False)
    return RedirectResponse(f"/learning/runs/{done.run_id}", 303)


@pages.post("/learning/rollback", role="admin")
async def rollback(call: PageCall) -> Response:
    """Makes an earlier snapshot current."""
    form = call.form(RollBackForm)
    command = RollBack(snapshot_id=form.snapshot_id, reason=form.reason)
    await rolling_back.roll_back(bootstrap.deps(), call.caller, command, None)
    return RedirectResponse("/learning?done=rolled-back", 303)


def _run_page(call: PageCall, found: RunView) -> Response:
    changes = found.changes_preview
    template = "_run.html" if call.partial else "run.html"
    kinds = {
        kind: [one for one in changes if one.get("kind") == kind]
        for kind in ("routing", "trust", "pattern")
    }
    return render(
        call,
        template,
        run=found,
        kinds=kinds,
        estimates=_estimates(found),
        before_after=_before_after(found),
        model_name=model_name,
        number_of=number_of,
    )


_FIGURES = (
    ("quality", "Mean quality, 1 to 5", "quality"),
    ("correctness", "Correct answers", "share"),
    ("cost_usd", "Cost of a request", "usd"),
    ("coverage", "Traffic with evidence", "share"),
)


def _before_after(found: RunView) -> list[tuple[str, str, JsonValue, JsonValue]]:
    """Returns label, unit, and the figure before and after, of those that either side has."""
    return [
        (label, unit, found.before.get(name), found.after.get(name))
        for name, label, unit in _FIGURES
        if found.before.get(name) is not None or found.after.get(name) is not None
    ]


def _estimates(found: RunView) -> Mapping[str, JsonValue]:
    """Returns what the new policy would have earned on logged traffic, where the run says it."""
    known = found.model_dump(mode="json").get("off_policy") or found.after.get("off_policy")
    return known if isinstance(known, Mapping) else {}


def _quality(points: Sequence[TrendPoint], markers: Sequence[Marker]) -> str:
    rated = [Point(one.at, one.rated_quality) for one in points if one.rated_quality is not None]
    expected = [Point(one.at, one.quality) for one in points if one.quality is not None]
    return LineChart(
        "Quality over the runs",
        "quality",
        "mean quality, 1 to 5",
        [
            Line("rated by users before the run", rated),
            Line("expected of the new policy", expected),
        ],
        markers,
        nothing="No run has read ratings yet: collect some, then preview a run.",
        note="The marks on top are snapshots.",
    ).draw()


def _cost(points: Sequence[TrendPoint], markers: Sequence[Marker]) -> str:
    costs = [Point(one.at, 1000 * one.cost_usd) for one in points if one.cost_usd is not None]
    return LineChart(
        "Expected cost over the runs",
        "usd",
        "US dollars for 1,000 requests",
        [Line("expected cost", costs)],
        markers,
        nothing="No run knows costs yet: set prices for the models.",
        note="The marks on top are snapshots.",
    ).draw()


def frontier(rows: Sequence[PatternPolicy], last: RunView | None) -> str:
    """Returns the plot of cost against quality: models, and the policy before and after."""
    dots = [Dot(str(model), 1000 * cost, quality) for model, cost, quality in pooled(rows)]
    for group, (name, figures) in enumerate(
        (("policy before", last.before), ("policy after", last.after)) if last else (), 1
    ):
        cost, quality = number_of(figures.get("cost_usd")), number_of(figures.get("quality"))
        if cost is not None and quality is not None:
            dots.append(Dot(name, 1000 * cost, quality, group=group, size=1.0))
    return ScatterChart(
        "Cost and quality",
        "usd",
        "US dollars for 1,000 requests",
        "quality",
        "mean quality, 1 to 5",
        dots,
        groups=["a model", "policy before the last run", "policy after it"],
        frontier=True,
        nothing="No model has both ratings and a price yet.",
        note="The line joins the models that no other beats in both cost and quality.",
    ).draw()


def pooled(rows: Sequence[PatternPolicy]) -> list[tuple[ModelId, float, float]]:
    """Returns each model's mean cost and mean quality over the patterns, by effective ratings."""
    found: dict[ModelId, list[ModelFigures]] = {}
    for row in rows:
        for one in row.ranking:
            if one.mean_cost_usd is not None and one.n_effective > 0:
                found.setdefault(one.id, []).append(one)
    result = []
    for model, ones in sorted(found.items()):
        weight = sum(one.n_effective for one in ones)
        cost = sum(one.n_effective * (one.mean_cost_usd or 0.0) for one in ones) / weight
        quality = sum(one.n_effective * one.mean_quality for one in ones) / weight
        result.append((model, cost, quality))
    return result


def _accuracy(insights: Insights) -> str:
    told = insights.insights.get("model_accuracy")
    rows = [one for one in told if isinstance(one, Mapping)] if isinstance(told, list) else []
    bars = [
        Bar(
            f"{model_name(one)} ({number_of(one.get('n')) or 0:,.0f} ratings)",
            [number_of(one.get("correctness"))],
        )
        for one in rows[:12]
    ]
    return BarChart(
        "Accuracy of the models",
        "share",
        "correct answers over all patterns",
        ["correct"],
        bars,
        most=1.0,
        nothing="No run has read ratings yet.",
    ).draw()
