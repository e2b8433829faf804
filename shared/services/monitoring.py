"""Monitor: measurements that models send, alerts and their rules, and which versions are around."""

import asyncio
from collections.abc import Sequence

from pydantic import JsonValue

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.alerts import RULES, RuleName, default_rule, runbook
from shared.domain.learning.runs import SNAPSHOTS, LearningHead, SnapshotInfo
from shared.domain.operations import ALERT_RULES, ALERTS, METRIC_POINTS, AlertRule, MetricPoint
from shared.domain.records import Filter, Order
from shared.domain.times import Timestamp, plus
from shared.domain.traffic import percentile
from shared.errors import InvalidInput
from shared.messages.base import Page, PageParams
from shared.messages.monitoring import (
    AlertRules,
    AlertsQuery,
    AlertView,
    ChangeRule,
    ChangeRules,
    LogMetrics,
    MetricsLogged,
    MetricStats,
    MetricValue,
    ModelVersion,
    ModelVersions,
    RuleView,
    SeriesStats,
    SnapshotVersion,
    StatsQuery,
)
from shared.ports import Transaction
from shared.services.alerting import rules_of, view
from shared.services.deps import Deps
from shared.services.snapshots import head_of
from shared.services.unit import audited, once, writable

KEPT_DAYS = 31
"""Days that a measurement is kept; the longest window is 30."""

MAX_READ = 50_000
"""Measurements that one question reads, at most; the newest count."""

MODELS_READ = 5_000

_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400}
_LONGEST_S = 30 * 86_400
_PAGE = 500
_IN_ONE = 400
"""Measurements in the transaction that also writes the audit record; the store takes 500 writes."""


async def log_metrics(
    deps: Deps, caller: Caller, command: LogMetrics, key: IdempotencyKey | None
) -> MetricsLogged:
    """Stores measurements, dated now; they are kept for `KEPT_DAYS` days.

    More than fit into one transaction are two, and the second writes under ids that the first
    gave: a repeated request completes it, and leaves what is there as it is.
    """
    await writable(deps, caller.workspace)
    now = deps.clock.now_text()
    batch_id = deps.ids.new("pts")

    async def first(tx: Transaction) -> MetricsLogged:
        for record in _points(batch_id, now, command.points, 0, _IN_ONE):
            tx.put(METRIC_POINTS, record)
        tx.audit(audited(caller, now, "metrics.logged", batch_id, points=len(command.points)))
        return MetricsLogged(accepted=len(command.points), batch_id=batch_id)

    logged = await once(deps, caller, key, MetricsLogged, first)
    rest = _points(logged.batch_id, now, command.points, _IN_ONE, len(command.points))

    async def second(tx: Transaction) -> None:
        known = await tx.get_many(METRIC_POINTS, [one.id for one in rest])
        for record, there in zip(rest, known, strict=True):
            if there is None:
                tx.put(METRIC_POINTS, record)

    if rest:
        await deps.store.transact(caller.workspace, second)
    return logged


async def metric_stats(deps: Deps, caller: Caller, query: StatsQuery) -> MetricStats:
    """Returns the figures of each series within the window, over the newest `MAX_READ` points.

    Raises:
        InvalidInput: the window is longer than 30 days.
    """
    seconds = int(query.window[:-1]) * _UNITS_S[query.window[-1]]
    if seconds > _LONGEST_S:
        raise InvalidInput.field("?window", "must be at most 30d")
    since = plus(deps.clock.now_text(), -seconds)
    filters = [Filter("at", ">=", since)]
    if query.name is not None:
        filters.append(Filter("name", "==", query.name))
    if query.model is not None:
        filters.append(Filter("model", "==", query.model))
    points, truncated = await _newest(deps, caller.workspace, filters, MAX_READ)
    return MetricStats(
        window=query.window,
        since=since,
        points=len(points),
        truncated=truncated,
        series=await asyncio.to_thread(_series, points),
    )


async def list_alerts(deps: Deps, caller: Caller, query: AlertsQuery) -> Page[AlertView]:
    """Returns alerts, newest first."""
    filters = [
        Filter(name, "==", value)
        for name, value in (("state", query.state), ("severity", query.severity))
        if value is not None
    ]
    page = await deps.store.find(
        caller.workspace,
        ALERTS,
        *filters,
        order=Order("raised_at", descending=True),
        limit=query.limit,
        cursor=query.cursor,
    )
    return Page[AlertView](items=[view(one) for one in page.items], next_cursor=page.next_cursor)


async def list_rules(deps: Deps, caller: Caller) -> AlertRules:
    """Returns every alert rule as the workspace has it."""
    rules = await rules_of(deps, caller.workspace)
    return AlertRules(items=[_rule_view(name, rule) for name, rule in rules.items()])


