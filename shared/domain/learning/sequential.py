"""Evidence that may be looked at as often as one likes: e-values of mixture ratio tests.

An e-value against a hypothesis is, under it, 1 or less on average, at every look and however the
looks were chosen; so it reaches 1/alpha at any look with a chance of alpha at most (Ville 1939;
Robbins, "Statistical methods related to the law of the iterated logarithm", Ann. Math. Statist. 41
(1970); Johari, Koomen, Pekelis, Walsh, "Always valid inference", Operations Research 70 (2022)).
The weighted mean of e-values is an e-value again, whatever binds them together (Vovk, Wang,
"E-values: calibration, combination and applications", Ann. Statist. 49 (2021)).

Pure: numbers in, numbers out.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

from shared.domain.learning.stats import incomplete_beta

_NORMAL = NormalDist()
_TINY = 1e-300
_FAR = -8.0
"""Standard deviations from which the normal tail is taken by its asymptotic."""

LARGEST_LOG = 690.0
"""e to this is just below the largest float."""


def share_above(count: float, n: float, share: float, expected: float, weight: float) -> float:
    """Returns the e-value against "each of n falls among `count` with `share` or less".

    The ratio of the likelihood, averaged over a beta distribution cut off at `share`, to that at
    `share` itself, the least favourable of the hypothesis since the likelihood ratio is monotone.
    Exact for independent draws; draws without replacement vary less.

    Args:
        count: 0..n.
        n: how many were drawn.
        share: in (0, 1).
        expected: the mean of the beta distribution; what one would like to find soon.
        weight: its strength, as a number of draws.
    """
    if n <= 0:
        return 1.0
    a, b = expected * weight, (1 - expected) * weight
    tail = _upper(count + a, n - count + b, share)
    if tail < _TINY:
        return 0.0  # so far below `share` that the tail has no digits left
    ratio = (
        _log_beta(count + a, n - count + b)
        + math.log(tail)
        - _log_beta(a, b)
        - math.log(_upper(a, b, share))
        - count * math.log(share)
        - (n - count) * math.log1p(-share)
    )
    return _exp(ratio)


def share_below(count: float, n: float, share: float, expected: float, weight: float) -> float:
    """Returns the e-value against "each of n falls among `count` with `share` or more"."""
    return share_above(n - count, n, 1 - share, 1 - expected, weight)


def mean_above(difference: float, variance: float, scale: float) -> float:
    """Returns the e-value against "the true difference is 0 or less".

    The normal likelihood ratio averaged over a half-normal distribution of the true difference.
    Asymptotic: `variance` is estimated, and the estimate `difference` is normal with independent
    increments, as differences of means of growing samples are (Johari et al., section 5;
    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic
    confidence sequences", Ann. Statist. 52 (2024)). Ask for some dozens of observations first.

    Args:
        difference: estimated.
        variance: of the estimate, above 0.
        scale: of the half-normal distribution; a difference that one would like to find soon.
    """
    prior = scale * scale
    spread = variance * (variance + prior)
    standing = difference * scale / math.sqrt(spread)
    shrunk = math.log(2) - 0.5 * math.log1p(prior / variance)
    if standing < _FAR:
        # Mills' ratio: the tail and the square cancel, and would not in digits.
        return _exp(shrunk - math.log(-standing * math.sqrt(2 * math.pi)))
    return _exp(shrunk + standing * standing / 2 + math.log(_NORMAL.cdf(standing)))


def combined(values: Sequence[float], weights: Sequence[float]) -> float:
    """Returns the weighted mean of e-values, which is one itself; 1 of nothing.

    Args:
        values: at least 0.
        weights: as many, at least 0.
    """
    whole = sum(weights)
    if whole <= 0:
        return 1.0
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / whole


def _upper(a: float, b: float, share: float) -> float:
    return incomplete_beta(b, a, 1 - share)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _exp(value: float) -> float:
    return math.exp(min(LARGEST_LOG, value))
