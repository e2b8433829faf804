"""Learning: what the latest cycle changed, what the next would, and the way back."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, JsonValue
from starlette.responses import RedirectResponse, Response

from functions.console import learning_charts, trials
from functions.console.rendering import render
from functions.console.showing import model_name, number_of, page_url, short, snapshot_markers
from shared import bootstrap
from shared.messages.base import Command, Identifier, Note, PageParams, PageSize
from shared.messages.learning import (
    DriftChangeView,
    DriftPage,
    DriftView,
)
from shared.messages.training import RollBack, RunView
from shared.services import drift_status, learning_status, rolling_back, run_changes, training
from shared.services.serving.policy import policy
from shared.web.pages import PageCall, Pages

pages = Pages()

RUNS, SNAPSHOTS, TRENDS, CHANGES = 15, 12, 60, 8


class LearningPage(PageParams):
    """Which runs, and what has just been done."""

    limit: PageSize = RUNS
    done: Literal["rolled-back", "promoted", "reverted", "lifted"] | None = None


class RunPage(PageParams):
    """Which of a run's changes."""

    limit: PageSize = 100


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


@dataclass(frozen=True, slots=True)
class Drift:
    """Models that have fallen or look so, and the changes that were proven, newest first."""

    standing: list[DriftView]
    changes: list[DriftChangeView]


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
    snapshots, table, markers, canaries = await asyncio.gather(
        learning_status.snapshots(deps, caller, PageParams(limit=SNAPSHOTS)),
        policy(deps, caller),
        snapshot_markers(deps, caller),
        trials.canaries_of(call),
    )
    drift = await _drift(call)
    points = list(reversed(trends.items))
    last = next((run for run in runs.items if run.status == "succeeded" and not run.dry_run), None)
    charts = [
        learning_charts.quality(points, markers),
        learning_charts.cost(points, markers),
        learning_charts.frontier(table.rows, last),
        learning_charts.accuracy(insights),
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
        canaries=canaries,
        drift=drift,
        states=trials.STATES,
        metric_names=trials.METRICS,
        arm_words=trials.arm_words,
        number_of=number_of,
        short=short,
        next_url=page_url("/learning", runs.next_cursor),
        first_url="/learning" if params.cursor else None,
    )


@pages.get("/learning/runs/{run_id}")
async def run(call: PageCall) -> Response:
    """Shows one run: its figures before and after, and a page of its changes."""
    deps, params, run_id = bootstrap.deps(), call.query(RunPage), call.parts["run_id"]
    found, told = await asyncio.gather(
        training.view_run(deps, call.caller, run_id),
        run_changes.list_changes(deps, call.caller, run_id, params),
    )
    shown = found.model_copy(update={"changes_preview": told.items})
    return await _run_page(call, shown, told.next_cursor, first=params.cursor is None)


@pages.post("/learning/preview", role="admin")
async def preview(call: PageCall) -> Response:
    """Previews a run and shows what it would change."""
    call.form(Empty)
    found = await training.start_run(
        bootstrap.deps(), call.caller, "preview in the console", None, dry_run=True
    )
    return await _run_page(call, found)


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


async def _drift(call: PageCall) -> Drift:
    deps, caller = bootstrap.deps(), call.caller
    fallen, unproven, changes = await asyncio.gather(
        drift_status.drift(deps, caller, DriftPage(status="fallen", limit=CHANGES)),
        drift_status.drift(deps, caller, DriftPage(status="unproven", limit=CHANGES)),
        drift_status.changes(deps, caller, PageParams(limit=CHANGES)),
    )
    return Drift([*fallen.items, *unproven.items], changes.items)


async def _run_page(
    call: PageCall, found: RunView, next_cursor: str | None = None, *, first: bool = True
) -> Response:
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
        canary=None if found.dry_run else await trials.canary_for(call, found.snapshot_id),
        kinds=kinds,
        estimates=_estimates(found),
        before_after=_before_after(found),
        next_url=page_url(f"/learning/runs/{found.run_id}", next_cursor),
        first_url=None if first else f"/learning/runs/{found.run_id}",
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
