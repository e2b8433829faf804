"""The statistics agree with published figures, with each other, and with simulation."""

import math
import random
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.stats import (
    RegressionSums,
    Sample,
    benjamini_hochberg,
    binomial_tail,
    effective_size,
    incomplete_beta,
    normal_quantile,
    sample,
    slope_test,
    t_quantile,
    t_tail,
    welch,
    wilson,
)

levels = st.floats(0.5, 0.999)


@pytest.mark.parametrize(
    ("level", "df", "expected"),
    [
        (0.975, 1, 12.7062),
        (0.975, 5, 2.5706),
        (0.975, 10, 2.2281),
        (0.975, 30, 2.0423),
        (0.99, 3, 4.5407),
        (0.8, 9, 0.8834),
        (0.5, 7, 0.0),
        (0.975, 1e6, 1.95996),
    ],
)
def test_t_quantiles_are_those_of_the_tables(level, df, expected):
    assert t_quantile(level, df) == pytest.approx(expected, abs=5e-5)


@given(st.floats(-30, 30), st.floats(1, 900))
def test_t_tails_are_symmetric(t, df):
    assert t_tail(t, df) + t_tail(-t, df) == pytest.approx(1)


@given(levels, st.floats(1, 900))
def test_t_quantile_undoes_the_tail(level, df):
    assert 1 - t_tail(t_quantile(level, df), math.floor(df)) == pytest.approx(level, abs=1e-8)


def test_degrees_of_freedom_are_rounded_to_the_safe_side():
    assert t_quantile(0.9, 4.99) == t_quantile(0.9, 4) > t_quantile(0.9, 5)
    assert t_quantile(0.9, 0.2) == t_quantile(0.9, 1)


def test_large_degrees_of_freedom_join_the_normal_smoothly():
    assert t_quantile(0.975, 1000) == pytest.approx(t_quantile(0.975, 1001), rel=2e-3)
    assert t_tail(2, 1000) == pytest.approx(t_tail(2, 1001), rel=2e-2)


@given(st.floats(0.5, 60), st.floats(0.0, 1.0))
def test_incomplete_beta_with_one_as_first_parameter_has_its_closed_form(b, x):
    assert incomplete_beta(1, b, x) == pytest.approx(1 - (1 - x) ** b, abs=1e-10)


def test_incomplete_beta_ends_where_rounding_puts_x_on_both_sides_of_the_mean():
    a, b, x = 34.251183720685404, 1119.3466496710973, 0.030504716002469505
    assert incomplete_beta(a, b, x) == pytest.approx(1 - incomplete_beta(b, a, 1 - x), abs=1e-12)


def test_incomplete_beta_of_a_worked_example():
    assert incomplete_beta(2, 3, 0.5) == pytest.approx(0.6875)


@given(st.integers(1, 40), st.integers(0, 40), st.floats(0.01, 0.99))
def test_binomial_tail_is_the_sum_of_its_terms(n, successes, share):
    successes = min(successes, n)
    terms = [math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(successes, n + 1)]
    assert binomial_tail(successes, n, share) == pytest.approx(sum(terms), abs=1e-9)


def test_binomial_tail_at_its_ends():
    assert binomial_tail(0, 10, 0.5) == 1
    assert binomial_tail(3, 10, 0) == 0
    assert binomial_tail(3, 10, 1) == 1
    assert binomial_tail(8, 10, 0.5) == pytest.approx(56 / 1024)


def test_wilson_interval_of_a_worked_example():
    """8 of 10 at 95 % two-sided, as tables of the score interval give it."""
    assert wilson(8, 10, 0.975) == pytest.approx((0.4902, 0.9433), abs=5e-5)


def test_ten_of_ten_prove_enough_for_high_at_the_default_level_and_not_at_the_usual_one():
    assert wilson(10, 10, 0.80)[0] == pytest.approx(0.9339, abs=5e-5)
    assert wilson(10, 10, 0.95)[0] == pytest.approx(0.7871, abs=5e-5)


