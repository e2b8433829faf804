"""How often off-policy intervals cover, and how far the estimates are off, on simulated logs.

Beside them stand the intervals that take requests to be independent, from the same logs' rows.
"""

import math
import random
import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.learning.report import PRO, Options, table
from shared.cli.datasets import read_world
from shared.cli.simulate import config_for
from shared.domain.learning.bundles import bundle_of
from shared.domain.learning.config import LearningConfig, ModelId, OffPolicyConfig
from shared.domain.learning.figures import RatingKey
from shared.domain.learning.offpolicy import compare
from shared.domain.learning.offpolicy_figures import Estimates
from shared.domain.learning.offpolicy_terms import mean_reward
from shared.domain.learning.simulation import Task, World, pattern_means, rating_of
from shared.domain.learning.state import LearningState, fold
from shared.domain.learning.stats import normal_quantile

REQUESTS = 4000
"""Of one log."""

RULE = OffPolicyConfig(min_support=0.9)
ALIKE = 0.8
"""Share of a session's requests that ask its first question again."""

OTHER = 2
"""Place of the model that a policy takes for everything, which the other one is held against."""


class Log(NamedTuple):
    """How a log comes about.

    The share `even` is spread evenly over the models, the rest goes to the second one. `session` is
    how many requests a session has; with `sticky` all of them go to one model, as in a trial.
    `thinned` says that only one session in 4**thinned falls into a bundle.
    """

    even: float
    session: int = 1
    sticky: bool = False
    thinned: int = 0


LOGS = {
    "uniform log": Log(1.0),
    "70 % on one model, the rest even": Log(0.3),
    "uniform, sessions of 5": Log(1.0, 5),
    "uniform, sessions of 20": Log(1.0, 20),
    "70 % on one model, sessions of 20": Log(0.3, 20),
    "uniform, sessions of 5 with one model each": Log(1.0, 5, sticky=True),
    "uniform, one session in 4 looked at": Log(1.0, thinned=1),
}


class Judged(NamedTuple):
    """The world, the policy that is judged (each pattern's best model on train), and its worth.

    `gain` is how much it is worth more than one model for everything.
    """

    world: World
    config: LearningConfig
    best: dict[str, int]
    truth: float
    gain: float


class Row(NamedTuple):
    """A logged request: its pattern, whether the judged policy agrees, weight and reward."""

    pattern: str
    agrees: bool
    weight: float
    correct: int


class Told(NamedTuple):
    """What one log says of correctness: plain IPS, the estimates, the naive half widths.

    `gap` is the difference of the two policies.
    """

    ips: float
    found: Estimates
    gap: Estimates
    naive: tuple[float, float]
    sessions: float


def report(options: Options) -> list[str]:
    """Returns the page; see bench/learning/__main__.py."""
    world = read_world(PRO)
    best = {pattern: row.index(max(row)) for pattern, row in pattern_means(world).items()}
    truth = statistics.fmean(task.correct[best[task.pattern]] for task in world.train)
    gain = truth - statistics.fmean(task.correct[OTHER] for task in world.train)
    judged = Judged(world, config_for(world, 1.0), best, truth, gain)
    tried = {name: _tried(log, judged, options.replications) for name, log in LOGS.items()}
    kept = {name: [one for one in found if one is not None] for name, found in tried.items()}
    covers = ("SNIPS", "DR", "naive SNIPS", "naive DR", "difference, SNIPS", "difference, DR")
    errors = ("plain IPS", "SNIPS", "DR")
    return [
        "# Off-policy estimates of correctness",
        "",
        (
            f"{options.replications} logs of {REQUESTS:,} requests each, drawn from the train "
            "prompts; the policy that is judged takes each pattern's best model, and the "
            "difference is the one to a policy that takes one model for everything. "
            f"{ALIKE:.0%} of a session's requests ask its first question again. The share of "
            "intervals of 95 % that cover the truth; the naive ones take requests to be "
            "independent, as ours did before, and are of the same logs:"
        ),
        "",
        *table(
            ("log", *covers, "refused"),
            (
                [name, *_covered(found, judged), str(len(tried[name]) - len(found))]
                for name, found in kept.items()
            ),
        ),
        "",
        (
            "The error of the estimates (root mean square), half the width of the intervals, and "
            "how many sessions of equal weight they are told to rest on (mean and standard "
            "deviation over the logs):"
        ),
        "",
        *table(
            ("log", *(f"error of {one}" for one in errors), "half width, DR", "naive", "sessions"),
            ([name, *_errors(found, judged.truth)] for name, found in kept.items()),
        ),
    ]


