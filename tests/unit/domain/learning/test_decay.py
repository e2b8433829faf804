"""A day's weight halves with each half-life, is exact, and is never lost."""

import math

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.decay import (
    LANDMARK_DAY,
    SCALE_BITS,
    days_a_step,
    rating_weight,
    weight,
)

days = st.integers(LANDMARK_DAY, LANDMARK_DAY + 30_000)
half_lives = st.floats(1, 3650, allow_nan=False)


def test_landmark_day_weighs_one():
    assert weight(LANDMARK_DAY, 30.0) == 1 << SCALE_BITS


@given(days, st.integers(1, 365))
def test_weight_doubles_with_each_half_life(day, half_life):
    earlier, later = weight(day, float(half_life)), weight(day + half_life, float(half_life))
    assert abs(later - 2 * earlier) <= 2 ** (later.bit_length() - SCALE_BITS)


@given(days, half_lives)
def test_weight_agrees_with_the_formula(day, half_life):
    exponent = (day - LANDMARK_DAY) / half_life
    whole = int(exponent)
    expected = 2 ** (exponent - whole) * 2**SCALE_BITS
    assert abs((weight(day, half_life) >> whole) - expected) <= 1 + expected * 1e-9


@given(st.integers(-100_000, 100_000), half_lives)
def test_weight_is_a_positive_whole_number_that_never_falls(day, half_life):
    assert 1 <= weight(day, half_life) <= weight(day + 1, half_life)


def test_evidence_from_long_before_the_landmark_still_counts():
    assert weight(0, 1.0) == 1
    assert weight(LANDMARK_DAY - 30, 30.0) == 1 << (SCALE_BITS - 1)


def test_known_weight_stays_as_it_is():
    """The state's bytes depend on it: another value means another state format."""
    assert weight(LANDMARK_DAY + 10, 30.0) == 5411319705


@given(half_lives)
def test_a_step_is_whole_days_and_at_most_a_quarter_of_the_half_life(half_life):
    step = days_a_step(half_life)
    assert step == 1 or half_life / 8 < step <= half_life / 4


@given(days, half_lives)
def test_ratings_of_a_step_weigh_what_its_first_day_does(day, half_life):
    step = days_a_step(half_life)
    assert rating_weight(day, half_life) == weight(day - day % step, half_life)


@given(st.integers(LANDMARK_DAY + 400, LANDMARK_DAY + 3_000), st.integers(0, 90), half_lives)
def test_a_rating_counts_against_another_as_its_age_says_within_a_step_of_days(day, age, half_life):
    told = rating_weight(day, half_life) / rating_weight(day - age, half_life)
    assert abs(math.log2(told) - age / half_life) <= (days_a_step(half_life) - 1) / half_life + 1e-6
