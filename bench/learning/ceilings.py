"""What is to be had on these data sets at all: bounds beside the figures of the other pages.

The first two know what no learner knows. The third asks whether the text of a prompt tells more
than its pattern and neighbourhood do: ridge regressions on what the served beliefs leave, on train
prompts alone, in five folds. They are a trial, and serve nothing.
"""

import math
import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.learning.report import PRO, TWO, Options, spread, table
from bench.learning.ten_models import aiq
from shared.cli.datasets import read_world
from shared.cli.simulate import config_for, singles, worths
from shared.domain.learning.gains import Point, apgr
from shared.domain.learning.labels import words_of
from shared.domain.learning.prompts import read
from shared.domain.learning.simulation import WRONG, Task, Whetstone, World, pattern_means

HASHES = 2048
"""Different hashes of words that the regression tells apart."""

PENALTIES = 30.0, 100.0, 300.0, 1000.0
"""What a squared weight costs, in squared errors; a prompt's words weigh 1 together, a mark 1."""

FOLDS = 5

Floats = NDArray[np.float64]


def report(options: Options) -> list[str]:
    """Returns the page; see bench/learning/__main__.py."""
    ten, two = read_world(PRO), read_world(TWO)
    single, by_pattern = least_regret(ten)
    seeds = min(options.seeds, 2)
    return [
        "# What is to be had at all",
        "",
        "## The area under the frontier, ten models",
        "",
        (
            "Policies by pattern on the test prompts, for every worth of an answer. All but the "
            "first know what nobody knows beforehand:"
        ),
        "",
        *table(("each model's share of right answers, and its cost", "AIQ"), _areas(ten)),
        "",
        "## Regret, ten models",
        "",
        (
            "Who is told the chosen model's outcome only, and does well whichever model is best, "
            "in the long run pays at least, for as many requests as there are train prompts (Lai, "
            f"Robbins 1985): {single:.0f} right answers against the best single model where "
            f"patterns are left alone, {by_pattern:.0f} against each pattern's best where each is "
            "learned by itself. Baselines that know the outcomes beforehand pay nothing for that."
        ),
        "",
        "## The text of a prompt",
        "",
        (
            f"Train prompts alone, five folds, {seeds} orders: what the beliefs that serve come "
            "to, and what a ridge regression of what they leave adds, by what a squared weight "
            f"costs: on words (TF-IDF, {HASHES:,} hashes), or on {len(MARKS)} marks of the text, "
            "as its length. With all outcomes, and with that of one model for each prompt, drawn "
            "evenly:"
        ),
        "",
        *table(
            ("data, figure", "told", "beliefs", "text", *(f"at {one:g}" for one in PENALTIES)),
            [
                row
                for name, world, figure in (
                    ("ten models, AIQ", ten, _aiq),
                    ("two models, APGR", two, _gap),
                )
                for told, whole in (("all", True), ("one", False))
                for row in _with_text([name, told], world, seeds, figure, whole=whole)
            ],
        ),
    ]


def _areas(world: World) -> list[list[str]]:
    train, test = _by_pattern(world.train, world.test), _by_pattern(world.test, world.test)
    own_costs = np.array([task.cost_usd for task in world.test])
    oracle = np.array([task.correct for task in world.test], float)
    told = {
        "the pattern's on train": train,
        "the pattern's on train, and what each answer will cost": (train[0], own_costs),
        "the pattern's on these test prompts themselves": test,
        "each answer as it will be (oracle)": (oracle, own_costs),
    }
    return [[name, f"{_area(world, *one):.4f}"] for name, one in told.items()]


def _by_pattern(known: Sequence[Task], asked: Sequence[Task]) -> tuple[Floats, Floats]:
    """Returns correctness and cost by (asked task, model): the means of its pattern in `known`."""
    means = {}
    for pattern in {task.pattern for task in asked}:
        rows = [task for task in known if task.pattern == pattern]
        means[pattern] = (
            np.mean([task.correct for task in rows], axis=0),
            np.mean([task.cost_usd for task in rows], axis=0),
        )
    correct, costs = zip(*(means[task.pattern] for task in asked), strict=True)
    return np.array(correct), np.array(costs)


