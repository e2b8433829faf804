"""Figures in words for people who know no statistics: the same figure has one spelling everywhere.

What is at least so is rounded down, and nothing is told as all or none that is not.
"""

import math

from pydantic import JsonValue

from shared.domain.learning.config import LearningConfig
from shared.domain.learning.routing import ModelFigures

Change = dict[str, JsonValue]
"""What differs, or nearly does: `kind`, `subject`, `why` (a sentence) and figures."""

_COUNTS_LESS = 0.9
"""Ratings that count this share of their number or more are told by their number alone."""


def in_100(share: float) -> int:
    """Returns how many in a hundred a share (0..1) is; 0 and 100 only where it is exact."""
    if share in {0.0, 1.0}:
        return round(100 * share)
    return min(99, max(1, round(100 * share)))


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


def right(one: ModelFigures) -> str:
    """Returns how good a model's answers were: `p/m was right 87 times in 100, rated 4.4 of 5`."""
    share = in_100(one.correctness)
    return f"{one.id} was right {share} times in 100, rated {one.mean_quality:.1f} of 5"


def counts_less(one: ModelFigures) -> bool:
    """Returns whether a model's ratings count noticeably less than their number."""
    return one.n_effective < _COUNTS_LESS * one.n


def ratings(one: ModelFigures) -> str:
    """Returns how many ratings that rests on, and what they still count where it is less."""
    told = f"{one.n} rating{'' if one.n == 1 else 's'}"
    if counts_less(one):
        return f"{told} that count as {one.n_effective:.0f}"
    return told


def shortfall(one: ModelFigures, config: LearningConfig) -> str:
    """Returns what a model of tier LOW misses to be chosen."""
    rule = config.medium
    if one.n_effective < rule.n * (1 - 1e-9):
        if one.n < rule.n:
            return f"{one.id} has {one.n} of the {rule.n:g} ratings it takes"
        counts = f"count as {one.n_effective:.1f}"
        return f"the {one.n} ratings of {one.id} {counts} today and it takes {rule.n:g}"
    if one.quality_lower < rule.quality:
        seen = f"{one.id} was rated {one.mean_quality:.1f} of 5 ({ratings(one)})"
        if one.mean_quality < rule.quality:
            return f"{seen} and {rule.quality:g} is needed"
        low = math.floor(10 * one.quality_lower) / 10
        return f"{seen}, which may really be only {low:.1f}, and {rule.quality:g} is needed"
    seen = f"{one.id} was right {in_100(one.correctness)} times in 100 ({ratings(one)})"
    if one.correctness < rule.correctness:
        return f"{seen} and {in_100(rule.correctness)} are needed"
    least = at_least_in_100(one.correctness_lower)
    return f"{seen}, which may really be only {least}, and {in_100(rule.correctness)} are needed"
