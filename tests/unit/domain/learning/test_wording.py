"""A figure has one spelling, and none says more than is known."""

import pytest

from shared.domain.learning.config import LearningConfig
from shared.domain.learning.routing import build_policy
from shared.domain.learning.spelling import (
    above,
    apart,
    at_least_in_100,
    in_100,
    in_100_apart,
    per_1000,
)
from shared.domain.learning.wording import ratings, shortfall
from tests.unit.domain.learning.evidence import DAY, rating, state_of

SHARES = [(0.0, 0), (0.001, 1), (0.5, 50), (0.874, 87), (0.876, 88), (0.999, 99), (1.0, 100)]


@pytest.mark.parametrize(("share", "told"), SHARES)
def test_all_or_none_is_told_only_where_it_is_so(share, told):
    assert in_100(share) == told


@pytest.mark.parametrize(("share", "told"), [(0.0, 0), (0.829, 82), (0.83, 83), (1.0, 100)])
def test_at_least_is_rounded_down(share, told):
    assert at_least_in_100(share) == told


@pytest.mark.parametrize(
    ("cost_usd", "told"),
    [
        (None, "unknown cost"),
        (0.0, "$0.00"),
        (0.009, "$9.00"),
        (2.5e-6, "$0.0025"),
        (1.2, "$1200.00"),
    ],
)
def test_costs_have_two_digits_that_say_something(cost_usd, told):
    assert per_1000(cost_usd) == told


def test_figures_that_are_held_against_one_another_are_told_apart():
    assert (apart(3.48, 3.5, 1), apart(3.5, 3.48, 1), apart(3.2, 3.5, 1)) == ("3.48", "3.50", "3.2")
    assert (apart(3.5, 3.5, 1), apart(1.0, 1.00000001, 2)) == ("3.5", "1.000000")
    assert (per_1000(0.001, 0.001004), per_1000(0.001004, 0.001)) == ("$1.000", "$1.004")
    assert (per_1000(0.001, 0.001), per_1000(2.5e-10, 2e-10)) == ("$1.00", "$0.00000025")


@pytest.mark.parametrize(
    ("share", "other", "told"),
    [
        (0.696, 0.7, "69.6"),
        (0.69, 0.7, "69"),
        (0.999, 0.7, "99"),
        (0.7, 0.7, "70"),
        (1.0, 0.7, "100"),
    ],
)
def test_a_share_beside_a_bar_is_told_apart_from_it(share, other, told):
    assert in_100_apart(share, other) == told


@pytest.mark.parametrize(
    ("low", "base", "told"),
    [(0.754, 0.75, ("75.4", "75.0")), (0.689, 0.63, ("68", "63")), (0.8, 0.796, ("80.0", "79.6"))],
)
def test_a_lower_bound_is_rounded_down_and_seen_to_be_above(low, base, told):
    assert above(low, base) == told


def test_ratings_that_count_less_are_told_so():
    config = LearningConfig()
    rows = [rating(times=30, day=DAY - 90), rating(times=1), rating("math", times=1)]
    policy = build_policy(state_of(ratings=rows, config=config), config)
    faded, one = (policy.by_pattern[name].ranking[0] for name in ("code", "math"))
    assert ratings(faded) == "31 ratings that count as 15"
    assert ratings(one) == "1 rating"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [rating(quality=4, times=41), rating(quality=3, times=43)],
            "p/m was rated 3.49 of 5 (84 ratings) and 3.5 is needed",
        ),
        (
            [rating(quality=5, times=87), rating(quality=5, correct=0, times=38)],
            "p/m was right 69.6 times in 100 (125 ratings) and 70 are needed",
        ),
        (
            [rating(times=3), rating(times=2, day=DAY - 8)],
            "the 5 ratings of p/m count as 4.97 today and 5 are needed",
        ),
    ],
)
def test_what_misses_a_bar_by_little_is_not_told_as_the_bar(rows, told):
    config = LearningConfig()
    [one] = build_policy(state_of(ratings=rows, config=config), config).by_pattern["code"].ranking
    assert shortfall(one, config) == told
