"""Figures from counts: percentiles as Prometheus and NumPy define them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.traffic import Traffic, percentile, total

BOUNDS = (0.1, 1.0, math.inf)


def traffic(*counts, errors=0):
    return Traffic(sum(counts), errors, BOUNDS, counts)


def test_quantiles_are_linear_within_their_bucket():
    one = traffic(50, 50, 0)
    assert one.quantile_s(0.25) == pytest.approx(0.05)
    assert one.quantile_s(0.5) == pytest.approx(0.1)
    assert one.quantile_s(0.75) == pytest.approx(0.55)


def test_a_quantile_in_the_infinite_bucket_is_its_lower_bound():
    assert traffic(1, 0, 99).quantile_s(0.99) == 1.0


def test_without_requests_there_is_no_quantile_and_no_error():
    assert traffic(0, 0, 0).quantile_s(0.5) is None
    assert traffic(0, 0, 0).error_share == 0


def test_traffic_since_a_look_is_the_difference():
    before, now = traffic(1, 2, 0, errors=1), traffic(3, 2, 4, errors=3)
    assert now.since(before) == traffic(2, 0, 4, errors=2)
    assert now.since(None) == now
    assert now.since(now).error_share == 0


def test_the_sum_of_traffic_adds_counts():
    assert total([traffic(1, 2, 3, errors=1), traffic(4, 5, 6, errors=2)]) == traffic(
        5, 7, 9, errors=3
    )
    assert total([]) is None


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50), st.floats(0, 1))
def test_a_percentile_lies_within_the_values_and_grows(values, share):
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert ordered[0] - 1e-3 <= found <= ordered[-1] + 1e-3
    assert percentile(ordered, 0) == ordered[0]
    assert percentile(ordered, 1) == ordered[-1]


def test_percentiles_of_a_hundred_values():
    ordered = [float(number) for number in range(1, 101)]
    assert percentile(ordered, 0.5) == 50.5
    assert percentile(ordered, 0.95) == pytest.approx(95.05)
    assert percentile(ordered, 0.99) == pytest.approx(99.01)