@given(st.floats(0, 1), st.floats(0.1, 1e6), levels)
def test_wilson_bounds_hold_the_share(share, n, level):
    low, high = wilson(share * n, n, level)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1


def test_wilson_without_evidence_says_nothing():
    assert wilson(0, 0, 0.9) == (0.0, 1.0)


@given(st.lists(st.integers(1, 10**30), min_size=1, max_size=20), st.integers(1, 10**20))
def test_effective_size_knows_no_scale_and_is_at_most_the_count(weights, scale):
    size = effective_size(sum(weights), sum(w * w for w in weights))
    scaled = effective_size(sum(scale * w for w in weights), sum((scale * w) ** 2 for w in weights))
    assert 1 - 1e-9 <= size <= len(weights) + 1e-9
    assert size == scaled


def test_effective_size_of_equal_weights_is_their_count():
    assert effective_size(7 * 5, 7 * 25) == 7
    assert effective_size(0, 0) == effective_size(-3, 9) == 0


def test_constant_sample_still_has_a_width_that_shrinks():
    lowers = [sample(n, 5.0, 0.0, 1.0).lower(0.8) for n in (1, 5, 10, 100)]
    assert lowers == sorted(lowers)
    assert lowers[0] == pytest.approx(5 - 1.37638, abs=1e-4)
    assert lowers[2] == pytest.approx(5 - 0.87906 * 0.1, abs=1e-4)
    assert lowers[3] < 5


def test_bounds_of_a_mean_lie_evenly_around_it():
    one = Sample(16, 3.0, 4.0)
    assert one.standard_error == 0.5
    assert one.upper(0.9) - 3 == pytest.approx(3 - one.lower(0.9))


def test_lower_bound_of_ten_ratings_covers_about_as_often_as_it_says():
    chance = random.Random(7)
    scale, shares = [1, 2, 3, 4, 5], [0.05, 0.1, 0.2, 0.35, 0.3]
    truth = sum(score * share for score, share in zip(scale, shares, strict=True))
    covered = 0
    for _ in range(3000):
        drawn = chance.choices(scale, shares, k=10)
        covered += sample(10, fmean(drawn), pvariance(drawn), 1.0).lower(0.80) <= truth
    assert 0.77 <= covered / 3000 <= 0.86


def test_welch_of_equal_samples_is_students_test():
    test = welch(Sample(12, 5.0, 2.0), Sample(12, 4.0, 2.0))
    assert test.difference == 1.0
    assert test.df == pytest.approx(22)
    assert test.standard_error == pytest.approx(math.sqrt(2 * 2 / 12))
    assert test.p_value == pytest.approx(t_tail(1 / math.sqrt(1 / 3), 22))


def test_welch_leans_on_the_smaller_and_noisier_sample():
    test = welch(Sample(10, 20.6, 9.0), Sample(20, 22.1, 0.9))
    assert test.df == pytest.approx(9.9, abs=0.05)
    assert test.p_value > 0.5


def test_welch_without_any_spread_is_certain():
    assert welch(Sample(5, 2.0, 0.0), Sample(5, 1.0, 0.0)).p_value == 0
    assert welch(Sample(5, 1.0, 0.0), Sample(5, 1.0, 0.0)).p_value == 1


def test_lower_bound_of_a_difference_is_where_its_test_turns():
    test = welch(Sample(30, 4.0, 1.0), Sample(40, 3.5, 1.5))
    shifted = welch(Sample(30, 4.0 - test.lower(0.9), 1.0), Sample(40, 3.5, 1.5))
    assert shifted.p_value == pytest.approx(0.1, abs=1e-3)


def regression_sums(points, weights=None):
    weights = weights or [1] * len(points)
    rows = list(zip(weights, points, strict=True))
    return RegressionSums(
        w=sum(w for w, _ in rows),
        wx=sum(w * x for w, (x, _) in rows),
        wxx=sum(w * x * x for w, (x, _) in rows),
        wy=sum(w * y for w, (_, y) in rows),
        wxy=sum(w * x * y for w, (x, y) in rows),
        wyy=sum(w * y * y for w, (_, y) in rows),
        ww=sum(w * w for w, _ in rows),
        wwx=sum(w * w * x for w, (x, _) in rows),
        wwxx=sum(w * w * x * x for w, (x, _) in rows),
    )


