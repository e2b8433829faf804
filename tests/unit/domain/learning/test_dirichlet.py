"""Strength of a common prior: from how far rows of counts differ."""

import math

import pytest

from shared.domain.learning.dirichlet import LEAST, MOST, digamma, strength


@pytest.mark.parametrize(
    ("x", "value"),
    [(1.0, -0.5772156649015329), (0.5, -1.9635100260214235), (10.0, 2.2517525890667211)],
)
def test_digamma_has_its_known_values(x: float, value: float) -> None:
    assert math.isclose(digamma(x), value, rel_tol=1e-8)


def test_digamma_grows_by_the_reciprocal() -> None:
    for x in (0.01, 0.7, 3.3, 120.0):
        assert math.isclose(digamma(x + 1) - digamma(x), 1 / x, rel_tol=1e-6)


def test_rows_that_are_alike_hold_a_strong_prior() -> None:
    alike = [((80.0, 20.0), (0.8, 0.2))] * 20
    assert 4.0 < strength(alike, 4.0, steps=5) < strength(alike, 4.0, steps=50)
    assert strength(alike, 299.9, steps=50) == MOST


def test_rows_that_differ_hold_a_weak_prior() -> None:
    apart = [((100.0, 0.0), (0.5, 0.5)), ((0.0, 100.0), (0.5, 0.5))] * 10
    assert strength(apart, 4.0, steps=50) == LEAST


def test_the_strength_in_between_has_the_largest_likelihood() -> None:
    rows = [((float(one), 20.0 - one), (0.6, 0.4)) for one in (4, 8, 10, 12, 13, 14, 15, 17, 19)]
    found = strength(rows, 4.0, steps=300)

    def likelihood(held: float) -> float:
        total = 0.0
        for counts, mean in rows:
            total += math.lgamma(held) - math.lgamma(held + sum(counts))
            for count, share in zip(counts, mean, strict=True):
                total += math.lgamma(count + held * share) - math.lgamma(held * share)
        return total

    assert LEAST < found < MOST
    assert likelihood(found) > max(likelihood(found * 1.02), likelihood(found / 1.02))


def test_nothing_seen_leaves_the_strength_as_it_was() -> None:
    assert strength([], 7.0) == 7.0
    assert strength([((0.0, 0.0), (0.5, 0.5))], 7.0, steps=3) == 7.0
