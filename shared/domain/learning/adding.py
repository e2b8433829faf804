"""Adds up new ratings group by group, a whole column at a time.

A first run over a long log hands over a row for each group and day, hundreds of thousands of them.
Invariant: whole numbers only, so that neither order nor batches of the rows leave a trace.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import mul
from typing import NamedTuple

from shared.domain.learning.decay import rating_weight
from shared.domain.learning.figures import (
    Evidence,
    Logged,
    LoggedFigures,
    RatingFigures,
    RatingKey,
    SquaredWeights,
)
from shared.domain.learning.sums import FULL_STANDING, RatingSums

_PLACE = {name: place for place, name in enumerate(RatingSums._fields)}
_DAY, _N, _STANDING = (_PLACE[name] for name in ("day", "n", "standing"))
_RATED = [_PLACE[name] for name in RatingFigures._fields]
_LOGGED = [_PLACE[name] for name in LoggedFigures._fields]


class Added(NamedTuple):
    """The sums of one group's new ratings."""

    evidence: Evidence[RatingFigures]
    logged: Logged


def added(ratings: Iterable[RatingSums], half_life: float) -> tuple[dict[RatingKey, Added], int]:
    """Returns the sums of new ratings by group, and their newest day; 0 where there are none."""
    groups: dict[tuple[str, str, str, str, int], list[RatingSums]] = defaultdict(list)
    for rating in ratings:
        groups[rating.pattern, rating.provider, rating.model, rating.cell, rating.epoch].append(
            rating
        )
    newest = max((row.day for rows in groups.values() for row in rows), default=0)
    return {RatingKey(*key): _sums(rows, half_life) for key, rows in groups.items()}, newest


def _sums(rows: Sequence[RatingSums], half_life: float) -> Added:
    columns = list(zip(*rows, strict=True))
    pairs = zip(columns[_DAY], columns[_STANDING], strict=True)
    weights = [rating_weight(day, half_life) * quarters // FULL_STANDING for day, quarters in pairs]
    squares = [one * one for one in weights]
    counted = sum(map(mul, squares, columns[_N]))
    rated = [columns[place] for place in _RATED]
    evidence = Evidence(
        RatingFigures._make(map(sum, rated)),
        RatingFigures._make(_weighted(rated, weights)),
        SquaredWeights(counted, counted),
    )
    logged = [columns[place] for place in _LOGGED]
    if not any(map(any, logged)):
        return Added(evidence, Logged())
    once, twice = _weighted(logged, weights), _weighted(logged, squares)
    return Added(evidence, Logged(LoggedFigures._make(once), LoggedFigures._make(twice)))


def _weighted(columns: Sequence[Sequence[int]], weights: Sequence[int]) -> list[int]:
    return [sum(map(mul, weights, column)) for column in columns]
