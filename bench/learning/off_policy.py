"""How often off-policy intervals cover, and how far the estimates are off, on simulated logs."""

import math
import random
import statistics
from collections.abc import Iterator
from typing import NamedTuple

from bench.learning.report import PRO, Options, table
from shared.cli.datasets import read_world
from shared.cli.simulate import config_for
from shared.domain.learning.config import LearningConfig, ModelId, OffPolicyConfig
from shared.domain.learning.offpolicy import compare
from shared.domain.learning.offpolicy_figures import Interval
from shared.domain.learning.simulation import Task, World, pattern_means, rating_of
from shared.domain.learning.state import LearningState, fold

REQUESTS = 4000
"""Of one log."""

IN_SESSIONS = 100
"""Logs with sessions, at most: how far those are off is plain from few."""

RULE = OffPolicyConfig(min_support=0.9)
ALIKE = 0.8
"""Share of a session's requests that ask its first question again."""


class Log(NamedTuple):
    """How a log comes about.

    The share `even` is spread evenly over the models, the rest goes to the second one. `session` is
    how many requests a session has; with `sticky` all of them go to one model, as in a trial.
    """

    even: float
    session: int = 1
    sticky: bool = False


LOGS = {
    "uniform log": Log(1.0),
    "70 % on one model, the rest even": Log(0.3),
    "uniform, sessions of 5": Log(1.0, 5),
    "uniform, sessions of 20": Log(1.0, 20),
    "uniform, sessions of 5 with one model each": Log(1.0, 5, sticky=True),
}


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
    rows = [_row(name, log, judged, options.replications) for name, log in LOGS.items()]
    return [
        "# Off-policy estimates of correctness",
        "",
        (
            f"{options.replications} logs of {REQUESTS:,} requests each, drawn from the train "
            "prompts; the policy that is judged takes each pattern's best model. Intervals of 95 %."
        ),
        "",
        *table((*head, "refused"), rows),
        "",
        (
            f"In the logs with sessions (at most {IN_SESSIONS} of each) {ALIKE:.0%} of a session's "
            "requests ask its first question again. The intervals take requests to be independent: "
            "what sessions have in common makes them too narrow, by as much as is seen here."
        ),
    ]


def _row(name: str, log: Log, judged: Judged, replications: int) -> list[str]:
    count = replications if log.session == 1 else min(replications, IN_SESSIONS)
    tried = [_one_log(judged, log, random.Random(seed)) for seed in range(count)]
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


def _drawn(world: World, log: Log, chance: random.Random) -> Iterator[tuple[Task, int, float]]:
    """Yields each request of a log: the task, the place of its model, and its propensity."""
    count = len(world.models)
    odds = [log.even / count + (1 - log.even) * (place == 1) for place in range(count)]
    for first in chance.choices(world.train, k=REQUESTS // log.session):
        place = chance.choices(range(count), odds)[0]
        yield first, place, odds[place]
        for _ in range(log.session - 1):
            task = first if chance.random() < ALIKE else chance.choice(world.train)
            if not log.sticky:
                place = chance.choices(range(count), odds)[0]
            yield task, place, odds[place]


def _one_log(judged: Judged, log: Log, chance: random.Random) -> Told | None:
    """Draws a log and returns what it says; None where it is refused."""
    world, best = judged.world, judged.best
    rows, ips = [], 0.0
    for task, place, propensity in _drawn(world, log, chance):
        rows.append(rating_of(world, task, place, propensity))
        ips += task.correct[place] * (place == best[task.pattern]) / propensity

    def chosen(pattern: str, cell: str) -> ModelId:  # noqa: ARG001 - one for all cells
        return world.models[best[pattern]]

    state = fold(LearningState.empty(judged.config), ratings=rows)
    found = compare(state, chosen, chosen, RULE).proposed.correctness
    if found is None or found.snips is None or found.dr is None:
        return None
    return Told(ips / REQUESTS, found.snips, found.dr)
