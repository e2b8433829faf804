"""Sums of evidence: what the analytics port hands to the fold.

Only whole numbers, so that adding is exact, and the order and the batches in which rows were added
leave no trace.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RatingSums:
    """The ratings of one (pattern, provider, model) on one day.

    Every figure is summed over rows times their sign. `quality` and `quality_squared` sum the 1..5
    score, `correct` the 0/1 flag; `cost_nanousd` sums over the `costed` rows only, `latency_ms`
    over the `timed` ones.
    """

    pattern: str
    provider: str
    model: str
    day: int
    n: int
    quality: int
    quality_squared: int
    correct: int
    cost_nanousd: int
    costed: int
    latency_ms: int
    timed: int


@dataclass(frozen=True, slots=True)
class OutcomeSums:
    """The outcomes of one agent, recommendation type, `agreed` and `confident` flag on one day.

    `attempted` counts all rows; every other figure sums over the `completed` ones only. `points`
    has 2 for approved and 1 for partial; `quality` is in tenths (0..1000); `confidence_millis` is
    the stated confidence in thousandths. `offset`, `offset_squared` and `offset_points` sum the
    second within the day (0..86399), its square and its product with the points. `first_second` and
    `last_second` are the earliest and the latest completed row that earned points (0 where none).
    """

    agent_id: str
    recommendation_type: str
    agreed: int
    confident: int
    day: int
    attempted: int
    completed: int
    points: int
    points_squared: int
    quality: int
    quality_squared: int
    timely: int
    confidence_millis: int
    offset: int
    offset_squared: int
    offset_points: int
    first_second: int
    last_second: int


@dataclass(frozen=True, slots=True)
class QualitySums:
    """The ratings of what one snapshot routed (`snapshot_id` empty: the default policy)."""

    snapshot_id: str
    n: int
    quality: int
    quality_squared: int
    correct: int
