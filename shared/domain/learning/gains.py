"""What routing gains, as the published benchmarks count it."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple


class Point(NamedTuple):
    """A policy on test tasks: mean cost in US dollars and share of right answers."""

    cost_usd: float
    correct: float


def area(points: Sequence[Point], least: float, most: float) -> float:
    """Returns the mean correctness under the upper hull of the points over costs least..most.

    AIQ of RouterBench (Hu et al., 2024): the hull is non-decreasing, and level beyond its ends.
    """
    hull: list[Point] = []
    best = -1.0
    for point in sorted(points, key=lambda one: (one.cost_usd, -one.correct)):
        if point.correct <= best:
            continue
        best = point.correct
        while len(hull) > 1 and _bends_up(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    steps = 2000
    return (
        math.fsum(
            _height(hull, least + (most - least) * (step + 0.5) / steps) for step in range(steps)
        )
        / steps
    )


def _bends_up(first: Point, middle: Point, last: Point) -> bool:
    run, rise = middle.cost_usd - first.cost_usd, middle.correct - first.correct
    return run * (last.correct - first.correct) >= rise * (last.cost_usd - first.cost_usd)


def _height(hull: Sequence[Point], cost: float) -> float:
    if cost <= hull[0].cost_usd:
        return hull[0].correct
    for left, right in pairwise(hull):
        if cost <= right.cost_usd:
            share = (cost - left.cost_usd) / (right.cost_usd - left.cost_usd)
            return left.correct + share * (right.correct - left.correct)
    return hull[-1].correct


def apgr(scores: Sequence[float], strong: Sequence[int], weak: Sequence[int]) -> float:
    """Returns the average performance gap recovered by sending the highest scores to the strong.

    RouteLLM (Ong et al., 2024): the area under (accuracy - weak) / (strong - weak) over the share
    of requests that goes to the strong model. Equal scores count as if shuffled.
    """
    rows = sorted(zip(scores, strong, weak, strict=True), key=lambda row: -row[0])
    total_gain = sum(strong) - sum(weak)
    gains, place = [0.0], 0
    while place < len(rows):
        end = place
        while end < len(rows) and rows[end][0] == rows[place][0]:
            end += 1
        mean = sum(row[1] - row[2] for row in rows[place:end]) / (end - place)
        start = gains[-1]
        gains += [start + mean * (step + 1) for step in range(end - place)]
        place = end
    area_sum = sum((one + two) / 2 for one, two in pairwise(gains))
    return area_sum / len(rows) / total_gain
