"""The published measures of routing, on cases that can be done by hand."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.learning.gains import Point, apgr, area

CHEAP, DEAR = Point(1.0, 0.5), Point(3.0, 0.9)
points = st.lists(
    st.builds(Point, st.floats(0.1, 10), st.floats(0, 1)), min_size=1, max_size=8, unique=True
)


def test_area_of_two_models_is_that_of_the_line_between_them():
    assert area([CHEAP, DEAR], 1.0, 3.0) == pytest.approx(0.7, abs=1e-3)


def test_a_point_below_the_line_adds_nothing_and_one_above_does():
    whole = area([CHEAP, DEAR], 1.0, 3.0)
    assert area([CHEAP, Point(2.0, 0.6), DEAR], 1.0, 3.0) == pytest.approx(whole)
    assert area([CHEAP, Point(2.0, 0.8), DEAR], 1.0, 3.0) > whole + 0.04
    assert area([CHEAP, DEAR, Point(4.0, 0.4)], 1.0, 3.0) == pytest.approx(whole)


@given(points, points)
@example([Point(1.0, 1.0)], [Point(1.0, 0.0)])
def test_more_choices_never_take_away(some, more):
    assert (
        area([*some, *more], 0.1, 10.0) >= area(some, 0.1, 10.0) - 1e-9
        or min(more).cost_usd < min(some).cost_usd
    )


def test_apgr_of_a_perfect_order_is_above_and_of_a_reversed_one_below_chance():
    strong, weak = [1, 1, 1, 1], [0, 0, 1, 1]
    assert apgr([4, 3, 2, 1], strong, weak) == pytest.approx(0.75)
    assert apgr([1, 2, 3, 4], strong, weak) == pytest.approx(0.25)


def test_equal_scores_count_as_shuffled():
    chance = random.Random(1)
    strong = [int(chance.random() < 0.8) for _ in range(500)]
    weak = [int(chance.random() < 0.6) for _ in range(500)]
    assert apgr([0.0] * 500, strong, weak) == pytest.approx(0.5)
