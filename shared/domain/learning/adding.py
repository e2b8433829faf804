"""Adds up new ratings group by group, a whole column at a time.

A first run over a long log hands over a row for each group and day, hundreds of thousands of them.
Invariant: whole numbers only, so that neither order nor batches of the rows leave a trace.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import add, mul
from typing import NamedTuple

from shared.domain.learning.bundles import NO_BUNDLE, place_of
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
    whole = LoggedFigures._make(_weighted(logged, weights))
    return Added(evidence, Logged(whole, _bundled(rows, weights)))


def _bundled(rows: Iterable[RatingSums], weights: Iterable[int]) -> dict[int, LoggedFigures]:
    """Returns the weighted sums of the rows that are in a bundle, by bundle."""
    sums: dict[int, list[int]] = {}
    for row, weight in zip(rows, weights, strict=True):
        if row.bundle != NO_BUNDLE:
            bundle, factor = place_of(row.bundle)
            scale = weight * factor
            figures = row.weighted, row.weight, row.w_quality, row.w_correct, row.w_cost
            scaled = [scale * one for one in (*figures, row.w_costed)]
            known = sums.get(bundle)
            sums[bundle] = scaled if known is None else list(map(add, known, scaled))
    return {bundle: LoggedFigures._make(one) for bundle, one in sums.items() if any(one)}


def _weighted(columns: Sequence[Sequence[int]], weights: Sequence[int]) -> list[int]:
    return [sum(map(mul, weights, column)) for column in columns]
