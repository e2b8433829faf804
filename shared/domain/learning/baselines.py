"""What a policy has to beat, as learners of the simulation."""

import math
from collections import defaultdict
from collections.abc import Callable

from shared.domain.learning.preference import Preference
from shared.domain.learning.simulation import Draw, Task, World, pattern_means


class Fixed:
    """Takes what a function of the task says, always; learns nothing."""

    def __init__(self, rule: Callable[[Task], int]) -> None:
        self._rule = rule

    def choose(self, task: Task, draw: Draw) -> tuple[int, float]:  # noqa: ARG002 - nothing is drawn
        """See Learner."""
        return self._rule(task), 1.0

    def note(self, task: Task, place: int, propensity: float) -> None:
        """See Learner."""

    def retrain(self) -> None:
        """See Learner."""

    def best(self, task: Task, preference: Preference) -> int:  # noqa: ARG002 - it has only one
        """See Learner."""
        return self._rule(task)


def cheapest(world: World) -> Fixed:
    """Returns who always takes the model that costs least on train."""
    costs = [sum(task.cost_usd[place] for task in world.train) for place in _places(world)]
    least = costs.index(min(costs))
    return Fixed(lambda _: least)


def best_single(world: World) -> Fixed:
    """Returns who always takes the model that is right most often on train: hindsight."""
    best = most_right(world)
    return Fixed(lambda _: best)


def best_by_pattern(world: World) -> Fixed:
    """Returns who takes each pattern's best model by all outcomes of train: full information.

    Patterns that train does not have go to the best of all.
    """
    means, single = pattern_means(world), most_right(world)
    best = {pattern: row.index(max(row)) for pattern, row in means.items()}
    return Fixed(lambda task: best.get(task.pattern, single))


def oracle(world: World) -> Fixed:
    """Returns who knows the outcomes: the cheapest model that is right, else the cheapest."""
    return Fixed(
        lambda task: min(
            _places(world), key=lambda place: (-task.correct[place], task.cost_usd[place])
        )
    )


def _places(world: World) -> range:
    return range(len(world.models))


def most_right(world: World) -> int:
    """Returns the place of the model that is right most often on train."""
    right = [sum(task.correct[place] for task in world.train) for place in _places(world)]
    return right.index(max(right))


class Bandit:
    """Counts right answers by (pattern, model), each pattern for itself.

    Args:
        world: whose models may answer.
        rate: share of requests that go to a model at random; None draws from each model's beta
            posterior instead (Thompson sampling by pattern).
    """

    def __init__(self, world: World, rate: float | None) -> None:
        self._count, self._rate = len(world.models), rate
        self._right: dict[str, list[float]] = defaultdict(lambda: [0.0] * self._count)
        self._n: dict[str, list[float]] = defaultdict(lambda: [0.0] * self._count)
        self._waiting: list[tuple[str, int, int]] = []

    def choose(self, task: Task, draw: Draw) -> tuple[int, float]:
        """See Learner; Thompson's propensity is not known and told as 0."""
        if self._rate is None:
            values = [
                _beta(1 + right, 1 + n - right, draw)
                for right, n in zip(self._right[task.pattern], self._n[task.pattern], strict=True)
            ]
            return values.index(max(values)), 0.0
        best, share = self.best(task, Preference()), self._rate / self._count
        if draw() < self._rate:
            place = int(draw() * self._count)
            return place, share + (1 - self._rate) * (place == best)
        return best, 1 - self._rate + share

    def note(self, task: Task, place: int, propensity: float) -> None:  # noqa: ARG002
        """See Learner."""
        self._waiting.append((task.pattern, place, task.correct[place]))

    def retrain(self) -> None:
        """See Learner."""
        for pattern, place, correct in self._waiting:
            self._n[pattern][place] += 1
            self._right[pattern][place] += correct
        self._waiting = []

    def best(self, task: Task, preference: Preference) -> int:  # noqa: ARG002 - it has only one
        """See Learner."""
        means = [
            (right + 0.5) / (n + 1)
            for right, n in zip(self._right[task.pattern], self._n[task.pattern], strict=True)
        ]
        return means.index(max(means))


class Uniform(Bandit):
    """Takes every model alike, and counts as a bandit does."""

    def __init__(self, world: World) -> None:
        super().__init__(world, 1.0)

    def best(self, task: Task, preference: Preference) -> int:  # noqa: ARG002
        """Returns a model by the prompt's length: as good as any."""
        return (task.input_tokens * 7919) % self._count


def _beta(a: float, b: float, draw: Draw) -> float:
    first, second = _gamma(a, draw), _gamma(b, draw)
    return first / (first + second)


def _gamma(shape: float, draw: Draw) -> float:
    """Draws from the gamma distribution (Marsaglia, Tsang, ACM TOMS 26, 2000), shape at least 1."""
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        x = sum(draw() for _ in range(12)) - 6
        v = (1 + c * x) ** 3
        if v > 0 and draw() < 1 - 0.0331 * x**4:
            return d * v