def _tried(log: Log, judged: Judged, replications: int) -> list[Told | None]:
    return [_one_log(judged, log, random.Random(seed), seed) for seed in range(replications)]


def _covered(found: Sequence[Told], judged: Judged) -> list[str]:
    truth, gain = judged.truth, judged.gain
    shares = (
        [one.found.snips.low <= truth <= one.found.snips.high for one in found],
        [one.found.dr.low <= truth <= one.found.dr.high for one in found],
        [abs(one.found.snips.mean - truth) <= one.naive[0] for one in found],
        [abs(one.found.dr.mean - truth) <= one.naive[1] for one in found],
        [one.gap.snips.low <= gain <= one.gap.snips.high for one in found],
        [one.gap.dr.low <= gain <= one.gap.dr.high for one in found],
    )
    return [f"{statistics.fmean(one):.1%}" for one in shares]


def _errors(found: Sequence[Told], truth: float) -> list[str]:
    told = [(one.ips, one.found.snips.mean, one.found.dr.mean) for one in found]
    errors = [
        math.sqrt(statistics.fmean((value - truth) ** 2 for value in column))
        for column in zip(*told, strict=True)
    ]
    half = statistics.fmean((one.found.dr.high - one.found.dr.low) / 2 for one in found)
    sessions = [one.sessions for one in found]
    return [
        *(f"{one:.4f}" for one in (*errors, half, statistics.fmean(one.naive[1] for one in found))),
        f"{statistics.fmean(sessions):.0f} ± {statistics.stdev(sessions):.0f}",
    ]


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


def _one_log(judged: Judged, log: Log, chance: random.Random, seed: int) -> Told | None:
    """Draws a log and returns what it says; None where it is refused."""
    world, best = judged.world, judged.best
    sums, rows = [], []
    for number, (task, place, propensity) in enumerate(_drawn(world, log, chance)):
        bundle = bundle_of(f"{seed}.{number // log.session}", log.thinned)
        sums.append(rating_of(world, task, place, propensity)._replace(bundle=bundle))
        agrees = place == best[task.pattern]
        rows.append(Row(task.pattern, agrees, agrees / propensity, task.correct[place]))

    def chosen(pattern: str, cell: str) -> ModelId:  # noqa: ARG001 - one for all cells
        return world.models[best[pattern]]

    def other(pattern: str, cell: str) -> ModelId:  # noqa: ARG001 - one for all
        return world.models[OTHER]

    state = fold(LearningState.empty(judged.config), ratings=sums)
    compared = compare(state, other, chosen, RULE)
    found, gap = compared.proposed.correctness, compared.difference.correctness
    if found is None or gap is None:
        return None
    expected = mean_reward(state)["correctness"]
    means = {pattern: expected(RatingKey(pattern, *chosen(pattern, ""))) for pattern in best}
    q = {pattern: one.reward for pattern, one in means.items() if one is not None}
    ips = math.fsum(row.weight * row.correct for row in rows) / len(rows)
    return Told(ips, found, gap, _naive(rows, q), compared.proposed.effective)


def _naive(rows: Sequence[Row], q: dict[str, float]) -> tuple[float, float]:
    """Returns the half widths of normal intervals that take requests to be independent."""
    weight = math.fsum(row.weight for row in rows)
    snips = math.fsum(row.weight * row.correct for row in rows) / weight
    terms = [q[row.pattern] + row.weight * (row.correct - q[row.pattern]) for row in rows]
    squares = math.fsum((row.weight * (row.correct - snips)) ** 2 for row in rows)
    errors = math.sqrt(squares) / weight, statistics.stdev(terms) / math.sqrt(len(rows))
    return normal_quantile(0.975) * errors[0], normal_quantile(0.975) * errors[1]
