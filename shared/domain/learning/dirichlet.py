"""How alike several rows of counts are: the strength of the prior that they have in common.

Pure arithmetic for the estimates of the crowd; nothing here knows what is counted.
"""

import math
from collections.abc import Iterable, Sequence

LEAST, MOST = 0.5, 300.0
"""Bounds of a strength: below, a prior says nothing; above, single rows hardly differ from it."""

_SHIFT = 6.0
"""From here on the asymptotic series of the digamma function has eight digits and more."""


def digamma(x: float) -> float:
    """Returns the derivative of log gamma at `x` > 0 (DLMF 5.5.2 and 5.11.2)."""
    found = 0.0
    while x < _SHIFT:
        found -= 1 / x
        x += 1
    y = 1 / (x * x)
    return found + math.log(x) - 0.5 / x - y * (1 / 12 - y * (1 / 120 - y / 252))


def strength(
    rows: Iterable[tuple[Sequence[float], Sequence[float]]], start: float, steps: int = 1
) -> float:
    """Returns how many observations the rows' common prior is worth.

    Each row of counts is taken as drawn from its own shares, and these from a Dirichlet
    distribution of the given mean. The maximum likelihood strength is a fixed point (Minka,
    "Estimating a Dirichlet distribution", 2000, section 3.2).

    Args:
        rows: counts (may be fractional) and their prior mean, each positive and summing to 1.
        start: where to begin.
        steps: how many steps towards the fixed point.

    Returns:
        A number in LEAST..MOST; `start` where there are no counts.
    """
    kept = [(counts, mean) for counts, mean in rows if sum(counts) > 0]
    found = start
    for _ in range(steps):
        above = below = 0.0
        at = digamma(found)
        for counts, mean in kept:
            below += digamma(sum(counts) + found) - at
            for count, share in zip(counts, mean, strict=True):
                if count > 0:
                    prior = found * share
                    above += share * (digamma(count + prior) - digamma(prior))
        if below > 0:
            found = min(MOST, max(LEAST, found * above / below))
    return found
