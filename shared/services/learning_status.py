"""Where learning stands, and how it got there: status, snapshots, trends, insights."""

import logging
from collections.abc import Mapping

from pydantic import JsonValue

from shared.domain.access import Caller
from shared.domain.learning.config import TierRule
from shared.domain.learning.runs import RUNS, SNAPSHOTS, SnapshotInfo, TrainingRun
from shared.domain.records import Filter, Order
from shared.domain.times import Timestamp, to_text
from shared.errors import Unavailable
from shared.messages.base import Page, PageParams
from shared.messages.learning import Insights, LearningStatus, SnapshotView, TierBars, TrendPoint
from shared.services.alerting import open_alert
from shared.services.deps import Deps
from shared.services.guarding import ALERT_KEY
from shared.services.leasing import holds
from shared.services.snapshots import head_of, info_of
from shared.services.training import view
from shared.services.unit import settings_of

logger = logging.getLogger("whetstone.learning")

_NEWEST_RUN = Order("requested_at", descending=True)
_REAL = Filter("dry_run", "==", value=False)


async def status(deps: Deps, caller: Caller) -> LearningStatus:
    """Returns where learning stands in the caller's workspace."""
    workspace, config = caller.workspace, deps.options.learning
    settings, head = await settings_of(deps, workspace), await head_of(deps, workspace)
    tip = await info_of(deps, workspace, head.tip_id)
    ratings, outcomes = await deps.analytics.head(workspace)
    runs = await deps.store.find(workspace, RUNS, _REAL, order=_NEWEST_RUN, limit=1)
    now = deps.clock.now()
    return LearningStatus(
        mode=settings.mode,
        learning_stopped=settings.learning_stopped,
        hold=settings.hold,
        current_id=head.current_id,
        current_since=head.current_since,
        previous_id=head.previous_id,
        tip_id=head.tip_id,
        last_run=view(runs.items[0]) if runs.items else None,
        next_run_at=await _next_run(deps),
        held_by=holds(head, to_text(now)),
        ratings_waiting=ratings - (tip.ratings_watermark if tip else 0),
        outcomes_waiting=outcomes - (tip.outcomes_watermark if tip else 0),
        runs_after_feedback=settings.runs_after_feedback,
        runs_after_conversations=settings.runs_after_conversations,
        tiers={"HIGH": _bars(config.high), "MEDIUM": _bars(config.medium)},
        quality_alert=await open_alert(deps, workspace, ALERT_KEY),
    )


async def _next_run(deps: Deps) -> Timestamp | None:
    """Returns when the schedule asks for the next run.

    None where it does not, or does not answer: the rest of the status is worth telling without.
    """
    if deps.schedule is None:
        return None
    try:
        jobs = await deps.schedule.jobs()
    except Unavailable as error:
        logger.warning("schedule.unavailable", extra={"detail": error.detail})
        return None
    return next((job.next_run_at for job in jobs if job.name == "retrain"), None)


async def snapshots(deps: Deps, caller: Caller, params: PageParams) -> Page[SnapshotView]:
    """Returns snapshots, newest first."""
    head = await head_of(deps, caller.workspace)
    found = await deps.store.find(
        caller.workspace,
        SNAPSHOTS,
        order=Order("created_at", descending=True),
        limit=params.limit,
        cursor=params.cursor,
    )
    items = [_snapshot_view(info, head.current_id) for info in found.items]
    return Page(items=items, next_cursor=found.next_cursor)


async def trends(deps: Deps, caller: Caller, params: PageParams) -> Page[TrendPoint]:
    """Returns what each run that succeeded expected of its policy, newest first."""
    found = await deps.store.find(
        caller.workspace,
        RUNS,
        _REAL,
        Filter("status", "==", "succeeded"),
        order=_NEWEST_RUN,
        limit=params.limit,
        cursor=params.cursor,
    )
    return Page(items=[_point(run) for run in found.items], next_cursor=found.next_cursor)


async def insights(deps: Deps, caller: Caller) -> Insights:
    """Returns the latest cycle in words and figures."""
    head = await head_of(deps, caller.workspace)
    info = await info_of(deps, caller.workspace, head.current_id)
    if info is None:
        return Insights(snapshot_id=None, created_at=None, insights={})
    told = info.metrics.get("insights")
    return Insights(
        snapshot_id=info.id,
        created_at=info.created_at,
        insights=told if isinstance(told, dict) else {},
    )


def _bars(tier: TierRule) -> TierBars:
    return TierBars(min_n=tier.n, min_quality=tier.quality, min_correctness=tier.correctness)


def _snapshot_view(info: SnapshotInfo, current_id: str | None) -> SnapshotView:
    fields = info.model_dump(exclude={"id", "blob_key", "state_key"})
    return SnapshotView(snapshot_id=info.id, current=info.id == current_id, **fields)


def _point(run: TrainingRun) -> TrendPoint:
    return TrendPoint(
        run_id=run.id,
        at=run.requested_at,
        snapshot_id=run.snapshot_id,
        quality=_mean(run.after, "quality"),
        correctness=_mean(run.after, "correctness"),
        cost_usd=_number(run.after.get("cost_usd")),
        coverage=_number(run.after.get("coverage")),
        rated_quality=_number(run.rated.get("quality")),
        rated_correctness=_number(run.rated.get("correctness")),
        ratings_read=run.ratings_read,
    )


def _mean(figures: Mapping[str, JsonValue], name: str) -> float | None:
    estimate = figures.get(name)
    return _number(estimate.get("mean")) if isinstance(estimate, dict) else None


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) else None