def _area(world: World, values: Floats, costs: Floats) -> float:
    """Returns AIQ on the test tasks where these are believed of each (task, model)."""
    points = []
    for worth in worths(world):
        places = np.argmax(worth * values - costs, axis=1)
        pairs = list(zip(world.test, places, strict=True))
        points.append(
            Point(
                math.fsum(task.cost_usd[place] for task, place in pairs) / len(pairs),
                sum(task.correct[place] for task, place in pairs) / len(pairs),
            )
        )
    return aiq(points, singles(world))


def least_regret(world: World) -> tuple[float, float]:
    """Returns Lai and Robbins' lower bound on train, for one choice and for one by pattern.

    log(n) * sum of gap / KL(model, best) over the models that are not best ("Asymptotically
    efficient adaptive allocation rules", Advances in Applied Mathematics 6, 1985).
    """
    alone = [statistics.fmean(column) for column in zip(*_outcomes(world.train), strict=True)]
    sizes = Counter(task.pattern for task in world.train)
    means = pattern_means(world)
    return _bound(alone, len(world.train)), math.fsum(
        _bound(means[pattern], size) for pattern, size in sizes.items()
    )


def _bound(shares: Sequence[float], requests: int) -> float:
    best = max(shares)
    behind = [share for share in shares if share < best]
    return math.log(requests) * math.fsum((best - one) / _kl(one, best) for one in behind)


def _kl(one: float, best: float) -> float:
    """Returns the divergence of a coin from a better one, in nats."""
    if best == 1:
        return math.inf
    pairs = (one, best), (1 - one, 1 - best)
    return math.fsum(share * math.log(share / other) for share, other in pairs if share)


def _outcomes(tasks: Sequence[Task]) -> list[tuple[int, ...]]:
    return [task.correct for task in tasks]


class _Believed:
    """What is believed of the tasks that were kept apart, with what text adds to it."""

    def __init__(self, world: World, chance: random.Random, *, whole: bool) -> None:
        """Learns from the train tasks: all outcomes, or one of each, drawn evenly."""
        count = len(world.models)
        self.world = world
        self._told = np.zeros((len(world.train), count), dtype=bool)
        learner = Whetstone(world, config_for(world, 1.0))
        for row, task in enumerate(world.train):
            places = range(count) if whole else (chance.randrange(count),)
            for place in places:
                self._told[row, place] = True
                learner.note(task, place, 1.0 if whole else 1 / count)
        learner.retrain()
        self.alone = _values(learner, world.test)
        self.costs = np.array(
            [[learner.cost(task, place) for place in range(count)] for task in world.test]
        )
        wrong = (WRONG - 1) / 4 / 2  # the value of an answer: correct, and its rating in 0..1
        outcomes = np.where(np.array(_outcomes(world.train)) > 0, 1.0, wrong)
        self._left = outcomes - _values(learner, world.train)

    def with_text(self, known: Floats, asked: Floats) -> list[Floats]:
        """Returns beliefs by (test task, model) with what a regression adds, by penalty.

        Args:
            known: the text of the train tasks, (tasks, features).
            asked: that of the test tasks.
        """
        if self._told.all():
            weights = ridge(known, self._left, PENALTIES)
        else:
            by_model = [
                ridge(known[told], left[told], PENALTIES)
                for told, left in zip(self._told.T, self._left.T, strict=True)
            ]
            weights = [np.stack(one, axis=1) for one in zip(*by_model, strict=True)]
        return [self.alone + asked @ one for one in weights]


def ridge(rows: Floats, left: Floats, penalties: Sequence[float]) -> list[Floats]:
    """Returns the weights of the columns, for each penalty of a squared weight."""
    squares, wanted = rows.T @ rows, rows.T @ left
    alone = np.eye(rows.shape[1])
    return [np.asarray(np.linalg.solve(squares + one * alone, wanted)) for one in penalties]


def _values(learner: Whetstone, tasks: Sequence[Task]) -> Floats:
    places = range(len(tasks[0].correct))
    return np.array([[learner.belief(task, place).value for place in places] for task in tasks])


