"""The sums that off-policy estimates are made of, for one model in one (pattern, neighbourhood).

Whole-number sums become floats here, by dividing whole numbers: they may have thousands of bits.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from shared.domain.learning.config import ModelId
from shared.domain.learning.figures import (
    Logged,
    LoggedFigures,
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

_NANO = 1e-9


class Sums(NamedTuple):
    """Sums over logged rows of weight w and reward r: of w, and of w r."""

    w: float
    wr: float


class Terms(NamedTuple):
    """The sums of a group, of all its `n` rows and by bundle; `q` is the reward expected of one.

    `slack` makes up for `q` having been told by the same rows, to which it is nearer: a factor on
    what the bundles' residuals are off by.
    """

    n: float
    q: float
    whole: Sums
    bundles: Mapping[int, Sums]
    slack: float = 1.0

    @property
    def residual(self) -> float:
        """The sum of w (r - q)."""
        return self.whole.wr - self.q * self.whole.w


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
        """What residuals about the reward are too small by, as a factor.

        The reward leans on its own n rows with a share a = n / (n + 10), which takes
        sigma**2 (2 a - a**2) off the sum of n squared residuals on average. Each is taken as far
        from the reward as from one that the others tell (HC3; MacKinnon, White, Journal of
        Econometrics 29, 1985).
        """
        share = self.n / (self.n + _LEAN)
        lost = 2 * share - share * share
        return self.n / (self.n - lost) if self.n > 1 else 1.0


Means = Mapping[Name, Callable[[RatingKey], Expected | None]]


def terms_of(name: Name, chosen: Chosen, means: Means) -> Terms:
    """Returns the sums of one figure of a group; NoCost where no cost is known there."""
    expected = means[name](chosen.key)
    if name == "cost_usd" and (chosen.logged.whole.w_costed <= 0 or expected is None):
        return NoCost(0.0, 0.0, Sums(0.0, 0.0), {})
    reward, slack = (expected.reward, expected.slack) if expected else (0.0, 1.0)
    unit = chosen.unit * WEIGHT_UNIT

    def sums(figures: LoggedFigures) -> Sums:
        if name == "cost_usd":
            return Sums(figures.w_costed / unit, figures.w_cost / unit * _NANO)
        earned = figures.w_quality if name == "quality" else figures.w_correct
        return Sums(figures.weight / unit, earned / unit)

    bundles = {bundle: sums(figures) for bundle, figures in chosen.logged.bundles.items()}
    n = chosen.logged.whole.weighted / chosen.unit
    return Terms(n, reward, sums(chosen.logged.whole), bundles, slack)


def mean_reward(state: LearningState) -> Means:
    """Returns what each group is expected to earn, leaning on the model's mean where it has little.

    Of all ratings, also those without a probability.
    """
    totals = _by_model(state)
    return {
        "quality": _leaning(state, totals, lambda sums: (sums.quality, sums.n)),
        "correctness": _leaning(state, totals, lambda sums: (sums.correct, sums.n)),
        "cost_usd": _leaning(state, totals, lambda sums: (sums.cost_nanousd, sums.costed), _NANO),
    }


def _by_model(state: LearningState) -> Mapping[ModelId, RatingFigures]:
    """Returns the weighted sums of each model over all its groups."""
    groups: dict[tuple[str, str], list[RatingFigures]] = defaultdict(list)
    for key, evidence in state.ratings.items():
        groups[key.provider, key.model].append(evidence.decayed)
    return {
        ModelId(*model): RatingFigures._make(map(sum, zip(*rows, strict=True)))
        for model, rows in groups.items()
    }


def _leaning(
    state: LearningState,
    totals: Mapping[ModelId, RatingFigures],
    part: Callable[[RatingFigures], tuple[int, int]],
    scale: float = 1.0,
) -> Callable[[RatingKey], Expected | None]:
    def expected(key: RatingKey) -> Expected | None:
        whole, ratings = part(totals.get(ModelId(key.provider, key.model), RatingFigures()))
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
