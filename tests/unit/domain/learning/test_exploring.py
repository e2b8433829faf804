"""Draws are spread as often as each may be the best, and their odds are exact."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.exploring import EVEN_SHARE, NEW_SHARE, shares, with_new

sides = st.lists(st.tuples(st.floats(-1, 2), st.floats(1e-4, 0.5)), min_size=1, max_size=12)


@given(sides)
def test_shares_sum_to_one_and_nobody_is_left_out(models):
    found = shares([mean for mean, _ in models], [spread for _, spread in models])
    assert sum(found) == pytest.approx(1)
    assert min(found) >= EVEN_SHARE / len(models) - 1e-12


def test_equals_are_drawn_alike():
    assert shares([0.5] * 4, [0.1] * 4) == pytest.approx([0.25] * 4)


def test_the_clearly_best_is_drawn_but_for_the_even_share():
    assert shares([0.9, 0.1, 0.1], [0.01] * 3)[0] == pytest.approx(1 - EVEN_SHARE * 2 / 3, abs=1e-4)


def test_a_less_certain_model_is_drawn_more_often_than_a_certain_one_of_equal_mean():
    certain, vague = shares([0.5, 0.4], [0.01, 0.01])[1], shares([0.5, 0.4], [0.01, 0.2])[1]
    assert vague > certain + 0.2


@pytest.mark.parametrize(
    ("means", "spreads"),
    [
        ([0.7, 0.65, 0.6, 0.4], [0.05, 0.05, 0.1, 0.2]),
        ([0.7, 0.7, 0.2], [0.02, 0.15, 0.3]),
        ([0.5 + 0.02 * n for n in range(10)], [0.08] * 10),
    ],
)
def test_shares_are_those_of_thompson_sampling(means, spreads):
    chance, rounds = random.Random(5), 40_000
    wins = [0] * len(means)
    for _ in range(rounds):
        drawn = [chance.gauss(mean, sd) for mean, sd in zip(means, spreads, strict=True)]
        wins[drawn.index(max(drawn))] += 1
    even = EVEN_SHARE / len(means)
    expected = [(1 - EVEN_SHARE) * one / rounds + even for one in wins]
    assert shares(means, spreads) == pytest.approx(expected, abs=0.012)


def test_new_models_share_a_fifth_of_the_draws():
    found = with_new([0.7, 0.2, 0.1], [False, True, True])
    assert sum(found) == pytest.approx(1)
    assert found[0] == pytest.approx(0.7 * (1 - NEW_SHARE))
    assert min(found[1:]) >= NEW_SHARE / 2
    assert with_new([0.7, 0.3], [False, False]) == [0.7, 0.3]
