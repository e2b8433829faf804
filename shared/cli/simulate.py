"""`whetstone simulate`: plays routing against full outcomes, or against the own log."""

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from shared.cli.datasets import read_world
from shared.cli.plots import Series, svg
from shared.cli.replay import replayed
from shared.cli.running import in_workspace
from shared.domain.learning.baselines import (
    Bandit,
    best_by_pattern,
    best_single,
    cheapest,
    oracle,
)
from shared.domain.learning.config import LearningConfig, ModelId, TierRule
from shared.domain.learning.gains import Point, area
from shared.domain.learning.simulation import (
    Learner,
    Played,
    Whetstone,
    World,
    frontier,
    measure,
    play,
)

_LEAST_WORTH, _MOST_WORTH, _STEP = 0.3, 30_000.0, 1.35
"""What an answer may be worth: from so many times what the cheapest model's costs, by steps of so
much, to so many times what the dearest model's costs."""

EVERYONE = TierRule(n=5, quality=1, correctness=0)
"""A bar that every model with five ratings passes: the data sets' own shares are below HIGH's."""


def config_for(world: World, rate: float, **beliefs: float) -> LearningConfig:
    """Returns the configuration that data sets are played with.

    The default is the cheapest model by price; nothing is held back by tiers.
    """
    prices = [price.cost_usd(100, 150) for price in world.prices]
    return LearningConfig.model_validate(
        {
            "high": EVERYONE,
            "medium": EVERYONE,
            "quality_margin": 0.0,
            "exploration_rate": rate,
            "default_model": world.models[prices.index(min(prices))],
            "beliefs": beliefs,
        }
    )


def learners(world: World, rate: float) -> dict[str, Learner]:
    """Returns the learners that are compared, ours first."""
    return {
        "Whetstone": Whetstone(world, config_for(world, rate)),
        "epsilon-greedy by pattern, 10 %": Bandit(world, 0.1),
        "Thompson by pattern": Bandit(world, None),
        "always the cheapest": cheapest(world),
        "always the best (hindsight)": best_single(world),
        "best by pattern (full information)": best_by_pattern(world),
        "oracle": oracle(world),
    }


def singles(world: World) -> list[Point]:
    """Returns the test figures of each model alone."""
    return [
        Point(
            sum(task.cost_usd[place] for task in world.test) / len(world.test),
            sum(task.correct[place] for task in world.test) / len(world.test),
        )
        for place in range(len(world.models))
    ]


def worths(world: World) -> list[float]:
    """Returns what an answer may be worth, in US dollars, to play all trade-offs between models.

    From so little that the cheapest model answers everything, as the area under a frontier counts
    from there, to so much that cost hardly counts; by what the models' answers cost on train.
    """
    means = [
        sum(task.cost_usd[place] for task in world.train) / len(world.train)
        for place in range(len(world.models))
    ]
    costs = [mean for mean in means if mean > 0]
    if not costs:
        return [1.0]
    least, most = _LEAST_WORTH * min(costs), _MOST_WORTH * max(costs)
    steps = math.ceil(math.log(most / least) / math.log(_STEP))
    return [least * _STEP**step for step in range(steps + 1)]


@click.command()
@click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@in_workspace
@click.option("--seed", default=0, show_default=True, help="Of the order and of chance.")
@click.option("--every", default=200, show_default=True, help="Requests between two runs.")
@click.option("--rate", default=1.0, show_default=True, help="Exploration rate, 0..1.")
@click.option("--plots", type=click.Path(path_type=Path), help="Folder to write the SVGs to.")
def simulate(
    folder: Path | None, workspace: str, seed: int, every: int, rate: float, plots: Path | None
) -> None:
    """Play routing against FOLDER's full outcomes: learning curve, regret, frontier.

    Only the outcome of the model that was chosen is learned from, each train prompt once; accuracy
    and cost are measured on the test prompts.

    Without FOLDER the workspace's own log is replayed: what would have been learned from it, judged
    by propensities on the ratings that followed.
    """
    if folder is None:
        replayed(workspace, plots)
    else:
        _play(read_world(folder), seed, every, rate, plots)


def _play(world: World, seed: int, every: int, rate: float, plots: Path | None) -> None:
    chance = random.Random(seed)  # noqa: S311 - a simulation
    order = chance.sample(range(len(world.train)), len(world.train))
    played: dict[str, Played] = {}
    dots = singles(world)
    least, most = min(dots).cost_usd, max(dots).cost_usd
    everyone = learners(world, rate)
    click.echo(f"{'':36}{'regret':>8}{'accuracy':>10}{'$/1,000':>9}{'AIQ':>8}")
    curve: list[Point] = []
    learned: dict[str, list[tuple[float, float]]] = {}
    for name, learner in everyone.items():
        draw = random.Random(seed + 1).random  # noqa: S311 - a simulation
        note = _noting(world, learner, learned.setdefault(name, []))
        played[name] = play(world, learner, order, draw, every=every, after_run=note)
        point = measure(world.test, learner)
        line = f"{played[name].regret[-1]:8.0f}{point.correct:10.4f}{point.cost_usd * 1000:9.3f}"
        if isinstance(learner, Whetstone):
            curve = frontier(world.test, learner, worths(world))
            line += f"{area(curve, least, most):8.4f}"
        click.echo(f"{name:36}{line}")
    click.echo(f"single models only: AIQ {area(dots, least, most):.4f}")
    steps = learned["Whetstone"][:: max(1, len(learned["Whetstone"]) // 5)]
    told = ", ".join(f"{right:.4f} after {number:,.0f}" for number, right in steps)
    click.echo(f"Whetstone's accuracy on the test prompts: {told or 'no run'}")
    if plots is not None:
        plots.mkdir(parents=True, exist_ok=True)
        _write(plots, played, curve, world.models, dots)
        lines = [Series(name, points) for name, points in learned.items() if points]
        if lines:
            text = svg("Right answers on test prompts", "requests learned from", "correct", lines)
            (plots / "learning_curve.svg").write_text(text)
            click.echo(f"wrote {plots / 'learning_curve.svg'}")


def _noting(
    world: World, learner: Learner, points: list[tuple[float, float]]
) -> Callable[[int], None]:
    """Returns what notes a learner's accuracy on the test prompts after a run."""

    def note(number: int) -> None:
        points.append((float(number), measure(world.test, learner).correct))

    return note


def _write(
    plots: Path,
    played: dict[str, Played],
    curve: list[Point],
    models: Sequence[ModelId],
    dots: list[Point],
) -> None:
    lines = [
        Series(name, [(number, one.regret[number]) for number in range(0, len(one.regret), 20)])
        for name, one in played.items()
        if name != "oracle" and not name.startswith("always the cheapest")
    ]
    regret = svg("Right answers missed against each pattern's best", "requests", "regret", lines)
    (plots / "regret.svg").write_text(regret)
    series = [Series("Whetstone, by trade-off", [_shown(one) for one in sorted(curve)])]
    series += [Series(model.model, [_shown(one)]) for model, one in zip(models, dots, strict=True)]
    front = svg("Cost and correctness on test prompts", "USD per 1,000", "correct", series)
    (plots / "frontier.svg").write_text(front)
    click.echo(f"wrote {plots / 'regret.svg'} and {plots / 'frontier.svg'}")


def _shown(point: Point) -> tuple[float, float]:
    return point.cost_usd * 1000, point.correct