ANSCOMBE = [
    (10, 804),
    (8, 695),
    (13, 758),
    (9, 881),
    (11, 833),
    (14, 996),
    (6, 724),
    (4, 426),
    (12, 1084),
    (7, 482),
    (5, 568),
]
"""The first of Anscombe's four data sets (1973), y in hundredths: slope 0.5001, p 0.00217."""


def test_slope_of_anscombes_first_set():
    found = slope_test(regression_sums(ANSCOMBE), alpha=0.05)
    assert found.slope / 100 == pytest.approx(0.50009, abs=1e-5)
    assert found.p_value == pytest.approx(0.00217, abs=1e-5)
    half = 2.262157 * 0.11791
    assert found.low / 100 == pytest.approx(0.50009 - half, abs=1e-4)
    assert found.high / 100 == pytest.approx(0.50009 + half, abs=1e-4)
    assert found.n == 11


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**40))
def test_slope_knows_neither_origin_nor_scale_of_weights(shift, scale):
    moved = regression_sums([(x + shift, y) for x, y in ANSCOMBE], [scale] * len(ANSCOMBE))
    found, expected = slope_test(moved, 0.05), slope_test(regression_sums(ANSCOMBE), 0.05)
    assert found.slope == pytest.approx(expected.slope, rel=1e-9)
    assert found.p_value == pytest.approx(expected.p_value, rel=1e-6)


def test_slope_needs_three_points_at_two_times():
    assert slope_test(regression_sums([(1, 2), (2, 3)]), 0.05) is None
    assert slope_test(regression_sums([(4, 1), (4, 2), (4, 3)]), 0.05) is None


def test_points_on_a_line_leave_no_doubt():
    found = slope_test(regression_sums([(x, 3 * x) for x in range(6)]), 0.05)
    assert (found.low, found.slope, found.high, found.p_value) == (3, 3, 3, 0)
    level = slope_test(regression_sums([(x, 2) for x in range(6)]), 0.05)
    assert (level.slope, level.p_value) == (0, 1)


@pytest.mark.parametrize("decays", [False, True])
def test_slope_test_raises_false_alarms_about_as_often_as_it_says(decays):
    chance, alarms, rounds = random.Random(3), 0, 1500
    for _ in range(rounds):
        times = sorted(chance.randrange(90) for _ in range(50))
        weights = [round(2 ** (time / 30) * 2**20) for time in times] if decays else None
        points = [(time, chance.choices([0, 1, 2], [0.25, 0.15, 0.6])[0]) for time in times]
        found = slope_test(regression_sums(points, weights), alpha=0.05)
        alarms += found.p_value < 0.05
    assert 0.03 <= alarms / rounds <= 0.075


def test_benjamini_hochberg_of_the_papers_example():
    """Fifteen p-values of section 3.2 of the paper: four are rejected at q = 0.05."""
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p_values += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert benjamini_hochberg(p_values, 0.05) == [True] * 4 + [False] * 11


def test_benjamini_hochberg_steps_up_over_a_gap():
    assert benjamini_hochberg([0.04, 0.9, 0.05, 0.05], 0.07) == [True, False, True, True]


def test_benjamini_hochberg_of_nothing_is_nothing():
    assert benjamini_hochberg([], 0.1) == []


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0.01, 0.5))
def test_benjamini_hochberg_rejects_no_fewer_than_bonferroni(p_values, q):
    rejected = benjamini_hochberg(p_values, q)
    assert all(kept for p, kept in zip(p_values, rejected, strict=True) if p <= q / len(p_values))
    assert not any(kept for p, kept in zip(p_values, rejected, strict=True) if p > q)


def test_normal_quantile_is_that_of_the_tables():
    assert normal_quantile(0.8) == pytest.approx(0.841621, abs=1e-6)
