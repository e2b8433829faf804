"""Bets on two means: their error rates exactly, by going through everything that can happen."""

import math
from functools import cache

import pytest

from shared.domain.learning.betting import SAME, Line, Outcomes, above

BAR = 20.0


def binary(n, ones):
    return Outcomes({1.0: ones, 0.0: n - ones})


@cache
def evidence(n, ones, m, others, line=SAME, share=0.5):
    return above(binary(n, ones), binary(m, others), share, line)


def ever_reached(steps, first, second, line=SAME):
    """Returns the chance that evidence for `first` ever reaches BAR, looking at every outcome.

    Outcomes are 0 or 1 and come in turn; a path ends where the bar is reached.
    """
    paths, reached = {(0, 0): 1.0}, 0.0
    for step in range(1, steps + 1):
        to_first, mean = step % 2, first if step % 2 else second
        going: dict[tuple[int, int], float] = {}
        for (one, other), chance in paths.items():
            for hit, odds in ((1, mean), (0, 1 - mean)):
                key = (one + hit, other) if to_first else (one, other + hit)
                going[key] = going.get(key, 0.0) + chance * odds
        n, m = (step + 1) // 2, step // 2
        paths = {}
        for (one, other), chance in going.items():
            if evidence(n, one, m, other, line) >= BAR:
                reached += chance
            else:
                paths[one, other] = chance
    return reached


@pytest.mark.parametrize("mean", [0.05, 0.5, 0.9])
def test_equal_means_are_told_apart_in_no_more_than_one_of_twenty_however_often_one_looks(mean):
    assert ever_reached(20, mean, mean) <= 1 / BAR


def test_a_margin_that_is_just_reached_is_not_taken_for_passed():
    line = Line(slope=0.5)
    assert ever_reached(20, 0.4, 0.8, line) <= 1 / BAR
    assert ever_reached(20, 0.95, 0.8, line) > 1 / BAR


@pytest.mark.parametrize(("mean", "n", "m"), [(0.2, 6, 3), (0.7, 4, 8), (0.5, 1, 9)])
def test_the_mean_of_the_evidence_under_equal_means_is_one_or_less(mean, n, m):
    whole = math.fsum(
        math.comb(n, one)
        * mean**one
        * (1 - mean) ** (n - one)
        * math.comb(m, other)
        * mean**other
        * (1 - mean) ** (m - other)
        * above(binary(n, one), binary(m, other), 0.3)
        for one in range(n + 1)
        for other in range(m + 1)
    )
    assert 0.1 < whole <= 1


def test_a_real_difference_is_found():
    better, worse = Outcomes({1.0: 70, 0.5: 25, 0.0: 5}), Outcomes({1.0: 40, 0.5: 35, 0.0: 25})
    assert above(better, worse, 0.5) > 1000
    assert above(worse, better, 0.5) < 0.1


def test_nothing_is_no_evidence():
    nothing, some = Outcomes({}), binary(50, 25)
    for first, second in ((nothing, nothing), (nothing, some), (some, nothing)):
        assert above(first, second, 0.5) <= 1


def test_the_evidence_grows_with_the_outcomes():
    found = [above(binary(n, n * 9 // 10), binary(n, n * 6 // 10), 0.5) for n in (20, 40, 80, 160)]
    assert found == sorted(found)
    assert found[-1] > BAR > found[0]


def test_a_tenth_of_the_outcomes_is_enough_where_the_rest_is_in_the_other_arm():
    worse, current = binary(60, 30), binary(540, 459)
    assert above(current, worse, 0.9) > BAR


def test_a_bar_that_no_mean_can_miss_is_never_passed():
    assert above(binary(50, 50), binary(50, 0), 0.5, Line(shift=1.0)) <= 1


def test_a_bar_below_nothing_is_passed_by_whatever_comes():
    assert above(binary(50, 50), binary(50, 25), 0.5, Line(shift=-0.9)) > BAR


def test_which_outcome_is_called_high_does_not_matter():
    one, other = Outcomes({1.0: 30, 0.25: 20}), Outcomes({0.75: 10, 0.0: 35})
    swapped = above(other.mirrored, one.mirrored, 0.4)
    assert above(one, other, 0.6) == pytest.approx(swapped, rel=1e-6)


def test_counts_far_beyond_any_float_stay_numbers():
    sure = above(binary(10**9, 10**9), binary(10**9, 0), 0.5)
    assert math.isfinite(sure)
    assert sure > 1e200


@pytest.mark.parametrize("many", [1_000, 100_000, 10_000_000])
def test_many_outcomes_against_a_hypothesis_are_no_evidence_and_no_error(many):
    worse, better = Outcomes({0.0: many, 1.0: many}), Outcomes({0.25: many, 1.0: 9 * many})
    assert above(better, worse, 0.5) > 1e6
    assert above(worse, better, 0.5) < 1
