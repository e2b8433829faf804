"""Two arms of a trial compared by a metric, with evidence that holds at every look.

Rated quality, correctness, their mean (value) and the share of failed answers are bounded and are
compared exactly, by betting. Cost and latency have no bound: their evidence is asymptotic (see
`sequential.mean_above`) and waits for `LEAST` values of each arm.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.domain.learning.betting import Line, Outcomes, above
from shared.domain.learning.sequential import mean_above
from shared.domain.learning.trials import ArmCounts, Comparison, Metric

LEAST = 50
"""Values of cost or latency in each arm, before anything is said of them."""

_RANGES: Mapping[Metric, tuple[float, float]] = {
    "quality": (1.0, 5.0),
    "correctness": (0.0, 1.0),
    "value": (0.0, 1.0),
    "error_share": (0.0, 1.0),
}
_LOWER_IS_BETTER = frozenset({"cost", "latency", "error_share"})
_FINDS = 0.10
"""Relative difference of cost or latency that is looked for first."""

_STEPS = 14
"""Halvings that find the end of an interval: to 1/16000 of what the metric can be."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Values without a bound: how many, their mean, and the variance of that mean."""

    n: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two arms by one metric. `share` is the planned share of `arm` in both together."""

    metric: Metric
    first: ArmCounts
    arm: ArmCounts
    share: float

    def worse(self, by: float = 0.0) -> float:
        """Returns the e-value against "the arm is worse by no more than `by`, relatively"."""
        if self.metric in _LOWER_IS_BETTER:
            return self._above(swap=False, slope=1 + by)
        return self._above(swap=True, slope=1 / (1 - by))

    def better(self, than: float = 0.0) -> float:
        """Returns the e-value against "the arm is worse by `than` or more, relatively"."""
        if self.metric in _LOWER_IS_BETTER:
            return self._above(swap=True, slope=1 / (1 + than))
        return self._above(swap=False, slope=1 - than)

    def ends(self, bar: float) -> tuple[float, float]:
        """Returns the interval of the difference arm less first, each end at evidence `bar`."""
        widest, point = self._widest(), self.means[1] - self.means[0]
        low = _halved(point, -widest, lambda gap: self._above(swap=False, slope=1, gap=gap) >= bar)
        high = _halved(point, widest, lambda gap: self._above(swap=True, slope=1, gap=-gap) >= bar)
        return low, high

    @property
    def sizes(self) -> tuple[int, int]:
        """How many values of the first and of the arm there are."""
        if self.metric in _RANGES:
            return self._outcomes(self.first).n, self._outcomes(self.arm).n
        return self._sums(self.first).n, self._sums(self.arm).n

    @property
    def means(self) -> tuple[float, float]:
        """The means of the first and of the arm, in the metric's unit; 0 where there is nothing."""
        if self.metric not in _RANGES:
            return self._sums(self.first).mean, self._sums(self.arm).mean
        low, high = _RANGES[self.metric]
        both = (self._outcomes(self.first), self._outcomes(self.arm))
        one, other = (low + (high - low) * each.mean if each.n else 0.0 for each in both)
        return one, other

    def _above(self, *, swap: bool, slope: float, gap: float = 0.0) -> float:
        """Returns the e-value against "one mean is at most slope * the other + gap".

        One is the arm, or with `swap` the first.
        """
        if self.metric not in _RANGES:
            return self._above_unbounded(swap=swap, slope=slope, gap=gap)
        low, high = _RANGES[self.metric]
        one, other = self._outcomes(self.arm), self._outcomes(self.first)
        share = self.share
        if swap:
            one, other, share = other, one, 1 - share
        line = Line(slope, (gap + low * (slope - 1)) / (high - low))
        return above(one, other, share, line)

    def _above_unbounded(self, *, swap: bool, slope: float, gap: float) -> float:
        one, other = self._sums(self.arm), self._sums(self.first)
        if swap:
            one, other = other, one
        if min(one.n, other.n) < LEAST:
            return 1.0
        variance = one.variance + slope * slope * other.variance
        scale = _FINDS * max(one.mean, other.mean)
        if variance <= 0 or scale <= 0:
            return 1.0
        return mean_above(one.mean - slope * other.mean - gap, variance, scale)

    def _widest(self) -> float:
        if self.metric in _RANGES:
            low, high = _RANGES[self.metric]
            return high - low
        return 10 * max(*self.means, 1e-12)

    def _outcomes(self, counts: ArmCounts) -> Outcomes:
        if self.metric == "error_share":
            return Outcomes({1.0: counts.failed, 0.0: counts.answered})
        outcomes: dict[float, int] = {}
        for key, n in counts.ratings.items():
            quality, correct = map(int, key.split(":"))
            good = {"quality": (quality - 1) / 4, "correctness": float(correct)}
            x = good.get(self.metric, ((quality - 1) / 4 + correct) / 2)
            outcomes[x] = outcomes.get(x, 0) + n
        return Outcomes(outcomes)

    def _sums(self, counts: ArmCounts) -> Sums:
        """Returns cost in US dollars, or latency in milliseconds."""
        if self.metric == "cost":
            n, total, squares = counts.costed, counts.cost_nanousd / 1e9, counts.micro_cost_squared
            return _sums(n, total, squares / 1e12)
        return _sums(counts.timed, counts.latency_ms, counts.latency_squared)


def compared(name: str, pair: Pair, bar: float) -> Comparison:
    """Returns what is known of an arm against the first one, with an interval at evidence `bar`."""
    n_first, n = pair.sizes
    known = n_first > 0 and n > 0
    low, high = pair.ends(bar) if known else (None, None)
    first_mean, mean = pair.means
    return Comparison(
        metric=pair.metric,
        arm=name,
        n_first=n_first,
        n=n,
        first_mean=first_mean if n_first else None,
        mean=mean if n else None,
        low=low,
        high=high,
        worse=pair.worse() if known else 1.0,
        better=pair.better() if known else 1.0,
    )


def _sums(n: int, total: float, squares: float) -> Sums:
    if n <= 0:
        return Sums(0, 0.0, 0.0)
    mean = total / n
    return Sums(n, mean, max(0.0, squares / n - mean * mean) / n)


def _halved(inside: float, outside: float, refused: Callable[[float], bool]) -> float:
    """Returns where values between `inside` and `outside` begin to be refused; `outside` if none.

    What is refused stays so further out.
    """
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        if refused(middle):
            outside = middle
        else:
            inside = middle
    return outside