async def change_rules(
    deps: Deps, caller: Caller, command: ChangeRules, key: IdempotencyKey | None
) -> AlertRules:
    """Changes alert rules, all or none, and returns every rule."""
    await writable(deps, caller.workspace)
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> AlertRules:
        rules = {name: await tx.get(ALERT_RULES, name) or default_rule(name) for name in RULES}
        for change in command.rules:
            before = rules[change.rule]
            after = before.model_copy(update=_changes(change))
            rules[change.rule] = after
            if after != before:
                tx.put(ALERT_RULES, after)
                facts = _before_after(before, after)
                tx.audit(audited(caller, now, "alert_rule.changed", change.rule, **facts))
        return AlertRules(items=[_rule_view(name, rule) for name, rule in rules.items()])

    return await once(deps, caller, key, AlertRules, work)


async def model_versions(deps: Deps, caller: Caller, query: PageParams) -> ModelVersions:
    """Returns the versions of what was learned, and the models that are configured or measured."""
    workspace = caller.workspace
    head = await head_of(deps, workspace)
    page = await deps.store.find(
        workspace,
        SNAPSHOTS,
        order=Order("created_at", descending=True),
        limit=query.limit,
        cursor=query.cursor,
    )
    points, _ = await _newest(deps, workspace, [], MODELS_READ)
    return ModelVersions(
        items=[_snapshot_version(one, head) for one in page.items],
        next_cursor=page.next_cursor,
        current_id=head.current_id,
        current_since=head.current_since,
        models=[*_configured(deps), *_measured(points)],
    )


def _points(
    batch_id: str, now: Timestamp, values: Sequence[MetricValue], start: int, end: int
) -> list[MetricPoint]:
    expires_at = plus(now, KEPT_DAYS * 86_400)
    return [
        MetricPoint(
            id=f"{batch_id}:{start + offset:03d}",
            model=value.model,
            model_version=value.version,
            name=value.name,
            value=value.value,
            labels=value.labels,
            at=now,
            expires_at=expires_at,
        )
        for offset, value in enumerate(values[start:end])
    ]


async def _newest(
    deps: Deps, workspace: str, filters: list[Filter], most: int
) -> tuple[list[MetricPoint], bool]:
    """Returns the newest points that fit, and whether there are more; others get their turn."""
    points: list[MetricPoint] = []
    cursor: str | None = None
    while len(points) < most:
        page = await deps.store.find(
            workspace,
            METRIC_POINTS,
            *filters,
            order=Order("at", descending=True),
            limit=min(_PAGE, most - len(points)),
            cursor=cursor,
        )
        points += page.items
        cursor = page.next_cursor
        if cursor is None:
            return points, False
        await asyncio.sleep(0)
    return points, True


def _series(points: list[MetricPoint]) -> list[SeriesStats]:
    groups: dict[tuple[str, str, str], list[float]] = {}
    for point in points:
        groups.setdefault((point.name, point.model, point.model_version), []).append(point.value)
    return [_stats(*names, sorted(values)) for names, values in sorted(groups.items())]


def _stats(name: str, model: str, version: str, ordered: list[float]) -> SeriesStats:
    count = len(ordered)
    return SeriesStats(
        name=name,
        model=model,
        version=version,
        count=count,
        mean=sum(value / count for value in ordered),
        min=ordered[0],
        max=ordered[-1],
        p50=percentile(ordered, 0.50),
        p95=percentile(ordered, 0.95),
        p99=percentile(ordered, 0.99),
    )


def _changes(change: ChangeRule) -> dict[str, object]:
    given = change.model_dump(include={"threshold", "severity", "enabled"})
    return {name: value for name, value in given.items() if value is not None}


def _before_after(before: AlertRule, after: AlertRule) -> dict[str, JsonValue]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    names = [name for name in old if old[name] != new[name]]
    return {
        "before": {name: old[name] for name in names},
        "after": {name: new[name] for name in names},
    }


def _rule_view(name: RuleName, rule: AlertRule) -> RuleView:
    return RuleView(
        rule=name,
        description=RULES[name].description,
        severity=rule.severity,
        threshold=rule.threshold,
        unit=RULES[name].unit,
        enabled=rule.enabled,
        runbook=runbook(name),
    )


def _snapshot_version(snapshot: SnapshotInfo, head: LearningHead) -> SnapshotVersion:
    current = snapshot.id == head.current_id
    return SnapshotVersion(
        snapshot_id=snapshot.id,
        parent_id=snapshot.parent_id,
        run_id=snapshot.run_id,
        created_at=snapshot.created_at,
        current=current,
        current_since=head.current_since if current else None,
        metrics=snapshot.metrics,
    )


def _configured(deps: Deps) -> list[ModelVersion]:
    return [
        ModelVersion(model=one.model, version=None, provider=one.provider, points=0, last_seen=None)
        for one in deps.catalogue.models
    ]


def _measured(points: list[MetricPoint]) -> list[ModelVersion]:
    """Returns each (model, version) of the points, which come newest first."""
    seen: dict[tuple[str, str], list[Timestamp]] = {}
    for point in points:
        seen.setdefault((point.model, point.model_version), []).append(point.at)
    return [
        ModelVersion(
            model=model, version=version, provider=None, points=len(times), last_seen=times[0]
        )
        for (model, version), times in sorted(seen.items())
    ]
