"""Figures of models in words for people who know no statistics: a figure has one wording."""

from pydantic import JsonValue

from shared.domain.learning.config import LearningConfig
from shared.domain.learning.ranking import ModelFigures
from shared.domain.learning.spelling import (
    apart,
    at_least,
    at_least_in_100,
    in_100_apart,
    in_ratings,
    often_right,
)

Change = dict[str, JsonValue]
"""What differs, or nearly does: `kind`, `subject`, `why` (a sentence) and figures."""

_COUNTS_LESS = 0.9
"""Ratings that count this share of their number or more are told by their number alone."""


def right(one: ModelFigures) -> str:
    """Returns how good a model's answers were: `p/m was right 87 times in 100, rated 4.4 of 5`."""
    return f"{one.id} was {often_right(one.correctness)}, rated {one.mean_quality:.1f} of 5"


def counts_less(one: ModelFigures) -> bool:
    """Returns whether a model's ratings count noticeably less than their number."""
    return one.n_effective < _COUNTS_LESS * one.n


def ratings(one: ModelFigures) -> str:
    """Returns how many ratings that rests on, and what they still count where it is less."""
    if counts_less(one):
        return f"{in_ratings(one.n)} that count as {one.n_effective:,.0f}"
    return in_ratings(one.n)


def shortfall(one: ModelFigures, config: LearningConfig) -> str:
    """Returns what a model of tier LOW misses to be chosen."""
    rule = config.medium
    if one.n_effective < rule.n * (1 - 1e-9):
        if one.n < rule.n:
            return f"{one.id} has {one.n} of the {rule.n:g} ratings that are needed"
        counts = f"count as {apart(one.n_effective, rule.n, 1)}"
        return f"the {one.n:,} ratings of {one.id} {counts} today and {rule.n:g} are needed"
    if one.quality_lower < rule.quality:
        rated = apart(one.mean_quality, rule.quality, 1)
        seen = f"{one.id} was rated {rated} of 5 ({ratings(one)})"
        if one.mean_quality < rule.quality:
            return f"{seen} and {rule.quality:g} is needed"
        low = at_least(one.quality_lower)
        return f"{seen}, which may really be only {low}, and {rule.quality:g} is needed"
    times, needed = in_100_apart(one.correctness, rule.correctness), f"{100 * rule.correctness:g}"
    seen = f"{one.id} was right {times} times in 100 ({ratings(one)})"
    if one.correctness < rule.correctness:
        return f"{seen} and {needed} are needed"
    least = at_least_in_100(one.correctness_lower)
    return f"{seen}, which may really be only {least}, and {needed} are needed"
