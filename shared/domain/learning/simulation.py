"""Plays routing policies against a table of full outcomes: what would they have learned and cost?

The policy that is played is the one that serves: its evidence is folded (`state`), its table built
(`routing`) and each request decided by `odds`, as in the running system. Only the chosen model's
outcome is told to it. Pure: random numbers come in.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from shared.domain.learning.cells import Belief
from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.decision import best, odds
from shared.domain.learning.gains import Point
from shared.domain.learning.neighbourhoods import cell_of
from shared.domain.learning.preference import NO_PREFERENCE, Preference
from shared.domain.learning.routing import RoutingPolicy, build_policy
from shared.domain.learning.state import LearningState, fold
from shared.domain.learning.sums import MAX_COST, RatingSums, inverse_weight
from shared.domain.models import NANO_PER_USD, Price

RIGHT, WRONG = 5, 2
"""The 1..5 rating of a right and of a wrong answer."""

FIRST_DAY = 20_700

Draw = Callable[[], float]
"""A uniform random number in [0, 1)."""


class Task(NamedTuple):
    """A prompt with every model's outcome, in the order of the models; costs in US dollars."""

    pattern: str
    prompt: str
    input_tokens: int
    correct: tuple[int, ...]
    output_tokens: tuple[int, ...]
    cost_usd: tuple[float, ...]


class World(NamedTuple):
    """A data set: `train` is learned from, `test` only measured on."""

    models: tuple[ModelId, ...]
    prices: tuple[Price, ...]
    train: tuple[Task, ...]
    test: tuple[Task, ...]


class Learner(Protocol):
    """Something that routes, is told the outcome of what it chose, and learns now and then."""

    def choose(self, task: Task, draw: Draw) -> tuple[int, float]:
        """Returns the place of a model and the probability with which it was taken."""

    def note(self, task: Task, place: int, propensity: float) -> None:
        """Takes in the outcome of the model that was chosen."""

    def retrain(self) -> None:
        """Learns from what was noted."""

    def best(self, task: Task, preference: Preference) -> int:
        """Returns what it would take now, without exploring."""


class Played(NamedTuple):
    """How a learner did on train.

    `regret` after each request against each pattern's best model in hindsight, in right answers;
    mean correctness and cost of what was served.
    """

    regret: tuple[float, ...]
    correct: float
    cost_usd: float


def play(
    world: World,
    learner: Learner,
    order: Sequence[int],
    draw: Draw,
    *,
    every: int = 200,
    after_run: Callable[[int], None] | None = None,
) -> Played:
    """Returns how the learner does on the train tasks in this order, each seen once.

    Args:
        world: the data set.
        learner: learns in place.
        order: places of train tasks.
        draw: the learner's random numbers.
        every: requests between two runs.
        after_run: called after each run, with how many requests there were until then.
    """
    means = pattern_means(world)
    total, regret = 0.0, []
    correct, cost = 0, 0.0
    for number, place in enumerate(order, start=1):
        task = world.train[place]
        chosen, propensity = learner.choose(task, draw)
        learner.note(task, chosen, propensity)
        total += max(means[task.pattern]) - means[task.pattern][chosen]
        correct, cost = correct + task.correct[chosen], cost + task.cost_usd[chosen]
        regret.append(total)
        if number % every == 0:
            learner.retrain()
            if after_run is not None:
                after_run(number)
    learner.retrain()
    return Played(tuple(regret), correct / len(order), cost / len(order))


