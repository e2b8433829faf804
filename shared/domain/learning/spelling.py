"""Figures as people say them: shares in a hundred, costs of a thousand answers, scores.

What is at least so is rounded down, and nothing is told as all or none that is not. Two figures
that are held against one another have as many digits as it takes to tell them apart.
"""

import math

_FINEST = 6
"""Digits behind the point that a figure has, at most: as many as snapshots keep."""

_MOST_OF_100 = _FINEST - 2


def in_100(share: float) -> int:
    """Returns how many in a hundred a share (0..1) is; 0 and 100 only where it is exact."""
    if share in {0.0, 1.0}:
        return round(100 * share)
    return min(99, max(1, round(100 * share)))


def apart(value: float, other: float, digits: int) -> str:
    """Returns a figure with `digits` decimals, or as many more as make it look other than `other`.

    Equal figures, and those that differ by less than a millionth, look alike.
    """
    if value != other:
        while digits < _FINEST and f"{value:.{digits}f}" == f"{other:.{digits}f}":
            digits += 1
    return f"{value:.{digits}f}"


def in_100_apart(share: float, other: float) -> str:
    """Returns how many in a hundred a share is, beside another one that it is held against."""
    told = apart(100 * share, 100 * other, 0)
    return str(in_100(share)) if told in {"0", "100"} else told


def above(low: float, base: float) -> tuple[str, str]:
    """Returns two shares in a hundred, the lower bound rounded down, so that it is seen to be more.

    Args:
        low: what a share is at least, 0..1, above `base`.
        base: what it is held against.
    """
    digits = 0
    while digits < _MOST_OF_100 and _down(100 * low, digits) <= round(100 * base, digits):
        digits += 1
    return f"{_down(100 * low, digits):.{digits}f}", f"{100 * base:.{digits}f}"


def _down(value: float, digits: int) -> float:
    scale = float(10**digits)
    return math.floor(value * scale + 1e-9) / scale


def often_right(share: float) -> str:
    """Returns how often answers were right, from their share (0..1)."""
    if share in {0.0, 1.0}:
        return "always right" if share else "never right"
    return f"right {in_100(share)} times in 100"


def at_least_in_100(share: float) -> int:
    """Returns how many whole ones in a hundred a share (0..1) has, rounded down."""
    return math.floor(100 * share + 1e-9)


def certainly(level: float) -> str:
    """Returns how sure a bound is, from its one-sided level (0..1)."""
    return f"with {100 * level:g} % certainty"


def per_1000(cost_usd: float | None, against: float | None = None) -> str:
    """Returns the cost of 1,000 answers, with two digits that say something.

    More digits where it would else look like the cost that it is held `against`.
    """
    if cost_usd is None:
        return "unknown cost"
    cost = 1000 * cost_usd
    digits = 2 if cost <= 0 else max(2, 1 - math.floor(math.log10(cost)))
    return f"${apart(cost, cost if against is None else 1000 * against, digits)}"


def at_least(mean: float) -> str:
    """Returns a mean rating with one digit, rounded down."""
    return f"{math.floor(10 * mean + 1e-9) / 10:.1f}"


def in_ratings(n: int) -> str:
    """Returns how many ratings there are."""
    return f"{n:,} rating{'' if n == 1 else 's'}"
