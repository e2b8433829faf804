"""Canaries and experiments: what is tried on a share of the traffic, how it does, and its end."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field
from starlette.responses import RedirectResponse, Response

from functions.console.charts import Interval, IntervalChart
from functions.console.rendering import render
from functions.console.showing import page_url, short
from shared import bootstrap
from shared.domain.learning.trials import Arm, Comparison, Guardrail, Metric
from shared.domain.times import seconds_between
from shared.errors import InvalidInput
from shared.messages.base import Command, Identifier, Name, Note, PageParams, PageSize
from shared.messages.trials import (
    EndCanary,
    LiftQuarantine,
    NewArm,
    RevertCanary,
    StartExperiment,
    StopExperiment,
    TrialView,
)
from shared.services import canarying, experimenting, learning_status
from shared.services.serving.policy import policy
from shared.services.unit import settings_of
from shared.web.pages import PageCall, Pages

pages = Pages()

TRIALS = 10
PROVEN = 20.0
"""E-value from which a difference is told: a false word then comes once in 20 trials at most."""

METRICS: dict[Metric, str] = {
    "quality": "Mean quality",
    "correctness": "Correct answers",
    "value": "Value (quality and correctness)",
    "cost": "Cost of a request",
    "latency": "Latency",
    "error_share": "Requests that failed",
}
STATES = {
    "running": ("running", "fair"),
    "promoted": ("promoted", "good"),
    "reverted": ("taken back", "poor"),
    "undecided": ("undecided", ""),
    "stopped": ("stopped", "fair"),
    "ended": ("ended", ""),
}
"""How each state is called, and its tone."""


class ExperimentsPage(PageParams):
    """Which experiments."""

    limit: PageSize = TRIALS
    done: Literal["started", "stopped"] | None = None


class EndForm(Command):
    """End a canary by hand."""

    reason: Note = Field(min_length=1)
    sure: Literal["yes"]
    quarantine: Literal["yes"] | None = None


class LiftForm(Command):
    """Let a snapshot become current again."""

    reason: Note = Field(min_length=1)
    sure: Literal["yes"]


class StartForm(Command):
    """Try two things against each other; a side is `snapshot:<id>` or `model:<provider>/<model>`.

    `share` is of all traffic, half of it for each side.
    """

    name: Name
    first: str = Field(min_length=1, max_length=500)
    second: str = Field(min_length=1, max_length=500)
    share: float = Field(gt=0, le=1)
    metric: Metric
    limit: float | None = Field(default=None, ge=0, le=10)
    max_days: float = Field(gt=0, le=90)


class StopForm(Command):
    """Stop an experiment."""

    reason: Note = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Shown:
    """A trial as pages show it; `passed` is the share of its time that is over."""

    trial: TrialView
    passed: float
    chart: str
    verdicts: list[str]


@dataclass(frozen=True, slots=True)
class Canaries:
    """The canary that runs and the one before; `share` of the traffic tries what a run learns."""

    running: Shown | None
    last: Shown | None
    share: float


@pages.get("/learning/experiments")
async def experiments(call: PageCall) -> Response:
    """Shows experiments, newest first, and starts another."""
    deps, wanted = bootstrap.deps(), call.query(ExperimentsPage)
    found, canary, table, snapshots = await asyncio.gather(
        experimenting.list_experiments(deps, call.caller, wanted),
        canarying.status(deps, call.caller),
        policy(deps, call.caller),
        learning_status.snapshots(deps, call.caller, PageParams(limit=8)),
    )
    now = deps.clock.now_text()
    return render(
        call,
        "experiments.html",
        wanted=wanted,
        trials=[shown(one, now) for one in found.items],
        canary=canary.running,
        snapshots=snapshots.items,
        models=table.models,
        next_url=page_url("/learning/experiments", found.next_cursor),
        first_url="/learning/experiments" if wanted.cursor else None,
        states=STATES,
        metric_names=METRICS,
        arm_words=arm_words,
    )


@pages.post("/learning/experiments", role="admin")
async def start(call: PageCall) -> Response:
    """Starts an experiment."""
    form = call.form(StartForm)
    limits = [Guardrail(metric="correctness", limit=form.limit)] if form.limit is not None else []
    arms = [
        arm_of(one, form.share / 2, place) for place, one in enumerate((form.first, form.second))
    ]
    command = StartExperiment(
        name=form.name, arms=arms, metric=form.metric, guardrails=limits, max_days=form.max_days
    )
    await experimenting.start(bootstrap.deps(), call.caller, command, None)
    return RedirectResponse("/learning/experiments?done=started", 303)


@pages.post("/learning/experiments/{trial_id}/stop", role="admin")
async def stop(call: PageCall) -> Response:
    """Stops an experiment."""
    command = StopExperiment(reason=call.form(StopForm).reason)
    await experimenting.stop(bootstrap.deps(), call.caller, call.parts["trial_id"], command, None)
    return RedirectResponse("/learning/experiments?done=stopped", 303)


@pages.post("/learning/canary/promote", role="admin")
async def promote(call: PageCall) -> Response:
    """Makes the canary's snapshot current, whatever the evidence says."""
    command = EndCanary(reason=call.form(EndForm).reason)
    await canarying.promote(bootstrap.deps(), call.caller, command, None)
    return RedirectResponse("/learning?done=promoted", 303)