def pattern_means(world: World) -> dict[str, list[float]]:
    """Returns each model's share of right answers by pattern of the train tasks."""
    tasks = defaultdict(list)
    for task in world.train:
        tasks[task.pattern].append(task.correct)
    return {
        pattern: [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        for pattern, rows in tasks.items()
    }


def measure(
    tasks: Sequence[Task], learner: Learner, preference: Preference = NO_PREFERENCE
) -> Point:
    """Returns what a learner earns on tasks that it does not learn from."""
    places = [learner.best(task, preference) for task in tasks]
    pairs = list(zip(tasks, places, strict=True))
    return Point(
        math.fsum(task.cost_usd[place] for task, place in pairs) / len(tasks),
        sum(task.correct[place] for task, place in pairs) / len(tasks),
    )


def frontier(tasks: Sequence[Task], learner: Learner, worths: Sequence[float]) -> list[Point]:
    """Returns the points that the operator's trade-off reaches, one for each worth of an answer."""
    return [measure(tasks, learner, Preference(answer_worth_usd=worth)) for worth in worths]


class Whetstone:
    """The running system's own modules: evidence, fold, policy, odds.

    Args:
        world: whose models may answer.
        config: of learning, with the exploration rate.
        preference: that the traffic is served under.
    """

    def __init__(
        self, world: World, config: LearningConfig, preference: Preference = NO_PREFERENCE
    ) -> None:
        self._world, self._config, self._preference = world, config, preference
        self._state = LearningState.empty(config)
        self._policy = RoutingPolicy(default_model=config.default_model)
        self._place = {model: place for place, model in enumerate(world.models)}
        self._waiting: list[RatingSums] = []
        self._kept: dict[tuple[object, ...], int] = {}
        self._odds: dict[tuple[str, str, int], tuple[list[int], tuple[float, ...]]] = {}

    @property
    def state(self) -> LearningState:
        """The sums of what was noted and folded."""
        return self._state

    @property
    def policy(self) -> RoutingPolicy:
        """The table as of the last run."""
        return self._policy

    def choose(self, task: Task, draw: Draw) -> tuple[int, float]:
        """See Learner."""
        cell, size = self._cell(task), _size(task)
        kind = task.pattern, cell, size if self._preference.asks else 0
        if kind not in self._odds:
            found = odds(
                self._policy,
                task.pattern,
                self._world.models,
                exploration_rate=self._config.exploration_rate,
                cell=cell,
                preference=self._preference,
                costs=self._costs(task, cell, size),
            )
            places = [self._place[model] for model in found.models]
            self._odds[kind] = places, found.propensities
        places, propensities = self._odds[kind]
        left, number = draw(), 0
        while left >= propensities[number] and number + 1 < len(places):
            left -= propensities[number]
            number += 1
        return places[number], propensities[number]

    def note(self, task: Task, place: int, propensity: float) -> None:
        """See Learner."""
        self._waiting.append(rating_of(self._world, task, place, propensity, self._cell(task)))

    def retrain(self) -> None:
        """See Learner."""
        self._state = fold(self._state, ratings=self._waiting)
        self._waiting = []
        self._policy = build_policy(self._state, self._config)
        self._kept, self._odds = {}, {}

    def best(self, task: Task, preference: Preference) -> int:
        """See Learner."""
        cell, size = self._cell(task), _size(task)
        kind = task.pattern, cell, size if preference.asks else 0, preference
        if kind not in self._kept:
            found = best(
                self._policy,
                task.pattern,
                self._world.models,
                cell=cell,
                preference=preference,
                costs=self._costs(task, cell, size),
            )
            self._kept[kind] = self._place[found.greedy]
        return self._kept[kind]

    def belief(self, task: Task, place: int) -> Belief:
        """Returns what is believed of a model's answer to a task."""
        return self._policy.belief(task.pattern, self._cell(task), self._world.models[place])

    def cost(self, task: Task, place: int) -> float:
        """Returns what a model's answer to a task is predicted to cost, US dollars."""
        return self._costs(task, self._cell(task), _size(task))[self._world.models[place]]

    def _cell(self, task: Task) -> str:
        return cell_of(task.prompt, told_apart=self._config.beliefs.neighbourhoods)

    def _costs(self, task: Task, cell: str, size: int) -> dict[ModelId, float]:
        costs = {}
        for model, price in zip(self._world.models, self._world.prices, strict=True):
            answer = self._policy.belief(task.pattern, cell, model).output_tokens
            costs[model] = price.cost_usd(round(2 ** (size / 4)), round(answer or 256))
        return costs


def _size(task: Task) -> int:
    return round(4 * math.log2(max(1, task.input_tokens)))


def rating_of(
    world: World, task: Task, place: int, propensity: float, cell: str = ""
) -> RatingSums:
    """Returns the evidence that a rating of this outcome leaves, as the sums of one row."""
    model, correct = world.models[place], task.correct[place]
    quality = RIGHT if correct else WRONG
    cost = round(task.cost_usd[place] * NANO_PER_USD)
    weight, counted = inverse_weight(propensity), min(cost, MAX_COST)
    return RatingSums(
        pattern=task.pattern,
        provider=model.provider,
        model=model.model,
        cell=cell,
        day=FIRST_DAY,
        n=1,
        quality=quality,
        quality_squared=quality**2,
        correct=correct,
        cost_nanousd=cost,
        costed=1,
        latency_ms=0,
        timed=0,
        input_tokens=task.input_tokens,
        output_tokens=task.output_tokens[place],
        tokened=1,
        weighted=int(weight > 0),
        weight=weight,
        w_quality=weight * quality,
        w_correct=weight * correct,
        w_cost=weight * counted,
        w_costed=weight,
    )
