"""Patterns: what holds among recommendations, since when, and how surely."""

from starlette.responses import Response

from functions.console.charts import Marker, Span, SpanChart
from functions.console.rendering import render
from functions.console.showing import page_url, snapshot_markers
from shared import bootstrap
from shared.domain.learning.patterns import PatternCard, PatternState
from shared.messages.base import PageSize
from shared.messages.learning import PatternsPage
from shared.services import trusting
from shared.web.pages import PageCall, Pages

pages = Pages()

CATEGORIES = {
    "consensus": "Consensus",
    "expert": "Experts",
    "high_confidence": "High confidence",
}
STRENGTHS = {"very strong": "good", "strong": "good", "moderate": "fair", "weak": ""}
STATES: dict[PatternState, str] = {
    "new": "",
    "confirmed": "good",
    "weakening": "fair",
    "retired": "poor",
}
_PAGE, _DRAWN = 48, 30


class Filter(PatternsPage):
    """Which patterns."""

    limit: PageSize = _PAGE


@pages.get("/patterns")
async def patterns(call: PageCall) -> Response:
    """Shows the patterns that hold by category, and when each was found."""
    wanted = call.query(Filter)
    found = await trusting.patterns(bootstrap.deps(), call.caller, wanted)
    markers = await snapshot_markers(bootstrap.deps(), call.caller)
    groups = {name: [one for one in found.items if one.category == name] for name in CATEGORIES}
    return render(
        call,
        "patterns.html",
        wanted=wanted,
        found=found,
        groups=groups,
        categories=CATEGORIES,
        strengths=STRENGTHS,
        states=STATES,
        timeline=_timeline(found.items, markers),
        next_url=page_url("/patterns", found.next_cursor, category=wanted.category),
        first_url="/patterns" if wanted.cursor else None,
    )


def _timeline(items: list[PatternCard], markers: list[Marker]) -> str:
    names = list(CATEGORIES)
    ordered = sorted(items, key=lambda one: one.first_confirmed)[:_DRAWN]
    spans = [
        Span(title(one), one.first_confirmed, one.last_confirmed, group=names.index(one.category))
        for one in ordered
    ]
    return SpanChart(
        "Timeline of discovery",
        "First confirmed",
        "Last confirmed",
        spans,
        groups=[CATEGORIES[name] for name in names],
        markers=markers,
    ).draw()


def title(card: PatternCard) -> str:
    """Returns what a pattern is about, in a few words."""
    if card.category == "expert":
        return f"{card.agents[0] if card.agents else 'an agent'} in {card.recommendation_type}"
    return card.recommendation_type
