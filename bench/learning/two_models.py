"""A cheap and an expensive model: how well requests are told apart that need the expensive one."""

import random

from bench.learning.report import TWO, Options, spread
from bench.learning.ten_models import tell_everything
from shared.cli.datasets import read_world
from shared.cli.simulate import config_for
from shared.domain.learning.gains import apgr
from shared.domain.learning.preference import Preference
from shared.domain.learning.simulation import Whetstone, World, play

BOOTSTRAPS = 500

SERVED = Preference(answer_worth_usd=0.03)
"""What the traffic is served under: an answer is worth 3 cents, so that both models are asked.

Chosen on train prompts: at ten cents or without a preference the expensive one is asked nearly
always, and what the cheap one can do is learned late.
"""


def report(options: Options) -> list[str]:
    """Returns the page; see bench/learning/__main__.py."""
    world = read_world(TWO)
    full = Whetstone(world, config_for(world, 1.0))
    tell_everything(full, world)
    scores = gaps(full, world)
    low, high = _interval(scores, world)
    found = [_bandit(world, seed) for seed in range(options.seeds)]
    return [
        "# Two models (MMLU)",
        "",
        (
            f"APGR with full information {_apgr(scores, world, range(len(scores))):.4f} "
            f"(bootstrap over test prompts, 95 %: {low:.3f} to {high:.3f}); "
            f"bandit feedback {spread(found)} over {options.seeds} seeds. Random 0.50."
        ),
    ]


def gaps(learner: Whetstone, world: World) -> list[float]:
    """Returns how much better the first model is believed to be, for each test task."""
    return [learner.belief(task, 0).value - learner.belief(task, 1).value for task in world.test]


def _apgr(scores: list[float], world: World, places: range | list[int]) -> float:
    tasks = [world.test[place] for place in places]
    strong, weak = ([task.correct[model] for task in tasks] for model in (0, 1))
    return apgr([scores[place] for place in places], strong, weak)


def _interval(scores: list[float], world: World) -> tuple[float, float]:
    """Returns the middle 95 % over test prompts drawn with replacement."""
    chance = random.Random(0)
    everyone = range(len(scores))
    found = sorted(
        _apgr(scores, world, chance.choices(everyone, k=len(scores))) for _ in range(BOOTSTRAPS)
    )
    tail = round(BOOTSTRAPS * 0.025)
    return found[tail - 1], found[-tail]


def _bandit(world: World, seed: int) -> float:
    learner = Whetstone(world, config_for(world, 1.0), SERVED)
    order = random.Random(seed).sample(range(len(world.train)), len(world.train))
    play(world, learner, order, random.Random(1000 + seed).random)
    return _apgr(gaps(learner, world), world, range(len(world.test)))
