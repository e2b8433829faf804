"""Stretches of time: few, of usual length, without gaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.buckets import STEPS_S, bucket_of, buckets_over, step_for
from shared.domain.times import second_text


@given(st.integers(0, 2_000_000_000), st.integers(0, 2_000_000_000), st.integers(2, 60))
def test_no_stretch_has_more_buckets_than_asked(one: int, other: int, most: int) -> None:
    first, last = second_text(min(one, other)), second_text(max(one, other))
    step = step_for(first, last, most)
    assert bucket_of(last, step) - bucket_of(first, step) + 1 <= most


@pytest.mark.parametrize(("seconds", "step"), [(0, 1), (30, 2), (3_600, 300), (86_400, 7_200)])
def test_the_step_is_the_shortest_usual_one(seconds: int, step: int) -> None:
    assert step in STEPS_S
    assert step_for(second_text(0), second_text(seconds), 20) == step


def test_buckets_without_anything_are_there_too() -> None:
    assert list(buckets_over([5, 2, 2])) == [2, 3, 4, 5]
    assert list(buckets_over([])) == []
