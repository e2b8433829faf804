"""What the demo measures by itself, apart from the server: outcomes on prompts not learned from."""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from demo.dataset import Prompt

RESAMPLES = 2000
_Z = 1.3
"""Width of the interval by which a model is given up, in standard errors."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a policy's choices came to, prompt by prompt; costs in US dollars."""

    correct: tuple[bool, ...]
    cost_usd: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0..1."""
        return sum(self.correct) / len(self.correct)

    @property
    def usd_per_1000(self) -> float:
        """Mean cost of a thousand prompts in US dollars."""
        return 1000 * sum(self.cost_usd) / len(self.cost_usd)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def score(prompts: Sequence[Prompt], choices: Sequence[int]) -> Scores:
    """Returns the outcomes of choosing the model at place `choices[i]` for prompt i."""
    pairs = list(zip(prompts, choices, strict=True))
    return Scores(
        tuple(prompt.correct[place] for prompt, place in pairs),
        tuple(prompt.cost_usd[place] for prompt, place in pairs),
    )


def paired_bootstrap(
    before: Sequence[float], after: Sequence[float], rng: random.Random
) -> Interval:
    """Returns the mean of after - before over the same prompts, with its percentile interval.

    Source: Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.

    Raises:
        ValueError: the two differ in length, or are empty.
    """
    differences = [new - old for old, new in zip(before, after, strict=True)]
    if not differences:
        raise ValueError("there is nothing to compare")
    size = len(differences)
    means = sorted(sum(rng.choices(differences, k=size)) / size for _ in range(RESAMPLES))
    tail = round(RESAMPLES * 0.025)
    return Interval(sum(differences) / size, means[tail], means[-1 - tail])


def best_by_category(prompts: Sequence[Prompt]) -> dict[str, int]:
    """Returns the most often right model of each category, by outcomes of all models."""
    right: dict[str, list[int]] = {}
    for prompt in prompts:
        sums = right.setdefault(prompt.category, [0] * len(prompt.correct))
        for place, correct in enumerate(prompt.correct):
            sums[place] += correct
    return {category: sums.index(max(sums)) for category, sums in right.items()}


def oracle(prompt: Prompt) -> int:
    """Returns the cheapest model that is right, the cheapest of all where none is."""
    by_cost = sorted(range(len(prompt.cost_usd)), key=prompt.cost_usd.__getitem__)
    return next((place for place in by_cost if prompt.correct[place]), by_cost[0])


def wilson(right: int, asked: int, z: float = _Z) -> tuple[float, float]:
    """Returns the ends of the interval of a share; (0, 1) where nothing was asked.

    Source: Wilson, "Probable Inference", JASA 22, 1927.
    """
    if not asked:
        return 0.0, 1.0
    share, spread = right / asked, z * z / asked
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / asked + spread / (4 * asked)) / (1 + spread)
    return middle - half, middle + half


class Elimination:
    """Draws which models to ask, and gives up those that are clearly behind in a category.

    Uniform among the models that are left, so that no model is favoured within a category. Source:
    Even-Dar, Mannor, Mansour, "Action Elimination", JMLR 7, 2006.

    Args:
        models: how many there are.
        rng: decides.
    """

    def __init__(self, models: int, rng: random.Random) -> None:
        self._rng = rng
        self._left: dict[str, list[int]] = defaultdict(lambda: list(range(models)))
        self._asked: dict[str, set[int]] = defaultdict(set)
        self._right: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])

    @property
    def left(self) -> Mapping[str, Sequence[int]]:
        """The models still in question, by category."""
        return self._left

    def draw(self, prompt: Prompt) -> int | None:
        """Returns a model that has not had this prompt yet, None where all that are left had it."""
        seen = self._asked[prompt.prompt_id]
        open_ones = [place for place in self._left[prompt.category] if place not in seen]
        if not open_ones:
            return None
        place = self._rng.choice(open_ones)
        seen.add(place)
        return place

    def note(self, category: str, place: int, *, correct: bool) -> None:
        """Counts the outcome of a model that was asked."""
        counts = self._right[category, place]
        counts[0] += correct
        counts[1] += 1

    def give_up(self) -> None:
        """Drops, by category, the models whose upper bound is below another's lower bound."""
        for category, places in self._left.items():
            bounds = {place: wilson(*self._right[category, place]) for place in places}
            best = max(low for low, _ in bounds.values())
            self._left[category] = [place for place in places if bounds[place][1] >= best]


def rank_correlation(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Returns Spearman's rho, -1..1; 0 where one of the two does not vary."""
    first, second = _ranks(xs), _ranks(ys)
    mean = (len(first) + 1) / 2
    pairs = [(x - mean, y - mean) for x, y in zip(first, second, strict=True)]
    spread = math.sqrt(sum(x * x for x, _ in pairs) * sum(y * y for _, y in pairs))
    return sum(x * y for x, y in pairs) / spread if spread else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    """Returns ranks from 1, equal values sharing the mean of theirs."""
    ordered = sorted(values)
    first = {value: ordered.index(value) for value in set(values)}
    return [first[value] + (ordered.count(value) + 1) / 2 for value in values]


def share(found: Iterable[bool]) -> float:
    """Returns the share of true ones, 0 for none at all."""
    values = list(found)
    return sum(values) / len(values) if values else 0.0


def stratified(prompts: Sequence[Prompt], every: int, key: Callable[[Prompt], str]) -> list[Prompt]:
    """Returns every n-th prompt of each group, in the order given."""
    seen: dict[str, int] = defaultdict(int)
    chosen = []
    for prompt in prompts:
        group = key(prompt)
        if seen[group] % every == 0:
            chosen.append(prompt)
        seen[group] += 1
    return chosen
