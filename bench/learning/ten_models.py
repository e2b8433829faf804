"""Ten models under bandit feedback: what is learned, at which price, and what learning it costs."""

import bisect
import math
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.learning.report import PRO, Options, spread, table
from shared.cli.datasets import read_world
from shared.cli.plots import Series, svg
from shared.cli.simulate import config_for, singles, worths
from shared.domain.learning.baselines import (
    Bandit,
    Fixed,
    Uniform,
    best_by_pattern,
    best_single,
    cheapest,
    oracle,
)
from shared.domain.learning.gains import Point, area
from shared.domain.learning.preference import Preference
from shared.domain.learning.simulation import (
    Learner,
    Whetstone,
    World,
    frontier,
    measure,
    play,
)

SERVED = Preference(answer_worth_usd=1.0)
"""What routing is served under: an answer is worth a dollar, so quality counts nearly alone."""


_CLOSE = 1.02
"""Two trade-offs that are this near to one another are taken for one."""

UNPLOTTED = {"oracle", "always the cheapest", "uniform"}
HEAD = (
    "policy",
    "regret on train",
    "test accuracy",
    "USD per 1,000",
    "AIQ",
    "accuracy at the cost of the best by pattern",
)


class Outcome(NamedTuple):
    """What one play of one learner came to.

    `points` are its frontier, if it has one; `within` is where it stands when it may cost no more
    than the best by pattern, as foreseen on train.
    """

    regret: Sequence[float]
    served: Point
    points: Sequence[Point]
    within: Point | None


def report(options: Options) -> list[str]:
    """Returns the page, and writes its plots; see bench/learning/__main__.py."""
    world = read_world(PRO)
    dots = singles(world)
    played = {
        name: [
            one_play(world, make(), seed)
            for seed in range(1 if isinstance(make(), Fixed) else options.seeds)
        ]
        for name, make in makers(world).items()
    }
    _plot(options.out, world, dots, {name: plays[0] for name, plays in played.items()})
    full = Whetstone(world, config_for(world, 1.0))
    tell_everything(full, world)
    whole = aiq(frontier(world.test, full, worths(world)), dots)
    return [
        "# Ten models, bandit feedback (MMLU-Pro)",
        "",
        *table(HEAD, [_row(*one, dots) for one in played.items()]),
        "",
        f"AIQ with full information {whole:.4f}; single models only {aiq(dots, dots):.4f}.",
        "The last column's trade-off is the highest worth of an answer whose foreseen cost on the",
        "train prompts is at most what the best by pattern costs there.",
        "Regret is in right answers against each pattern's best model in hindsight.",
        f"{options.seeds} seeds; ± is half of the 95 % interval of the mean.",
    ]


def makers(world: World) -> dict[str, Callable[[], Learner]]:
    """Returns who is compared, ours first."""
    return {
        "Whetstone": lambda: Whetstone(world, config_for(world, 1.0), SERVED),
        "ε-greedy by pattern, 10 %": lambda: Bandit(world, 0.1),
        "Thompson by pattern": lambda: Bandit(world, None),
        "uniform": lambda: Uniform(world),
        "always the cheapest": lambda: cheapest(world),
        "always the best (hindsight)": lambda: best_single(world),
        "best by pattern (full information)": lambda: best_by_pattern(world),
        "oracle": lambda: oracle(world),
    }


def one_play(world: World, learner: Learner, seed: int) -> Outcome:
    """Plays the train tasks in the seed's order, then measures on test."""
    order = random.Random(seed).sample(range(len(world.train)), len(world.train))
    played = play(world, learner, order, random.Random(1000 + seed).random)
    served = measure(world.test, learner, SERVED)
    if not isinstance(learner, Whetstone):
        return Outcome(played.regret, served, (), None)
    within = measure(world.test, learner, _affordable(world, learner))
    return Outcome(played.regret, served, frontier(world.test, learner, worths(world)), within)


def _affordable(world: World, learner: Whetstone) -> Preference:
    """Returns the trade-off to choose where requests may cost what the best by pattern cost.

    The highest worth whose foreseen cost on the train prompts is within that, to a few per cent;
    looks at no test prompt.
    """
    ceiling = measure(world.train, best_by_pattern(world)).cost_usd * len(world.train)

    def dearer(worth: float) -> bool:
        wanted = Preference(answer_worth_usd=worth)
        cost = math.fsum(learner.cost(task, learner.best(task, wanted)) for task in world.train)
        return cost > ceiling

    tried = worths(world)
    above = bisect.bisect_left(tried, x=True, key=dearer)
    if above in {0, len(tried)}:
        return Preference(answer_worth_usd=tried[max(0, above - 1)])
    low, high = tried[above - 1], tried[above]
    while high > _CLOSE * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if dearer(middle) else (middle, high)
    return Preference(answer_worth_usd=low)


def tell_everything(learner: Whetstone, world: World) -> None:
    """Tells the learner every model's outcome of every train task."""
    for task in world.train:
        for place in range(len(world.models)):
            learner.note(task, place, 1.0)
    learner.retrain()


def aiq(points: Sequence[Point], dots: Sequence[Point]) -> float:
    """Returns the area over the costs of the cheapest to the dearest single model."""
    return area(points, min(dots).cost_usd, max(dots).cost_usd)


def _row(name: str, plays: Sequence[Outcome], dots: Sequence[Point]) -> list[str]:
    shown = [
        name,
        spread([one.regret[-1] for one in plays], 0),
        spread([one.served.correct for one in plays]),
        spread([one.served.cost_usd * 1000 for one in plays], 3),
    ]
    within = [one.within for one in plays if one.within]
    if not within:
        return [*shown, "", ""]
    held = f"{spread([one.correct for one in within])} at ${_mean_cost(within):.3f}"
    return [*shown, spread([aiq(one.points, dots) for one in plays]), held]


def _mean_cost(points: Sequence[Point]) -> float:
    """Returns US dollars per 1,000 requests."""
    return statistics.fmean(point.cost_usd for point in points) * 1000


def _plot(out: Path, world: World, dots: Sequence[Point], first: dict[str, Outcome]) -> None:
    curves = [
        Series(name, [(step, one.regret[step]) for step in range(0, len(one.regret), 20)])
        for name, one in first.items()
        if name not in UNPLOTTED
    ]
    regret = svg("Right answers missed (seed 0)", "requests", "regret", curves)
    (out / "regret.svg").write_text(regret)
    alone = [
        Series(model.model, [_shown(dot)]) for model, dot in zip(world.models, dots, strict=True)
    ]
    trade = [_shown(one) for one in sorted(first["Whetstone"].points)]
    series = [Series("Whetstone, by trade-off", trade), *alone]
    title = "Cost and correctness on test prompts (seed 0)"
    (out / "frontier.svg").write_text(svg(title, "USD per 1,000 requests", "correct", series))


def _shown(point: Point) -> tuple[float, float]:
    return point.cost_usd * 1000, point.correct
