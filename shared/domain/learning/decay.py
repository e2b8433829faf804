"""How much a day's evidence counts: old evidence fades, exactly and without being touched again.

Forward decay (Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay: A Practical Time Decay Model for
Streaming Systems", ICDE 2009): instead of shrinking old rows as time passes, newer rows get larger
weights, g(day - landmark). Means and effective sizes are ratios of weighted sums, so the landmark
cancels out of them. Two things follow: the sums are additive, so no per-day rows are kept; and the
passing of time alone changes nothing, only newer evidence does.

Ratings fade in steps of days, a quarter of the half-life at most: a log of a million of them in
10,000 groups is then read as a few sums for each group, not as one for each of its days. Within a
step they count alike, so one counts at most 9 % more or less than its age says.

Weights are whole numbers, so that the sums are exact and take-backs cancel to zero.
"""

from decimal import Context, Decimal
from functools import lru_cache

LANDMARK_DAY = 20_454
"""2026-01-01, the day of weight 2**SCALE_BITS: before it no evidence was kept.

Older evidence that is brought in is told apart for SCALE_BITS half-lives before it. Part of the
state's format: moving it means folding anew.
"""

SCALE_BITS = 32
"""Bits behind the binary point of a weight: a relative error of at most 2**-33."""

_CONTEXT = Context(prec=40)


@lru_cache(maxsize=8192)
def weight(day: int, half_life_days: float) -> int:
    """Returns round(2**((day - LANDMARK_DAY) / half_life_days) * 2**SCALE_BITS), at least 1.

    Computed in decimal arithmetic, which gives the same digits on every machine; the C library's
    `pow` does not.

    Args:
        day: days since 1970-01-01.
        half_life_days: above 0.
    """
    exponent = _CONTEXT.divide(Decimal(day - LANDMARK_DAY), Decimal(repr(half_life_days)))
    whole = int(exponent.to_integral_value(rounding="ROUND_FLOOR"))
    part = _CONTEXT.power(Decimal(2), _CONTEXT.subtract(exponent, Decimal(whole)))
    mantissa = int(_CONTEXT.multiply(part, Decimal(1 << SCALE_BITS)).to_integral_value())
    return max(1, mantissa << whole if whole >= 0 else mantissa >> -whole)


_STEPS = 4
"""In which the weight of a rating halves, or a few more."""


def days_a_step(half_life_days: float) -> int:
    """Returns for how many days in a row ratings weigh the same: those with the same day // days.

    At least one day, at most a quarter of the half-life otherwise.
    """
    return max(1, int(half_life_days // _STEPS))


@lru_cache(maxsize=8192)
def rating_weight(day: int, half_life_days: float) -> int:
    """Returns the weight of the first day of the step that a rating's day is in."""
    days = days_a_step(half_life_days)
    return weight(day // days * days, half_life_days)
