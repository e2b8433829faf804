"""Commands and answers of the retrain function that change something, and training runs."""

from pydantic import ConfigDict, Field, JsonValue

from shared.domain.learning.runs import RunStatus
from shared.domain.times import Timestamp
from shared.messages.base import Answer, Command, Identifier, Note, QueryParams


class RunParams(QueryParams):
    """How to run."""

    dry_run: bool = Field(default=False, description="Only preview what would change.")


class StartRun(Command):
    """Ask for a training run."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "after the release"}]})

    reason: Note = Field(default="", description="Why, for the record.")


class RunView(Answer):
    """One fold of new evidence.

    `status` is queued, running, succeeded, failed or blocked; `blocked_by` says in sentences what
    holds a blocked run back. `rated` has the plain means of the ratings that it read. `before` and
    `after` are the same figures of the policy before and after, and `off_policy` is what both would
    have earned on the logged traffic, with 95 % intervals and `words` that say it; each of
    `changes_preview` has kind, subject, old, new, why (one sentence), notes (what it rests on, what
    would undo it) and evidence (the figures). They are the first 1,000 where the run has just
    ended and the first 100 later; `changes_total` counts all, and `/changes` lists them.
    `unchanged` are up to 100 that stay as they are for lack of evidence, with why and evidence.
    """

    run_id: str
    status: RunStatus
    dry_run: bool
    trigger: str
    requested_by: str
    requested_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    ratings_read: int
    outcomes_read: int
    snapshot_id: str | None
    parent_id: str | None
    rated: dict[str, JsonValue]
    before: dict[str, JsonValue]
    after: dict[str, JsonValue]
    off_policy: dict[str, JsonValue]
    changes_preview: list[dict[str, JsonValue]]
    changes_total: int
    unchanged: list[dict[str, JsonValue]]
    blocked_by: list[str]
    error: str | None


class RunChanges(Answer):
    """A page of a run's changes, each as in `changes_preview`; `total` counts those of all pages.

    `next_cursor` is null on the last.
    """

    items: list[dict[str, JsonValue]]
    total: int
    next_cursor: str | None = None


class RollBack(Command):
    """Make an earlier snapshot current again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"snapshot_id": "snap_0123456789abcdef0123", "reason": "quality fell"}]
        }
    )

    snapshot_id: Identifier = Field(description="One of GET /v1/learning/snapshots.")
    reason: Note = Field(min_length=1, description="Why, for the record and for those told.")


class RolledBack(Answer):
    """What is current since the rollback; automatic runs wait for a person while `hold` stands."""

    snapshot_id: str
    previous_id: str | None
    current_since: Timestamp
    hold: str


class TrustInitialized(Answer):
    """Agents that had no trust score before and have a neutral one now, and all known agents."""

    initialized: int
    agents: int
