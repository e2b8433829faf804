"""Figures as people say them: shares in a hundred, costs of a thousand answers, scores.

What is at least so is rounded down, and nothing is told as all or none that is not.
"""

import math


def in_100(share: float) -> int:
    """Returns how many in a hundred a share (0..1) is; 0 and 100 only where it is exact."""
    if share in {0.0, 1.0}:
        return round(100 * share)
    return min(99, max(1, round(100 * share)))


def often_right(share: float) -> str:
    """Returns how often answers were right, from their share (0..1)."""
    if share in {0.0, 1.0}:
        return "always right" if share else "never right"
    return f"right {in_100(share)} times in 100"


def at_least_in_100(share: float) -> int:
    """Returns how many whole ones in a hundred a share (0..1) surely has."""
    return math.floor(100 * share + 1e-9)


def per_1000(cost_usd: float | None) -> str:
    """Returns the cost of 1,000 answers, with two digits that say something."""
    if cost_usd is None:
        return "unknown cost"
    cost = 1000 * cost_usd
    digits = 2 if cost <= 0 else max(2, 1 - math.floor(math.log10(cost)))
    return f"${cost:.{digits}f}"


def at_least(mean: float) -> str:
    """Returns a mean rating with one digit, rounded down."""
    return f"{math.floor(10 * mean + 1e-9) / 10:.1f}"


def in_ratings(n: int) -> str:
    """Returns how many ratings there are."""
    return f"{n:,} rating{'' if n == 1 else 's'}"
