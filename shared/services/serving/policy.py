"""What routing does now, and what it has done lately."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from shared.domain.access import Caller
from shared.domain.feedback import ROUTING_DECISIONS, RoutingDecision
from shared.domain.learning.config import ModelId
from shared.domain.records import Filter, Order
from shared.domain.times import Timestamp, plus
from shared.messages.serving_reading import (
    ListedModel,
    MetricsParams,
    ModelMetrics,
    PatternMetrics,
    PolicyView,
    RoutingFigures,
    RoutingMetrics,
)
from shared.services.deps import Deps
from shared.services.serving.current import current_view

MAX_DECISIONS = 10_000
"""Decisions that one answer counts; a counter instead would make every decision write to it."""

K = TypeVar("K", ModelId, str)

_PAGE = 250
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}


async def policy(deps: Deps, caller: Caller) -> PolicyView:
    """Returns the routing table in use."""
    view = await current_view(deps, caller.workspace)
    return PolicyView(
        snapshot_id=view.snapshot_id,
        since=view.since,
        as_of=view.snapshot.as_of if view.snapshot else None,
        unreadable_snapshot_id=view.unreadable_id,
        default_model=view.policy.default_model,
        exploration_rate=deps.options.learning.exploration_rate,
        models=[
            ListedModel(
                provider=model.provider,
                model=model.model,
                usd_per_m_input=price.usd_per_m_input,
                usd_per_m_output=price.usd_per_m_output,
            )
            for model, price in view.prices.items()
        ],
        rows=list(view.policy.rows),
    )


async def metrics(deps: Deps, caller: Caller, params: MetricsParams) -> RoutingMetrics:
    """Returns the figures of the newest decisions within a window, at most `MAX_DECISIONS`."""
    seconds = int(params.window[:-1]) * _SECONDS[params.window[-1]]
    counts = await _counted(deps, caller.workspace, plus(deps.clock.now_text(), -seconds))
    figures = counts.total.figures()
    return RoutingMetrics(
        window=params.window,
        truncated=counts.truncated,
        oldest=counts.oldest,
        explored_share=_share(figures.explored, figures.decisions),
        savings_share=_share(figures.savings_usd, figures.baseline_cost_usd),
        by_model=[
            ModelMetrics(provider=model.provider, model=model.model, **dict(tally.figures()))
            for model, tally in _largest_first(counts.by_model)
        ],
        by_pattern=[
            PatternMetrics(pattern=name, **dict(tally.figures()))
            for name, tally in _largest_first(counts.by_pattern)
        ],
        **dict(figures),
    )


async def _counted(deps: Deps, workspace: str, since: Timestamp) -> "_Counts":
    counts = _Counts()
    recent, newest_first = Filter("decided_at", ">=", since), Order("decided_at", descending=True)
    cursor: str | None = None
    while counts.total.decisions < MAX_DECISIONS:
        page = await deps.store.find(
            workspace,
            ROUTING_DECISIONS,
            recent,
            order=newest_first,
            limit=min(_PAGE, MAX_DECISIONS - counts.total.decisions),
            cursor=cursor,
        )
        counts.add(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return counts
        await asyncio.sleep(0)  # decisions that wait come first
    counts.truncated = True
    return counts


@dataclass(slots=True)
class _Tally:
    """Counts decisions; money in US dollars."""

    decisions: int = 0
    completed: int = 0
    failed: int = 0
    explored: int = 0
    fallbacks: int = 0
    priced: int = 0
    cost_usd: float = 0.0
    baseline_usd: float = 0.0
    latency_ms: int = 0
    timed: int = 0

    def add(self, one: RoutingDecision) -> None:
        """Counts one decision."""
        self.decisions += 1
        self.failed += one.failed
        self.completed += one.latency_ms is not None and not one.failed
        self.explored += one.explored
        self.fallbacks += one.attempts > 1 and not one.failed
        cost = one.estimated_cost_usd if one.cost_usd is None else one.cost_usd
        if cost is not None and one.baseline_cost_usd is not None and not one.failed:
            self.priced += 1
            self.cost_usd += cost
            self.baseline_usd += one.baseline_cost_usd
        if one.latency_ms is not None and not one.failed:
            self.timed += 1
            self.latency_ms += one.latency_ms

    def figures(self) -> RoutingFigures:
        """Returns the counts as the API shows them."""
        return RoutingFigures(
            decisions=self.decisions,
            completed=self.completed,
            failed=self.failed,
            explored=self.explored,
            fallbacks=self.fallbacks,
            priced=self.priced,
            cost_usd=round(self.cost_usd, 9),
            baseline_cost_usd=round(self.baseline_usd, 9),
            savings_usd=round(self.baseline_usd - self.cost_usd, 9),
            mean_latency_ms=round(self.latency_ms / self.timed, 1) if self.timed else None,
        )


@dataclass(slots=True)
class _Counts:
    """Tallies of the decisions read so far, newest first."""

    total: _Tally = field(default_factory=_Tally)
    by_model: dict[ModelId, _Tally] = field(default_factory=lambda: defaultdict(_Tally))
    by_pattern: dict[str, _Tally] = field(default_factory=lambda: defaultdict(_Tally))
    oldest: Timestamp | None = None
    truncated: bool = False

    def add(self, decisions: Sequence[RoutingDecision]) -> None:
        """Counts the next page."""
        for one in decisions:
            self.total.add(one)
            self.by_model[ModelId(one.provider, one.model)].add(one)
            self.by_pattern[one.pattern].add(one)
            self.oldest = one.decided_at


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole else None


def _largest_first(tallies: Mapping[K, _Tally]) -> list[tuple[K, _Tally]]:
    return sorted(tallies.items(), key=lambda item: (-item[1].decisions, item[0]))
