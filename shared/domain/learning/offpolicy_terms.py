"""The sums that off-policy estimates are made of, for one model in one (pattern, neighbourhood).

Whole-number sums become floats here, by dividing whole numbers: they may have thousands of bits.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from shared.domain.learning.config import ModelId
from shared.domain.learning.figures import (
    Logged,
    RatingFigures,
    RatingKey,
)
from shared.domain.learning.state import (
    LearningState,
)
from shared.domain.learning.sums import WEIGHT_UNIT

Name = Literal["quality", "correctness", "cost_usd"]
FIGURES: tuple[Name, ...] = ("quality", "correctness", "cost_usd")

_LEAN = 10.0
"""Ratings that a model's mean over all patterns is worth where its mean in a group is told."""

_NANO, _MICRO = 1e-9, 1e-6


class Terms(NamedTuple):
    """Sums over a group's logged rows of weight w and reward r; `q` is the reward expected of one.

    `twice_w` and `twice_wr` are sums in the squared weights of the days, as are those of w squared.
    `slack` makes up for `q` having been told by the same rows, to which it is nearer.
    """

    q: float
    w: float
    wr: float
    twice_w: float
    twice_wr: float
    ww: float
    wwr: float
    wwrr: float
    slack: float = 1.0

    @property
    def residual(self) -> float:
        """The sum of w (r - q)."""
        return self.wr - self.q * self.w

    @property
    def twice_residual(self) -> float:
        """The sum of w (r - q) in the squared weights of the days."""
        return self.twice_wr - self.q * self.twice_w

    @property
    def residual_squared(self) -> float:
        """The sum of (w (r - q)) squared, with slack."""
        return self.slack * self.squared_about(self.q)

    def squared_about(self, center: float) -> float:
        """Returns the sum of (w (r - center)) squared."""
        return self.wwrr - 2 * center * self.wwr + center * center * self.ww


class NoCost(Terms):
    """Stands for the cost of a group of which no cost is known."""


class Chosen(NamedTuple):
    """A group that a policy takes; `unit` is what a rating typically weighs for its age."""

    key: RatingKey
    logged: Logged
    unit: int


class Expected(NamedTuple):
    """A reward as it is expected of a group, told by `n` ratings of its own."""

    reward: float
    n: float

    @property
    def slack(self) -> float:
        """What squared residuals about the reward are too small by, as a factor.

        The reward leans on its own n rows with a share a = n / (n + 10), which takes
        sigma**2 (2 a - a**2) off the sum of n squared residuals on average.
        """
        share = self.n / (self.n + _LEAN)
        lost = 2 * share - share * share
        return self.n / (self.n - lost) if self.n > 1 else 1.0


Means = Mapping[Name, Callable[[RatingKey], Expected | None]]


def terms_of(name: Name, chosen: Chosen, means: Means) -> Terms:
    """Returns the sums of one figure of a group; NoCost where no cost is known there."""
    once, twice = chosen.logged
    first, second = chosen.unit * WEIGHT_UNIT, chosen.unit**2 * WEIGHT_UNIT
    squared = second * WEIGHT_UNIT
    expected = means[name](chosen.key) or Expected(0.0, 0.0)
    if name == "cost_usd":
        if once.w_costed <= 0 or means[name](chosen.key) is None:
            return NoCost(0, 0, 0, 0, 0, 0, 0, 0)
        return _cost_terms(chosen, expected)
    quality = name == "quality"
    return Terms(
        q=expected.reward,
        slack=expected.slack,
        w=once.weight / first,
        wr=(once.w_quality if quality else once.w_correct) / first,
        twice_w=twice.weight / second,
        twice_wr=(twice.w_quality if quality else twice.w_correct) / second,
        ww=twice.weight_squared / squared,
        wwr=(twice.ww_quality if quality else twice.ww_correct) / squared,
        wwrr=(twice.ww_quality_squared if quality else twice.ww_correct) / squared,
    )


def _cost_terms(chosen: Chosen, expected: Expected) -> Terms:
    """Returns the sums of the cost, whose own squares are not weighted.

    Within a group a request's cost and its weight are taken as independent: the sum of (w r)
    squared is that of w squared times the mean of r squared.
    """
    once, twice = chosen.logged
    first, second = chosen.unit * WEIGHT_UNIT, chosen.unit**2 * WEIGHT_UNIT
    known = once.w_costed / once.weight
    mean = once.w_cost / once.w_costed * _NANO
    squared = max(mean * mean, once.micro_cost_squared / once.weighted / known * _MICRO**2)
    ww = twice.weight_squared / (second * WEIGHT_UNIT) * known
    return Terms(
        q=expected.reward,
        slack=expected.slack,
        w=once.w_costed / first,
        wr=once.w_cost / first * _NANO,
        twice_w=twice.w_costed / second,
        twice_wr=twice.w_cost / second * _NANO,
        ww=ww,
        wwr=ww * mean,
        wwrr=ww * squared,
    )


def mean_reward(state: LearningState) -> Means:
    """Returns what each group is expected to earn, leaning on the model's mean where it has little.

    Of all ratings, also those without a probability.
    """
    return {
        "quality": _leaning(state, lambda sums: (sums.quality, sums.n)),
        "correctness": _leaning(state, lambda sums: (sums.correct, sums.n)),
        "cost_usd": _leaning(state, lambda sums: (sums.cost_nanousd, sums.costed), _NANO),
    }


def _leaning(
    state: LearningState,
    part: Callable[[RatingFigures], tuple[int, int]],
    scale: float = 1.0,
) -> Callable[[RatingKey], Expected | None]:
    totals: dict[ModelId, list[int]] = defaultdict(lambda: [0, 0])
    for key, evidence in state.ratings.items():
        amount, count = part(evidence.decayed)
        total = totals[ModelId(key.provider, key.model)]
        total[0], total[1] = total[0] + amount, total[1] + count

    def expected(key: RatingKey) -> Expected | None:
        whole, ratings = totals.get(ModelId(key.provider, key.model), (0, 0))
        if ratings <= 0:
            return None
        parent = whole / ratings * scale
        evidence = state.ratings.get(key)
        amount, count = part(evidence.decayed) if evidence else (0, 0)
        if evidence is None or count <= 0:
            return Expected(parent, 0.0)
        n = count / evidence.decayed.n * evidence.raw.n if evidence.decayed.n > 0 else 0.0
        return Expected((n * (amount / count) * scale + _LEAN * parent) / (n + _LEAN), n)

    return expected
