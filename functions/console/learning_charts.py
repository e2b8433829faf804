"""The charts of the page Learning: quality and cost over time, and what models are worth."""

from collections.abc import Mapping, Sequence

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
from functions.console.showing import model_name, number_of
from shared.domain.learning.config import ModelId
from shared.domain.learning.ranking import ModelFigures, PatternPolicy
from shared.messages.learning import Insights, TrendPoint
from shared.messages.training import RunView


def quality(points: Sequence[TrendPoint], markers: Sequence[Marker]) -> str:
    """Returns what users rated before each run, and what it expected of its policy."""
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


def cost(points: Sequence[TrendPoint], markers: Sequence[Marker]) -> str:
    """Returns what each run expected a request to cost."""
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


def accuracy(insights: Insights) -> str:
    """Returns how often each model is right, over all patterns."""
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
