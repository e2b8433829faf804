"""Sums of evidence: what the analytics port hands to the fold.

Only whole numbers, so that adding is exact, and the order and the batches in which rows were added
leave no trace.
"""

from dataclasses import dataclass
from typing import NamedTuple

from shared.domain.learning.bundles import NO_BUNDLE

WEIGHT_UNIT = 256
"""A weight of 1 (a choice that was certain) as a whole number: weights are rounded to 1/256."""

MAX_WEIGHT = 1 << 20
"""Choices rarer than one in 4096 count as if they had been one in 4096, so that sums stay small."""

MAX_COST = 10_000_000_000
"""Nano-dollars (10 dollars) that one request counts for in weighted sums, at most."""

FULL_STANDING = 4
"""What a rating that counts in full has for its standing: it is told in quarters."""


def inverse_weight(propensity: float) -> int:
    """Returns 1 / propensity in units of 1 / WEIGHT_UNIT, 0 for a propensity of 0."""
    return min(MAX_WEIGHT, round(WEIGHT_UNIT / propensity)) if propensity > 0 else 0


class RatingSums(NamedTuple):
    """Ratings of one pattern, provider, model, cell, standing, epoch and bundle in a step of days.

    `day` is the newest of them: ratings of the same step weigh the same (see decay.days_a_step).
    `standing` is how many quarters of a rating each counts, 1..4: those of 0 are in no sum. `epoch`
    is how many changes of the model in the pattern were known when the request was decided.

    Every figure is summed over rows times their sign. `quality` and `quality_squared` sum the 1..5
    score, `correct` the 0/1 flag; `cost_nanousd` sums over the `costed` rows only, `latency_ms`
    over the `timed` ones, tokens over the `tokened` ones.

    From `weighted` to `w_costed` they are for estimates of what another policy would have earned:
    sums over the rows with a weight w, of 1 (`weighted`), w, and w times the figure named. `w_cost`
    and `w_costed` are over the rows whose cost is known; a cost above MAX_COST counts as that, so
    that the sums fit 64 bits. `bundle` is that of the rows' sessions (see bundles). A tuple,
    because a first run makes hundreds of thousands.
    """

    pattern: str
    provider: str
    model: str
    cell: str
    day: int
    n: int
    quality: int
    quality_squared: int
    correct: int
    cost_nanousd: int
    costed: int
    latency_ms: int
    timed: int
    input_tokens: int = 0
    output_tokens: int = 0
    tokened: int = 0
    weighted: int = 0
    weight: int = 0
    w_quality: int = 0
    w_correct: int = 0
    w_cost: int = 0
    w_costed: int = 0
    standing: int = FULL_STANDING
    epoch: int = 0
    bundle: int = NO_BUNDLE


@dataclass(frozen=True, slots=True)
class OutcomeSums:
    """The outcomes of one agent, type, `agreed`, `confident`, band and evaluator on one day.

    `band` is the tenth that the stated confidence lies in, 0..9. `attempted` counts all rows; every
    other figure sums over the `completed` ones only. `points` has 2 for approved and 1 for partial;
    `quality` is in tenths (0..1000); `confidence_millis` is the stated confidence in thousandths,
    `ease` the workflow's ease likewise. `offset`, `offset_squared` and `offset_points` sum the
    second within the day (0..86399), its square and its product with the points. `first_second` and
    `last_second` are the earliest and the latest completed row that earned points (0 where none).
    """

    agent_id: str
    recommendation_type: str
    agreed: int
    confident: int
    band: int
    evaluator: str
    day: int
    attempted: int
    completed: int
    points: int
    points_squared: int
    quality: int
    quality_squared: int
    timely: int
    confidence_millis: int
    ease: int
    offset: int
    offset_squared: int
    offset_points: int
    first_second: int
    last_second: int


@dataclass(frozen=True, slots=True)
class QualitySums:
    """The ratings of what one snapshot routed (`snapshot_id` empty: the default policy).

    Ratings of standing 0 are left out, all others count alike.
    """

    snapshot_id: str
    n: int
    quality: int
    quality_squared: int
    correct: int
