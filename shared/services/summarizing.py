"""What users think of the answers: plain figures over every rating that stands.

The sums that learning keeps, and the ratings since: nothing is counted on the way in, and no rating
is read twice.
"""

from collections.abc import Iterable
from typing import Any

from shared.domain.access import Caller
from shared.domain.learning.figures import (
    RatingFigures,
)
from shared.domain.learning.sums import RatingSums
from shared.domain.models import NANO_PER_USD
from shared.messages.rating import FeedbackSummary, ModelSummary, PatternSummary, RatedFigures
from shared.services.deps import Deps
from shared.services.snapshots import head_of, info_of, open_state

Figures = tuple[int, int, int, int, int]
"""n, quality, correct, cost in nano-dollars, how many were costed."""


async def feedback_summary(deps: Deps, caller: Caller) -> FeedbackSummary:
    """Returns counts, mean quality, correctness and cost, by model and by pattern."""
    workspace = caller.workspace
    head = await head_of(deps, workspace)
    tip = await info_of(deps, workspace, head.tip_id)
    state = (await open_state(deps, tip, deps.options.learning)).state
    upto, _ = await deps.analytics.head(workspace)
    since = await deps.analytics.rating_sums(workspace, state.ratings_watermark, upto)
    told = [
        ((key.pattern, key.provider, key.model), _figures(one.raw))
        for key, one in state.ratings.items()
    ]
    told += [((one.pattern, one.provider, one.model), _figures(one)) for one in since]
    by_model = _grouped((place[1:], figures) for place, figures in told)
    by_pattern = _grouped((place[:1], figures) for place, figures in told)
    return FeedbackSummary(
        **_means(_sum(figures for _, figures in told)),
        by_model=[
            ModelSummary(provider=provider, model=model, **_means(figures))
            for (provider, model), figures in by_model
        ],
        by_pattern=[
            PatternSummary(pattern=pattern, **_means(figures)) for (pattern,), figures in by_pattern
        ],
    )


def _figures(sums: RatingSums | RatingFigures) -> Figures:
    return sums.n, sums.quality, sums.correct, sums.cost_nanousd, sums.costed


def _grouped(
    rows: Iterable[tuple[tuple[str, ...], Figures]],
) -> list[tuple[tuple[str, ...], Figures]]:
    """Returns the sums by place, in order of place, without those that were all taken back."""
    groups: dict[tuple[str, ...], list[Figures]] = {}
    for place, figures in rows:
        groups.setdefault(place, []).append(figures)
    sums = [(place, _sum(groups[place])) for place in sorted(groups)]
    return [(place, figures) for place, figures in sums if figures[0]]


def _sum(rows: Iterable[Figures]) -> Figures:
    n = quality = correct = cost = costed = 0
    for row in rows:
        n, quality, correct = n + row[0], quality + row[1], correct + row[2]
        cost, costed = cost + row[3], costed + row[4]
    return n, quality, correct, cost, costed


def _means(figures: Figures) -> dict[str, Any]:
    n, quality, correct, cost, costed = figures
    means = RatedFigures(
        ratings=n,
        mean_quality=round(quality / n, 6) if n else None,
        correctness=round(correct / n, 6) if n else None,
        mean_cost_usd=round(cost / costed / NANO_PER_USD, 9) if costed else None,
    )
    return dict(means)
