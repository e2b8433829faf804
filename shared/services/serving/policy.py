"""What routing does now, and what it has done lately."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from shared.domain.access import Caller
from shared.domain.feedback import RoutingDecision
from shared.domain.learning.config import ModelId
from shared.domain.learning.decision import Best
from shared.domain.learning.explain import telling_in_words
from shared.domain.learning.explain_routing import ExplainedRow, explained_row
from shared.domain.learning.explain_serving import Serving
from shared.domain.learning.labels import NOTHING, Telling
from shared.domain.learning.preference import Preference
from shared.domain.learning.ranking import PatternPolicy
from shared.domain.learning.routing import RoutingPolicy
from shared.errors import InvalidInput
from shared.messages.base import MAX_PAGE
from shared.messages.serving_reading import (
    ListedModel,
    MetricsParams,
    ModelMetrics,
    PatternMetrics,
    PatternsTold,
    PolicyParams,
    PolicyView,
    RoutingFigures,
    RoutingMetrics,
    StatedPattern,
)
from shared.services.deps import Deps
from shared.services.serving.candidates import Allowed, Tokens
from shared.services.serving.current import View, current_view
from shared.services.serving.deciding import odds_for
from shared.services.serving.recent import Recent, recent_decisions

K = TypeVar("K", ModelId, str)

FIRST_ROWS = PolicyParams(limit=MAX_PAGE)
"""As much of the table as fits in one answer."""


async def policy(deps: Deps, caller: Caller, params: PolicyParams = FIRST_ROWS) -> PolicyView:
    """Returns the routing table in use; the cursor is the last pattern shown.

    Raises:
        InvalidInput: the cursor is no pattern of the table, which may have changed meanwhile.
    """
    view = await current_view(deps, caller.workspace)
    found = view.policy.rows
    if params.pattern is not None:
        found = tuple(row for row in found if row.pattern == params.pattern)
    rest = found
    if params.cursor is not None:
        if params.cursor not in view.policy.by_pattern:
            raise InvalidInput.field("?cursor", "is not a cursor of this table; leave it out")
        rest = tuple(row for row in found if row.pattern > params.cursor)
    shown = rest[: params.limit]
    return PolicyView(
        snapshot_id=view.snapshot_id,
        since=view.since,
        as_of=view.snapshot.as_of if view.snapshot else None,
        unreadable_snapshot_id=view.unreadable_id,
        default_model=view.policy.default_model,
        exploration_rate=deps.options.learning.exploration_rate,
        patterns_told=_patterns_told(view.snapshot.telling if view.snapshot else NOTHING),
        models=[
            ListedModel(
                provider=model.provider,
                model=model.model,
                usd_per_m_input=price.usd_per_m_input,
                usd_per_m_output=price.usd_per_m_output,
            )
            for model, price in view.prices.items()
        ],
        rows=_explained(deps, view, shown),
        rows_total=len(found),
        next_cursor=shown[-1].pattern if len(rest) > params.limit else None,
    )


def _patterns_told(telling: Telling) -> PatternsTold:
    return PatternsTold(
        in_words=telling_in_words(telling),
        speaks=telling.least is not None,
        patterns=[
            StatedPattern(pattern=one.pattern, prompts=one.prompts)
            for one in sorted(telling.patterns, key=lambda one: (-one.prompts, one.pattern))
        ],
        said=telling.said,
        right=telling.right,
    )


TYPICAL_TOKENS = 200
"""Length of the prompt for which the table's rows say who answers under a preference."""


def _explained(deps: Deps, view: View, rows: Sequence[PatternPolicy]) -> list[ExplainedRow]:
    if view.snapshot is None:
        return []
    settings = view.settings
    tokens = Tokens(TYPICAL_TOKENS, deps.options.expected_output_tokens)
    allowed = Allowed(view.models, view.prices)

    def decided(_: RoutingPolicy, pattern: str, cell: str) -> Best | None:
        if not allowed.models:
            return None
        found = odds_for(view, allowed, pattern, cell, tokens, 0.0)
        return Best(found.greedy, found.reason)

    preference = Preference(settings.answer_worth_usd, settings.quality_floor)
    serving = Serving(preference, decided, frozenset(view.models))
    return [explained_row(row, view.snapshot, serving) for row in rows]


async def metrics(deps: Deps, caller: Caller, params: MetricsParams) -> RoutingMetrics:
    """Returns the figures of the newest decisions within a window."""
    return metrics_of(await recent_decisions(deps, caller.workspace, params.window))


def metrics_of(recent: Recent) -> RoutingMetrics:
    """Returns the figures of decisions that are read already."""
    counts = _Counts()
    counts.add(recent.decisions)
    figures = counts.total.figures()
    return RoutingMetrics(
        window=recent.window,
        truncated=recent.truncated,
        oldest=recent.decisions[-1].decided_at if recent.decisions else None,
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
    """Tallies of decisions."""

    total: _Tally = field(default_factory=_Tally)
    by_model: dict[ModelId, _Tally] = field(default_factory=lambda: defaultdict(_Tally))
    by_pattern: dict[str, _Tally] = field(default_factory=lambda: defaultdict(_Tally))

    def add(self, decisions: Sequence[RoutingDecision]) -> None:
        """Counts decisions."""
        for one in decisions:
            self.total.add(one)
            self.by_model[ModelId(one.provider, one.model)].add(one)
            self.by_pattern[one.pattern].add(one)


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole else None


def _largest_first(tallies: Mapping[K, _Tally]) -> list[tuple[K, _Tally]]:
    return sorted(tallies.items(), key=lambda item: (-item[1].decisions, item[0]))
