"""The keys and the exact sums that a learning state is made of."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar


class RatingKey(NamedTuple):
    """A group of ratings; `epoch` counts the changes of the model that were known (RatingSums)."""

    pattern: str
    provider: str
    model: str
    cell: str = ""
    epoch: int = 0


class OutcomeKey(NamedTuple):
    """A group of outcomes; `agreed` and `confident` are 0 or 1, `band` is 0..9."""

    agent_id: str
    recommendation_type: str
    agreed: int
    confident: int
    band: int = 0
    evaluator: str = ""


class RatingFigures(NamedTuple):
    """Sums over ratings, units as in RatingSums."""

    n: int = 0
    quality: int = 0
    quality_squared: int = 0
    correct: int = 0
    cost_nanousd: int = 0
    costed: int = 0
    latency_ms: int = 0
    timed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    tokened: int = 0


class LoggedFigures(NamedTuple):
    """Weighted sums for off-policy estimates, units as in RatingSums."""

    weighted: int = 0
    weight: int = 0
    w_quality: int = 0
    w_correct: int = 0
    w_cost: int = 0
    w_costed: int = 0


class Logged(NamedTuple):
    """A group's logged choices: the sums times the day's weight, of all and by bundle of sessions.

    A bundle has what its sessions count for; see bundles. None has sums of nothing but zeros.
    """

    whole: LoggedFigures = LoggedFigures()
    bundles: Mapping[int, LoggedFigures] = MappingProxyType({})


class OutcomeFigures(NamedTuple):
    """Sums over outcomes, units as in OutcomeSums; `time` sums the seconds since 1970."""

    attempted: int = 0
    completed: int = 0
    points: int = 0
    points_squared: int = 0
    quality: int = 0
    quality_squared: int = 0
    timely: int = 0
    confidence_millis: int = 0
    time: int = 0
    time_squared: int = 0
    time_points: int = 0
    ease: int = 0


class SquaredWeights(NamedTuple):
    """Sums of squared weights: of all rows, the completed ones, those times `time` (squared)."""

    all: int = 0
    completed: int = 0
    time: int = 0
    time_squared: int = 0


class QualityFigures(NamedTuple):
    """Sums over the ratings of what one snapshot routed."""

    n: int = 0
    quality: int = 0
    quality_squared: int = 0
    correct: int = 0


F = TypeVar("F", RatingFigures, OutcomeFigures)


class Evidence(NamedTuple, Generic[F]):
    """One group's sums: `raw` as they are, `decayed` times the weight, `squares` times its square.

    The weight is the day's, times the standing of the ratings.
    """

    raw: F
    decayed: F
    squares: SquaredWeights
    first_second: int = 0
    last_second: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether every sum is zero."""
        return not (any(self.raw) or any(self.decayed) or any(self.squares))
