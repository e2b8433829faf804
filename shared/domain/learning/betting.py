"""E-values about two means of bounded outcomes, from counts alone, at any look.

A bet on outcomes x in 0..1 against "each has mean m or less" multiplies its stake by 1 + s (x - m),
s >= 0: under the hypothesis the stake stays 1 on average or falls, so it is an e-value at every
look (Waudby-Smith, Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86
(2024)). With fixed sizes s the product depends on how often each outcome came, not on their order:
nothing has to be remembered between looks, and when one looks leaves no trace. The stake is spread
over sizes of bets (the mean of e-values is one), as universal portfolios do (Cover, "Universal
portfolios", Mathematical Finance 1 (1991)).

Two arms: where the first's mean is at most f(m) and the second's at least m, the product of both
bets at that m is an e-value, for each outcome belongs to one of them; the least product over all m
is never above it. No share, order or number of outcomes by arm enters the proof: only that each
outcome has its arm's mean, whatever came before.

Pure: numbers in, numbers out.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from shared.domain.learning.sequential import LARGEST_LOG

_SIZES = tuple(2.0 ** (place / 2 - 3) for place in range(14))
"""Bets, as differences over variances that they find soonest: 1/8 to 11."""

_ABSTAINS = 0.1
"""Part of the stake that is not bet, so that no bet against a mean far off is ruinous."""

_MOST = 0.9
"""Of the stake that an outcome may lose."""

_LEAST_ROOM = 0.01
"""Bets are sized as if an outcome could lie at least this far on the losing side."""

_POINTS, _STEPS, _GOLDEN = 16, 12, (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Outcomes:
    """How often each outcome came in one arm; outcomes are in 0..1."""

    counts: Mapping[float, int]

    @cached_property
    def n(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @cached_property
    def mean(self) -> float:
        """Their mean, 0 where there are none."""
        return sum(x * count for x, count in self.counts.items()) / self.n if self.n > 0 else 0.0

    @cached_property
    def error(self) -> float:
        """The standard error of the mean, with one outcome of variance 1/4 added."""
        squares = sum(count * (x - self.mean) ** 2 for x, count in self.counts.items())
        return math.sqrt((squares + 0.25) / max(1, self.n) / max(1, self.n))

    @cached_property
    def mirrored(self) -> "Outcomes":
        """The same seen from above: 1 - x in place of x."""
        return Outcomes({1 - x: count for x, count in self.counts.items()})


@dataclass(frozen=True, slots=True)
class Line:
    """What the first mean is held against: slope * second mean + shift."""

    slope: float = 1.0
    shift: float = 0.0

    def at(self, mean: float) -> float:
        """Returns the value that belongs to a second mean."""
        return self.slope * mean + self.shift


SAME = Line()


def above(first: Outcomes, second: Outcomes, share: float, line: Line = SAME) -> float:
    """Returns the e-value against "the first mean is at most `line` of the second".

    Args:
        first: one arm.
        second: the other.
        share: the first's planned share of both, in (0, 1); only the power depends on it.
        line: what the first mean is held against.
    """
    own = (first.mean - line.shift) / line.slope
    reach = 6 * (first.error / line.slope + second.error)
    low = min(1.0, max(0.0, min(own, second.mean) - reach))
    high = max(0.0, min(1.0, max(own, second.mean) + reach))
    step = (high - low) / _POINTS

    def product(mean: float) -> float:
        return _log_product(first, second.mirrored, share, line.at(mean), mean)

    values = [product(low + step * place) for place in range(_POINTS + 1)]
    best = min(range(_POINTS + 1), key=values.__getitem__)
    left, right = max(low, low + step * (best - 1)), min(high, low + step * (best + 1))
    found = min(values[best], _least(product, left, right))
    return math.exp(min(LARGEST_LOG, found))


def _least(function: Callable[[float], float], left: float, right: float) -> float:
    """Returns the least value between two places around a minimum, by the golden section."""
    inner = _GOLDEN * (right - left)
    low, high = right - inner, left + inner
    one, two = function(low), function(high)
    found = min(one, two)
    for _ in range(_STEPS):
        if one < two:
            right, high, two = high, low, one
            low = right - _GOLDEN * (right - left)
            one = function(low)
        else:
            left, low, one = low, high, two
            high = left + _GOLDEN * (right - left)
            two = function(high)
        found = min(found, one, two)
    return found


def _log_product(
    first: Outcomes, mirrored: Outcomes, share: float, bar: float, mean: float
) -> float:
    """Returns the log e-value against "first at most `bar`, second at least `mean`".

    Half of the stake is bet on each arm by itself, half on both with sizes that belong together.
    """
    if bar < 0:
        return LARGEST_LOG  # no mean of the first is that low
    down = _log_stakes(mirrored, 1 - mean, share)
    if bar >= 1:
        return _log_mean(down, _ABSTAINS)
    up = _log_stakes(first, bar, 1 - share)
    apart = _log_mean(up, _ABSTAINS) + _log_mean(down, _ABSTAINS)
    together = _log_mean([one + other for one, other in zip(up, down, strict=True)], 0.0)
    return _log_mean([apart, together], 0.0)


def _log_stakes(arm: Outcomes, mean: float, others: float) -> list[float]:
    """Returns the logs of what each size of bet against "each has `mean` or less" makes of 1."""
    most = _MOST / max(mean, _LEAST_ROOM)
    gains = [(x - mean, count) for x, count in arm.counts.items() if count]
    bets = [min(size * others, most) for size in _SIZES]
    return [sum([count * math.log1p(bet * gain) for gain, count in gains]) for bet in bets]


def _log_mean(logs: list[float], abstains: float) -> float:
    """Returns the log of the mean of what `logs` are of, with `abstains` of the stake unbet."""
    top = max(0.0, *logs) if abstains else max(logs)  # or all of them could come to 0
    bets = math.fsum([math.exp(one - top) for one in logs]) * (1 - abstains) / len(logs)
    return top + math.log(bets + (abstains * math.exp(-top) if abstains else 0.0))
