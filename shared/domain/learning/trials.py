"""Trials: traffic of a workspace that is shared out between policies, and what came of it.

A canary tries the snapshot of a run against the current one, an experiment tries what people ask
for. Both are one kind of record, assigned, counted and compared alike. Invariant: one trial at a
time in a workspace; the one that runs stands in the `LearningHead`. A session counts once, by the
first that is said of it: what follows in it goes together, and no bet is made for that.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.domain.records import Collection, Query, Record, Unit
from shared.domain.times import Timestamp

TrialKind = Literal["canary", "experiment"]
TrialState = Literal["running", "promoted", "reverted", "undecided", "stopped", "ended"]
Metric = Literal["quality", "correctness", "value", "cost", "latency", "error_share"]

CURRENT, CANDIDATE = "current", "candidate"
"""The arms of a canary, in this order."""


@dataclass(frozen=True, slots=True)
class ArmSums:
    """The ratings of one arm (`<trial>/<arm>`) with one score and one flag; standing above 0.

    All summed over rows times their sign. Cost in nano-dollars over the `costed` rows, and in whole
    micro-dollars squared (a cost above MAX_COST counts as that); latency in ms over the `timed`.
    """

    arm: str
    quality: int
    correct: int
    n: int
    cost_nanousd: int
    costed: int
    micro_cost_squared: int
    latency_ms: int
    timed: int
    latency_squared: int


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Arm(_Value):
    """One side of a trial: a snapshot's policy, or one model for everything it is asked.

    `snapshot_id` None without a model means the configured default policy. `share` is of the
    workspace's traffic; what all shares leave is served as if there were no trial.
    """

    name: str
    share: Unit
    snapshot_id: str | None = None
    provider: str | None = None
    model: str | None = None


class ActiveTrial(_Value):
    """What serving must know of the trial that runs; `key` makes assignments unguessable."""

    id: str
    kind: TrialKind
    key: str
    arms: tuple[Arm, ...]


class Guardrail(_Value):
    """A metric that an arm may not worsen by more than `limit`, relative to the first arm."""

    metric: Metric
    limit: float = Field(ge=0, le=10)


class ArmCounts(_Value):
    """Everything that was counted of one arm.

    `ratings` is by "<quality>:<correct>". Costs are nano-dollars over the `costed` ratings and
    micro-dollars squared, latencies milliseconds over the `timed` ones. `answered` and `failed`
    count completions.
    """

    ratings: dict[str, int] = Field(default_factory=dict)
    cost_nanousd: int = 0
    costed: int = 0
    micro_cost_squared: int = 0
    latency_ms: int = 0
    timed: int = 0
    latency_squared: int = 0
    answered: int = 0
    failed: int = 0


class Comparison(_Value):
    """One arm against the first one, by one metric, in its own unit; None where there is nothing.

    `low` and `high` hold the difference of the means (arm less first) at every look, also after any
    number of looks. `worse` and `better` are the e-values for either: at 20, the chance of a false
    word is 1 in 20 at most.
    """

    metric: Metric
    arm: str
    n_first: int
    n: int
    first_mean: float | None
    mean: float | None
    low: float | None
    high: float | None
    worse: float
    better: float


class Trial(Record):
    """A canary (`can_`) or an experiment (`exp_`), and what it came to.

    `counts` has what was counted by arm up to the place `read_upto` of the ratings log, `findings`
    what that said at `looked_at`. `outcome` is one sentence, `receipt` all that it rests on.
    """

    kind: TrialKind
    state: TrialState
    name: str
    arms: list[Arm]
    metric: Metric = "quality"
    guardrails: list[Guardrail] = Field(default_factory=list)
    started_at: Timestamp
    started_by: str
    ends_at: Timestamp
    read_from: int
    read_upto: int
    counts: dict[str, ArmCounts] = Field(default_factory=dict)
    findings: list[Comparison] = Field(default_factory=list)
    looked_at: Timestamp | None = None
    words: str = ""
    ended_at: Timestamp | None = None
    ended_by: str | None = None
    outcome: str | None = None
    receipt: dict[str, JsonValue] = Field(default_factory=dict)

    def arm(self, name: str) -> Arm:
        """Returns an arm by its name."""
        return next(one for one in self.arms if one.name == name)


class TrialUnit(Record):
    """What counts of a session (or of a request without one) in a trial, so that it counts once.

    `by` is the rating, or the request that was completed, that came first.
    """

    by: str
    expires_at: Timestamp


UNIT_KEPT_DAYS = 120
"""How long is known that a unit has counted: longer than any trial goes on."""

TRIALS = Collection("trials", Trial, queries=(Query(("kind",), "started_at"),), columns=("state",))
TRIAL_UNITS = Collection("trial_units", TrialUnit, expires="expires_at")


def unit_of(session_id: str | None, request_id: str) -> str:
    """Returns what falls into an arm as a whole: the session, else the request."""
    return f"session:{session_id}" if session_id else request_id


def unit_id(trial_id: str, unit: str, what: Literal["rated", "completed"]) -> str:
    """Returns the id under which is kept what counts of a unit."""
    return hashlib.sha256(f"{trial_id}\n{unit}\n{what}".encode()).hexdigest()[:32]


def position(key: str, unit: str) -> float:
    """Returns where a session or a request falls in [0, 1): always at the same place of a trial."""
    digest = hashlib.blake2b(unit.encode(), key=key.encode()[:64], digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def arm_at(arms: Sequence[Arm], place: float) -> Arm | None:
    """Returns the arm at a place in [0, 1), None for the traffic that no arm takes."""
    for arm in arms:
        if place < arm.share:
            return arm
        place -= arm.share
    return None


def label(trial_id: str, arm: str) -> str:
    """Returns how evidence names an arm: `<trial>/<arm>`."""
    return f"{trial_id}/{arm}"


def counter(trial_id: str, arm: str) -> str:
    """Returns the counter of an arm's completions: fields `answered` and `failed`."""
    return f"trial:{label(trial_id, arm)}"


def with_ratings(
    trial: Trial, rows: Iterable[ArmSums], completions: Mapping[str, Mapping[str, int]]
) -> dict[str, ArmCounts]:
    """Returns the counts of each arm with further ratings added; rows of others are passed over.

    Args:
        trial: as it stood.
        rows: of the ratings after `read_upto`.
        completions: every counter of the trial as it is now.
    """
    counts = {arm.name: trial.counts.get(arm.name, ArmCounts()) for arm in trial.arms}
    names = {label(trial.id, name): name for name in counts}
    for row in rows:
        name = names.get(row.arm)
        if name is not None:
            counts[name] = _plus(counts[name], row)
    for name, known in counts.items():
        seen = completions.get(counter(trial.id, name), {})
        told = {field: seen.get(field, 0) for field in ("answered", "failed")}
        counts[name] = known.model_copy(update=told)
    return counts


_SUMMED = (
    "cost_nanousd",
    "costed",
    "micro_cost_squared",
    "latency_ms",
    "timed",
    "latency_squared",
)


def _plus(known: ArmCounts, row: ArmSums) -> ArmCounts:
    key = f"{row.quality}:{row.correct}"
    ratings = {**known.ratings, key: known.ratings.get(key, 0) + row.n}
    sums = {name: getattr(known, name) + getattr(row, name) for name in _SUMMED}
    return known.model_copy(update={"ratings": dict(sorted(ratings.items())), **sums})
