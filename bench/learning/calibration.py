"""How far the quality that routing predicts is from what comes: on test prompts, by bins."""

import random
from collections.abc import Sequence
from operator import itemgetter

from bench.learning.report import PRO, TWO, Options, spread, table
from bench.learning.ten_models import tell_everything
from shared.cli.datasets import read_world
from shared.cli.simulate import config_for
from shared.domain.learning.preference import Preference
from shared.domain.learning.simulation import RIGHT, WRONG, Whetstone, World, play

BINS = 10
SETS = {"ten models (MMLU-Pro)": (PRO, 1.0), "two models (MMLU)": (TWO, 0.03)}
"""The data, and what an answer is worth in US dollars to the traffic that is learned from."""

Pair = tuple[float, int]
"""What was predicted, 0..1, and whether the answer was right."""


def report(options: Options) -> list[str]:
    """Returns the page; see bench/learning/__main__.py."""
    rows = []
    for name, (folder, worth) in SETS.items():
        world = read_world(folder)
        full = Whetstone(world, config_for(world, 1.0))
        tell_everything(full, world)
        played = [_played(world, worth, seed) for seed in range(options.seeds)]
        rows += [
            [f"{name}, full information", *_shown([full], world)],
            [f"{name}, bandit feedback", *_shown(played, world)],
        ]
    head = ("learned from", "every model", "the model that is chosen", "Brier score")
    return [
        "# Calibration of predicted quality",
        "",
        (
            "Expected calibration error on test prompts: predictions are sorted into "
            f"{BINS} bins of equal size, and the mean gap between predicted and seen is taken "
            "(Naeini et al., AAAI 2015). Aim: at most 0.05."
        ),
        "",
        *table(head, rows),
        "",
        f"{options.seeds} seeds with bandit feedback; ± is half of the 95 % interval of the mean.",
    ]


def error(pairs: Sequence[Pair]) -> float:
    """Returns the mean gap between predicted and seen, bins weighed by their size."""
    ordered, total = sorted(pairs, key=itemgetter(0)), 0.0
    for place in range(BINS):
        part = ordered[len(ordered) * place // BINS : len(ordered) * (place + 1) // BINS]
        total += abs(sum(predicted - right for predicted, right in part))
    return total / len(ordered)


def _played(world: World, worth: float, seed: int) -> Whetstone:
    learner = Whetstone(world, config_for(world, 1.0), Preference(answer_worth_usd=worth))
    order = random.Random(seed).sample(range(len(world.train)), len(world.train))
    play(world, learner, order, random.Random(1000 + seed).random)
    return learner


def _shown(learners: Sequence[Whetstone], world: World) -> list[str]:
    everyone = [_everyone(learner, world) for learner in learners]
    chosen = [_chosen(learner, world) for learner in learners]
    brier = [sum((one - right) ** 2 for one, right in pairs) / len(pairs) for pairs in everyone]
    errors = ([error(pairs) for pairs in found] for found in (everyone, chosen))
    return [*(spread(found) for found in errors), spread(brier)]


def _everyone(learner: Whetstone, world: World) -> list[Pair]:
    places = range(len(world.models))
    return [
        (_share(learner.belief(task, place).value), task.correct[place])
        for task in world.test
        for place in places
    ]


def _chosen(learner: Whetstone, world: World) -> list[Pair]:
    preference = Preference(answer_worth_usd=1.0)
    found = []
    for task in world.test:
        place = learner.best(task, preference)
        found.append((_share(learner.belief(task, place).value), task.correct[place]))
    return found


def _share(value: float) -> float:
    """Returns the share of right answers that a value (0..1) stands for.

    A wrong answer is rated WRONG and so is worth something.
    """
    worthless = (WRONG - 1) / (RIGHT - 1) / 2
    return (value - worthless) / (1 - worthless)
