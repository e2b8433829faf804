"""How often off-policy intervals cover, and how far the estimates are off, on simulated logs."""

import math
import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from bench.learning.report import PRO, Options, table
from shared.cli.datasets import read_world
from shared.cli.simulate import config_for
from shared.domain.learning.config import LearningConfig, ModelId, OffPolicyConfig
from shared.domain.learning.offpolicy import compare
from shared.domain.learning.offpolicy_figures import Interval
from shared.domain.learning.simulation import World, pattern_means, rating_of
from shared.domain.learning.state import LearningState, fold

REQUESTS = 4000
"""Of one log."""

RULE = OffPolicyConfig(min_support=0.9)
LOGS = {"uniform log": 1.0, "70 % on one model, the rest even": 0.3}
"""The share of each log that is spread evenly; the rest goes to the second model."""


class Judged(NamedTuple):
    """The world, and the policy that is judged: each pattern's best model on train."""

    world: World
    config: LearningConfig
    best: dict[str, int]
    truth: float


class Told(NamedTuple):
    """One log's estimates of correctness."""

    ips: float
    snips: Interval
    dr: Interval


def report(options: Options) -> list[str]:
    """Returns the page; see bench/learning/__main__.py."""
    world = read_world(PRO)
    best = {pattern: row.index(max(row)) for pattern, row in pattern_means(world).items()}
    truth = statistics.fmean(task.correct[best[task.pattern]] for task in world.train)
    judged = Judged(world, config_for(world, 1.0), best, truth)
    head = ("log", "SNIPS covers", "DR covers", "error of plain IPS", "of SNIPS", "of DR")
    rows = [_row(name, even, judged, options.replications) for name, even in LOGS.items()]
    return [
        "# Off-policy estimates of correctness",
        "",
        (
            f"{options.replications} logs of {REQUESTS:,} requests each, drawn from the train "
            "prompts; the policy that is judged takes each pattern's best model. Intervals of 95 %."
        ),
        "",
        *table((*head, "refused"), rows),
    ]


def _row(name: str, even: float, judged: Judged, replications: int) -> list[str]:
    count = len(judged.world.models)
    odds = [even / count + (1 - even) * (place == 1) for place in range(count)]
    tried = [_one_log(judged, odds, random.Random(seed)) for seed in range(replications)]
    kept = [one for one in tried if one is not None]
    truth = judged.truth
    covered = [
        statistics.fmean(one.low <= truth <= one.high for one in column)
        for column in ([one.snips for one in kept], [one.dr for one in kept])
    ]
    errors = [
        math.sqrt(statistics.fmean((value - truth) ** 2 for value in column))
        for column in zip(*((one.ips, one.snips.mean, one.dr.mean) for one in kept), strict=True)
    ]
    shown = [*(f"{share:.1%}" for share in covered), *(f"{error:.4f}" for error in errors)]
    return [name, *shown, str(len(tried) - len(kept))]


def _one_log(judged: Judged, odds: Sequence[float], chance: random.Random) -> Told | None:
    """Draws a log and returns what it says; None where it is refused."""
    world, best = judged.world, judged.best
    rows, ips = [], 0.0
    for task in chance.choices(world.train, k=REQUESTS):
        place = chance.choices(range(len(odds)), odds)[0]
        rows.append(rating_of(world, task, place, odds[place]))
        ips += task.correct[place] * (place == best[task.pattern]) / odds[place]

    def chosen(pattern: str, cell: str) -> ModelId:  # noqa: ARG001 - one for all cells
        return world.models[best[pattern]]

    state = fold(LearningState.empty(judged.config), ratings=rows)
    found = compare(state, chosen, chosen, RULE).proposed.correctness
    if found is None or found.snips is None or found.dr is None:
        return None
    return Told(ips / REQUESTS, found.snips, found.dr)