@pages.post("/learning/canary/revert", role="admin")
async def revert(call: PageCall) -> Response:
    """Ends the canary; all traffic is served what is current."""
    form = call.form(EndForm)
    command = RevertCanary(reason=form.reason, quarantine=form.quarantine is not None)
    await canarying.revert(bootstrap.deps(), call.caller, command, None)
    return RedirectResponse("/learning?done=reverted", 303)


@pages.post("/learning/snapshots/{snapshot_id}/lift-quarantine", role="admin")
async def lift_quarantine(call: PageCall) -> Response:
    """Lets a snapshot become current again."""
    command = LiftQuarantine(reason=call.form(LiftForm).reason)
    snapshot_id: Identifier = call.parts["snapshot_id"]
    await canarying.lift_quarantine(bootstrap.deps(), call.caller, snapshot_id, command, None)
    return RedirectResponse("/learning?done=lifted", 303)


async def canaries_of(call: PageCall) -> Canaries:
    """Returns what the page Learning shows of canaries."""
    deps = bootstrap.deps()
    status = await canarying.status(deps, call.caller)
    settings = await settings_of(deps, call.caller.workspace)
    now = deps.clock.now_text()
    return Canaries(
        shown(status.running, now) if status.running else None,
        shown(status.last, now) if status.last else None,
        settings.canary_share,
    )


async def canary_for(call: PageCall, snapshot_id: str | None) -> TrialView | None:
    """Returns the canary that tries a snapshot, or tried it last; None where none did."""
    status = await canarying.status(bootstrap.deps(), call.caller)
    known = [one for one in (status.running, status.last) if one is not None]
    return next((one for one in known if one.arms[-1].snapshot_id == snapshot_id), None)


def shown(trial: TrialView, now: str) -> Shown:
    """Returns a trial with its chart, how far its time has gone, and each finding in a word."""
    whole = seconds_between(trial.started_at, trial.ends_at)
    gone = seconds_between(trial.started_at, trial.ended_at or now)
    return Shown(
        trial,
        min(1.0, gone / whole) if whole else 1.0,
        _chart(trial.findings),
        [verdict(one) for one in trial.findings],
    )


def verdict(one: Comparison) -> str:
    """Returns what is known of an arm by one metric."""
    if one.mean is None or one.first_mean is None:
        return "no figures yet"
    if one.better >= PROVEN:
        return "better"
    return "worse" if one.worse >= PROVEN else "no difference proven"


def arm_of(chosen: str, share: float, place: int) -> NewArm:
    """Returns one side of an experiment from what its form names.

    Raises:
        InvalidInput: that is neither a snapshot nor a model.
    """
    kind, _, rest = chosen.partition(":")
    name = f"{'ab'[place]}-{re.sub(r'[^a-z0-9]+', '-', rest.lower()).strip('-')}"[:40].rstrip("-")
    if kind == "snapshot" and rest:
        return NewArm(name=name, share=share, snapshot_id=rest)
    provider, _, model = rest.partition("/")
    if kind != "model" or not provider or not model:
        raise InvalidInput.field(f"/{('first', 'second')[place]}", "choose one of the list")
    return NewArm(name=name, share=share, provider=provider, model=model)


def arm_words(arm: Arm) -> str:
    """Returns what answers on one side."""
    if arm.model is not None:
        return f"{arm.provider}/{arm.model}"
    return f"snapshot {short(arm.snapshot_id)}" if arm.snapshot_id else "the default policy"


def _chart(findings: Sequence[Comparison]) -> str:
    """Returns differences relative to the first arm, so that metrics of any unit share one axis."""
    rows = [
        Interval(
            f"{METRICS[one.metric]}, {one.arm}",
            (one.mean - one.first_mean) / one.first_mean,
            None if one.low is None else one.low / one.first_mean,
            None if one.high is None else one.high / one.first_mean,
        )
        for one in findings
        if one.mean is not None and one.first_mean
    ]
    return IntervalChart(
        "Difference to the first side, with intervals that hold at every look",
        "share",
        "difference, relative to the first side",
        rows,
        nothing="Ratings decide, and none has come yet.",
        note="An interval that does not touch the middle is a difference. "
        "Of cost, latency and failures less is better.",
    ).draw()