def words(*parts: Sequence[Task]) -> Iterator[Floats]:
    """Yields for each part its words by task: TF-IDF by the first part, of length 1."""
    counts = []
    for tasks in parts:
        has = np.zeros((len(tasks), HASHES))
        for row, task in enumerate(tasks):
            for word in words_of(read(task.prompt).words):
                has[row, word % HASHES] = 1
        counts.append(has)
    rare = np.log((1 + len(parts[0])) / (1 + counts[0].sum(axis=0)))
    for has in counts:
        weighed = has * rare
        yield weighed / np.maximum(1e-9, np.linalg.norm(weighed, axis=1, keepdims=True))


MARKS: dict[str, Callable[[str, Sequence[str]], float]] = {
    "length": lambda prompt, _: math.log(len(prompt)),
    "figures": lambda prompt, _: _share(prompt, str.isdigit),
    "capitals": lambda prompt, _: _share(prompt, str.isupper),
    "length of words": lambda prompt, words: len(prompt) / len(words),
    "variety of words": lambda _, words: len(set(words)) / len(words),
    "sentences": lambda prompt, _: prompt.count("."),
    "commas": lambda prompt, _: prompt.count(","),
    "lines": lambda prompt, _: prompt.count("\n"),
    "questions": lambda prompt, _: prompt.count("?"),
    "brackets": lambda prompt, _: prompt.count("("),
    "quotes": lambda prompt, _: '"' in prompt,
    "formulas": lambda prompt, _: "=" in prompt,
    "what is": lambda prompt, _: "what is" in prompt.lower(),
    "which": lambda _, words: "which" in words,
    "how many": lambda prompt, _: "how many" in prompt.lower(),
    "why": lambda _, words: "why" in words,
    "not": lambda _, words: "not" in words,
}
"""Of a prompt and its words in small letters, neither of them empty."""


def _share(prompt: str, kind: Callable[[str], bool]) -> float:
    return sum(map(kind, prompt)) / len(prompt)


def marks(*parts: Sequence[Task]) -> Iterator[Floats]:
    """Yields for each part its marks by task, on the scale of the first part, and a column of 1."""
    rows = []
    for tasks in parts:
        texts = [(task.prompt or " ", task.prompt.lower().split() or [""]) for task in tasks]
        rows.append(np.array([[float(mark(*text)) for mark in MARKS.values()] for text in texts]))
    middle, width = rows[0].mean(axis=0), rows[0].std(axis=0)
    for one in rows:
        scaled = np.clip((one - middle) / np.maximum(1e-9, width), -3, 3)
        yield np.hstack([scaled, np.ones((len(one), 1))])


def _aiq(found: _Believed, values: Floats) -> float:
    return _area(found.world, values, found.costs)


def _gap(found: _Believed, values: Floats) -> float:
    strong, weak = zip(*_outcomes(found.world.test), strict=True)
    return apgr(list(values[:, 0] - values[:, 1]), strong, weak)


TEXTS = {"words": words, "marks": marks}
Figure = Callable[[_Believed, Floats], float]


def _with_text(
    head: list[str], world: World, seeds: int, figure: Figure, *, whole: bool
) -> list[list[str]]:
    """Returns a row for each kind of text: the figure of the beliefs alone, and what is added."""
    alone: list[float] = []
    added = {(kind, one): list[float]() for kind in TEXTS for one in PENALTIES}
    for seed in range(seeds):
        chance = random.Random(seed)
        for part in _folds(world, chance):
            believed = _Believed(part, chance, whole=whole)
            first = figure(believed, believed.alone)
            alone.append(first)
            for kind, features in TEXTS.items():
                found = believed.with_text(*features(part.train, part.test))
                for penalty, values in zip(PENALTIES, found, strict=True):
                    added[kind, penalty].append(figure(believed, values) - first)
    return [
        [
            *head,
            f"{statistics.fmean(alone):.4f}",
            kind,
            *(_signed(added[kind, one]) for one in PENALTIES),
        ]
        for kind in TEXTS
    ]


def _signed(gained: Sequence[float]) -> str:
    return f"{'+' if statistics.fmean(gained) >= 0 else ''}{spread(gained)}"


def _folds(world: World, chance: random.Random) -> Iterator[World]:
    order = chance.sample(range(len(world.train)), len(world.train))
    for fold in range(FOLDS):
        apart = set(order[fold::FOLDS])
        yield world._replace(
            train=tuple(task for at, task in enumerate(world.train) if at not in apart),
            test=tuple(task for at, task in enumerate(world.train) if at in apart),
        )
