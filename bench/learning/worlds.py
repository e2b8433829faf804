"""Made-up worlds with known chances: does what is learned hold where other things are true?

All tuning was done in sight of two data sets. Here models, patterns, prices and difficulties are
drawn, in kinds that differ in what makes learning hard, and the play is that of `ten_models`.
"""

import math
import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from bench.learning.report import Options, spread, table
from bench.learning.ten_models import SERVED
from shared.cli.simulate import config_for
from shared.domain.learning.baselines import Bandit, best_by_pattern, best_single
from shared.domain.learning.config import ModelId
from shared.domain.learning.simulation import Learner, Task, Whetstone, World, play
from shared.domain.models import Price

TESTED = 1000
"""Prompts that are measured on."""

_TEXTS = "which of these is it", "which of the 3 that were named last is it", "12 + 34 - 5"
"""Prompts in words, with some figures, and of figures."""


class Kind(NamedTuple):
    """What worlds of one kind have in common; deviations are of log odds.

    `skill` is how much models differ, `apart` how much more they do from pattern to pattern,
    `level` the middle of their log odds. `niche` makes the cheapest model bad but in one pattern,
    where it is the best.
    """

    models: int = 10
    patterns: int = 14
    prompts: int = 3000
    skill: float = 0.8
    apart: float = 0.4
    level: float = 0.3
    niche: bool = False


KINDS = {
    "as in exams: 10 models, 14 patterns": Kind(),
    "57 patterns": Kind(patterns=57),
    "one pattern": Kind(patterns=1),
    "30 models": Kind(models=30),
    "3 models": Kind(models=3),
    "500 prompts": Kind(prompts=500),
    "the best changes from pattern to pattern": Kind(skill=0.4, apart=1.2),
    "the same with 57 patterns": Kind(skill=0.4, apart=1.2, patterns=57),
    "the cheapest is best in one pattern alone": Kind(niche=True),
    "nearly always right": Kind(level=4.0),
    "nearly always wrong": Kind(level=-3.2),
    "nothing differs": Kind(skill=0.0, apart=0.0),
}


class Made(NamedTuple):
    """A world, and the chance of each model to be right on each of its test prompts."""

    world: World
    chances: tuple[tuple[float, ...], ...]


def made(kind: Kind, seed: int) -> Made:
    """Returns a world of this kind; the same for the same seed."""
    chance = random.Random(seed)
    dear = [chance.uniform(0, 1.5) for _ in range(kind.models)]
    skills = [kind.skill * (one - 0.75 + chance.gauss(0, 0.8)) for one in dear]
    odds = []
    for _ in range(kind.patterns):
        ease = kind.level + chance.gauss(0, 0.6)
        odds.append([ease + skill + chance.gauss(0, kind.apart) for skill in skills])
    if kind.niche:
        place = dear.index(min(dear))
        for row in odds:
            row[place] = min(row)
        odds[0][place] = max(odds[0]) + 1.0
    prices = tuple(Price(0.04 * 10**one, 0.16 * 10**one) for one in dear)
    drawn = [_drawn(odds, prices, chance) for _ in range(kind.prompts + TESTED)]
    tasks = tuple(task for task, _ in drawn)
    models = tuple(ModelId("made", f"model-{place}") for place in range(kind.models))
    world = World(models, prices, tasks[: kind.prompts], tasks[kind.prompts :])
    return Made(world, tuple(chances for _, chances in drawn[kind.prompts :]))


def _drawn(
    odds: Sequence[Sequence[float]], prices: Sequence[Price], chance: random.Random
) -> tuple[Task, tuple[float, ...]]:
    """Returns a prompt; patterns are as frequent as 1 / (their number + 2)."""
    sizes = [1 / (number + 3) for number in range(len(odds))]
    pattern = chance.choices(range(len(odds)), sizes)[0]
    hard = chance.gauss(0, 1.2)
    chances = tuple(1 / (1 + math.exp(hard - own)) for own in odds[pattern])
    asked = 20 + round(chance.expovariate(1 / 110))
    lengths = tuple(round(200 * math.exp(0.15 * hard + chance.gauss(0, 0.4))) for _ in prices)
    task = Task(
        f"pattern-{pattern}",
        chance.choices(_TEXTS, (6, 3, 1))[0],
        asked,
        tuple(int(chance.random() < share) for share in chances),
        lengths,
        tuple(price.cost_usd(asked, n) for price, n in zip(prices, lengths, strict=True)),
    )
    return task, chances


HEAD = (
    "worlds",
    "best by pattern (full information)",
    "Whetstone",
    "always the best (hindsight)",
    "ε-greedy by pattern, 10 %",
    "Thompson by pattern",
    "regret: Whetstone, ε-greedy, Thompson",
)


def report(options: Options) -> list[str]:
    """Returns the page; see bench/learning/__main__.py."""
    return [
        "# Made-up worlds, bandit feedback",
        "",
        *table(HEAD, [_row(name, kind, options.seeds) for name, kind in KINDS.items()]),
        "",
        "Chance to be right on the test prompts, times 100: of each pattern's best model by all",
        "outcomes of train, then how much more or less the others have, and regret on train as in",
        f"[ten_models](ten_models.md). {options.seeds} worlds of each kind; ± is half of the 95 %",
        "interval of the mean.",
    ]


def _row(name: str, kind: Kind, seeds: int) -> list[str]:
    plays = [compared(made(kind, seed), seed) for seed in range(seeds)]
    full = [one["full"][0] for one in plays]
    found = [
        spread([100 * (one[who][0] - one["full"][0]) for one in plays], 1)
        for who in ("ours", "single", "greedy", "thompson")
    ]
    lost = [
        f"{statistics.fmean(one[who][1] for one in plays):.0f}"
        for who in ("ours", "greedy", "thompson")
    ]
    return [name, spread([100 * one for one in full], 1), *found, ", ".join(lost)]


def compared(one: Made, seed: int) -> dict[str, tuple[float, float]]:
    """Returns the chance to be right on test and the regret on train of each learner."""
    world = one.world
    everyone: dict[str, Learner] = {
        "ours": Whetstone(world, config_for(world, 1.0), SERVED),
        "greedy": Bandit(world, 0.1),
        "thompson": Bandit(world, None),
        "single": best_single(world),
        "full": best_by_pattern(world),
    }
    order = random.Random(seed).sample(range(len(world.train)), len(world.train))
    found = {}
    for name, learner in everyone.items():
        regret = play(world, learner, order, random.Random(1000 + seed).random).regret[-1]
        pairs = zip(world.test, one.chances, strict=True)
        right = statistics.fmean(row[learner.best(task, SERVED)] for task, row in pairs)
        found[name] = right, regret
    return found
