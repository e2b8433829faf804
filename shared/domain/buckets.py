"""Stretches of time of equal, usual length, for histories that are summed up when asked."""

from collections.abc import Iterable

from shared.domain.times import Timestamp, from_text

STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 1_800),
    *(3_600, 7_200, 21_600, 43_200),
    *(86_400, 172_800, 604_800, 2_592_000),
)
"""Lengths in seconds, ascending."""


def step_for(first: Timestamp, last: Timestamp, most: int) -> int:
    """Returns the shortest usual length, in seconds, that makes at most `most` buckets.

    Beyond the longest that is whatever length does.
    """
    width = max(0.0, from_text(last).timestamp() - from_text(first).timestamp())
    for step in STEPS_S:
        if width // step + 2 <= most:
            return step
    return int(width // (most - 1)) + 1


def bucket_of(at: Timestamp, step_s: int) -> int:
    """Returns the bucket that a time falls into; its number times `step_s` is its start."""
    return int(from_text(at).timestamp() // step_s)


def buckets_over(numbers: Iterable[int]) -> range:
    """Returns every bucket from the first to the last, those between them too; none of none."""
    known = set(numbers)
    return range(min(known), max(known) + 1) if known else range(0)
