"""Training runs, the snapshots that they leave, and which snapshot is current."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.domain.learning.trials import ActiveTrial
from shared.domain.records import Collection, Query, Record
from shared.domain.times import Timestamp

RunStatus = Literal["queued", "running", "succeeded", "failed", "blocked"]


class TrainingRun(Record):
    """One fold of new evidence into learned state; `id` has the prefix `run_`.

    `rated` has the plain means of the ratings that it read (`ratings`, `quality`, `correctness`).
    `before` and `after` hold the same figures for the policy before and after: see
    learning/evaluation; `off_policy` what both would have earned on the logged traffic: see
    learning/offpolicy. `changes` are the first rows that differ, each with its reason and
    evidence; `changes_total` counts them all, and where those are more, all are kept in
    parts under `changes_key` among the blobs. `unchanged` are the first rows that stay although
    something speaks for a change, with what is lacking.
    """

    status: RunStatus
    dry_run: bool
    trigger: str
    requested_by: str
    requested_at: Timestamp
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    ratings_read: int = 0
    outcomes_read: int = 0
    snapshot_id: str | None = None
    parent_id: str | None = None
    rated: dict[str, JsonValue] = Field(default_factory=dict)
    before: dict[str, JsonValue] = Field(default_factory=dict)
    after: dict[str, JsonValue] = Field(default_factory=dict)
    off_policy: dict[str, JsonValue] = Field(default_factory=dict)
    changes: list[dict[str, JsonValue]] = Field(default_factory=list)
    changes_total: int = 0
    changes_key: str | None = None
    unchanged: list[dict[str, JsonValue]] = Field(default_factory=list)
    blocked_by: list[str] = Field(default_factory=list)
    error: str | None = None


class Quarantine(BaseModel):
    """Why a snapshot may not become current, since when, and what that rests on.

    `receipt` is that of the canary `trial_id` that ended with it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    trial_id: str
    since: Timestamp
    why: str
    receipt: dict[str, JsonValue] = Field(default_factory=dict)

    def __str__(self) -> str:
        """Returns it in one line."""
        return f"{self.trial_id}, {self.since}: {self.why}"


class SnapshotInfo(Record):
    """What is known of a snapshot without opening it.

    `id` is `snap_` and the head of its content's SHA-256.
    The content is the blob `blob_key`, the sums that it was made of are `state_key`. `quarantine`
    is None where it may become current; a person lifts it.
    """

    parent_id: str | None
    run_id: str
    blob_key: str
    state_key: str
    checksum: str
    ratings_watermark: int
    outcomes_watermark: int
    created_at: Timestamp
    quarantine: Quarantine | None = None
    metrics: dict[str, JsonValue] = Field(default_factory=dict)


class LearningHead(Record):
    """Where learning stands; `id` is always `head`.

    `current_id` is the snapshot that is served (the one atomic pointer), `tip_id` the newest that
    was made: the next run folds on from there, also after a rollback. `lease_run_id` holds the
    workspace until `lease_until`. `projected_id` is the snapshot that the rows for operators show
    in full; None where they may be a mixture. `trial` is the canary or the experiment that runs.
    """

    current_id: str | None = None
    previous_id: str | None = None
    current_since: Timestamp | None = None
    tip_id: str | None = None
    lease_run_id: str | None = None
    lease_until: Timestamp | None = None
    projected_id: str | None = None
    trial: ActiveTrial | None = None


class PerformanceRow(Record):
    """What a snapshot said of one (pattern, provider, model).

    `id` is `<snapshot_id>:<pattern>:<provider>:<model>`.
    """

    snapshot_id: str
    pattern: str
    provider: str
    model: str
    n: int
    mean_quality: float
    correctness: float
    mean_cost_usd: float | None
    tier: str
    recorded_at: Timestamp


class TrustRow(Record):
    """An agent's trust as of the current snapshot, for operators.

    `id` is `<agent_id>:<recommendation_type>`.
    """

    agent_id: str
    recommendation_type: str
    overall: float
    n: int
    snapshot_id: str
    card: dict[str, JsonValue] = Field(default_factory=dict)
    updated_at: Timestamp


class PatternRow(Record):
    """A pattern as of the current snapshot, for operators; `id` is the pattern's key."""

    category: str
    success_rate: float
    n: int
    snapshot_id: str
    card: dict[str, JsonValue] = Field(default_factory=dict)
    updated_at: Timestamp


RUNS = Collection(
    "training_runs",
    TrainingRun,
    queries=(Query((), "requested_at", narrow=("status", "dry_run")),),
)
SNAPSHOTS = Collection("snapshots", SnapshotInfo, queries=(Query((), "created_at"),))
LEARNING_HEADS = Collection("learning_heads", LearningHead)
PERFORMANCE = Collection(
    "performance",
    PerformanceRow,
    columns=(
        "snapshot_id",
        "pattern",
        "provider",
        "model",
        "n",
        "mean_quality",
        "correctness",
        "mean_cost_usd",
        "tier",
        "recorded_at",
    ),
)
TRUST_ROWS = Collection(
    "trust_rows",
    TrustRow,
    columns=("agent_id", "recommendation_type", "overall", "n", "snapshot_id", "updated_at"),
)
PATTERN_ROWS = Collection(
    "pattern_rows",
    PatternRow,
    columns=("category", "success_rate", "n", "snapshot_id", "updated_at"),
)
