"""What can be read of learning: its status, its history, trust, patterns and insights."""

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from shared.domain.access import LearningMode
from shared.domain.learning.changes import DriftStatus
from shared.domain.learning.drift import Direction
from shared.domain.learning.patterns import Category, PatternCard
from shared.domain.learning.runs import Quarantine
from shared.domain.learning.trust import TrustCard
from shared.domain.times import Timestamp
from shared.messages.base import Answer, Command, Note, PageParams, QueryParams
from shared.messages.training import RunView

Format = Literal["json", "csv"]


class TablePage(PageParams):
    """Which page of a table, and how to write it."""

    format: Format = Field(default="json", description="json, or csv for a spreadsheet.")


class PatternsPage(TablePage):
    """Which patterns."""

    category: Category | None = Field(default=None, description="Only this kind.")


class TableFormat(QueryParams):
    """How to write a table."""

    format: Format = Field(default="json", description="json, or csv for a spreadsheet.")


class TierBars(Answer):
    """What a model must reach for a tier, each mean by its lower bound."""

    min_n: float
    min_quality: float
    min_correctness: float


class LearningStatus(Answer):
    """Where learning stands.

    `ratings_waiting` and `outcomes_waiting` count evidence that no run has read. `held_by` is the
    run that is under way. `next_run_at` is null where the schedule asks for none, or does not
    answer. `quality_alert` is the id of the open alert on fallen quality.
    """

    mode: LearningMode
    learning_stopped: bool
    hold: str | None
    current_id: str | None
    current_since: Timestamp | None
    previous_id: str | None
    tip_id: str | None
    last_run: RunView | None
    next_run_at: Timestamp | None
    held_by: str | None
    ratings_waiting: int
    outcomes_waiting: int
    runs_after_feedback: int
    runs_after_conversations: int
    tiers: dict[str, TierBars]
    quality_alert: str | None


class SnapshotView(Answer):
    """A version of what was learned, and whether it is served.

    `quarantine` says why it may not become current, since when, and by what receipt; null where it
    may.
    """

    snapshot_id: str
    current: bool
    parent_id: str | None
    run_id: str
    checksum: str
    created_at: Timestamp
    ratings_watermark: int
    outcomes_watermark: int
    quarantine: Quarantine | None
    metrics: dict[str, JsonValue]


class TrendPoint(Answer):
    """One run: what users said before it, and what it expected of the policy that it made current.

    `rated_quality` and `rated_correctness` are the plain means of the ratings that it read;
    `quality`, `correctness` and `cost_usd` are expected per request, over the share `coverage` of
    the traffic that has evidence. All are null where there was no evidence.
    """

    run_id: str
    at: Timestamp
    snapshot_id: str | None
    ratings_read: int
    rated_quality: float | None
    rated_correctness: float | None
    quality: float | None
    correctness: float | None
    cost_usd: float | None
    coverage: float | None


class AgentView(Answer):
    """An agent and its overall trust; a neutral card where it has no outcomes yet.

    `reinstated_at` is when a person last lifted that it was disabled; `on_probation` says that it
    is heard because of that, whatever its trust, until enough new outcomes have come in.
    """

    agent_id: str
    name: str
    recommendation_types: list[str]
    trust: TrustCard
    reinstated_at: Timestamp | None
    on_probation: bool


class AgentDetail(AgentView):
    """An agent with its card for each type of recommendation."""

    by_type: list[TrustCard]
    snapshot_id: str | None


class ReinstateAgent(Command):
    """Let a disabled agent be heard again, until enough new outcomes judge it anew."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "its prompt was repaired on Tuesday"}]}
    )

    reason: Note = Field(min_length=1, description="Why, for the record.")


class AgentReinstated(Answer):
    """An agent that is heard again; `judged_at_n` is how many outcomes end its probation."""

    agent_id: str
    reinstated_at: Timestamp
    n: int
    judged_at_n: int


class Patterns(Answer):
    """Patterns of the current snapshot, in order of key.

    `retired` are those that held over all evidence and no longer do over what counts today, on
    the first page only.
    """

    items: list[PatternCard]
    retired: list[PatternCard]
    next_cursor: str | None
    snapshot_id: str | None


class Insights(Answer):
    """The latest cycle in words and figures; empty before the first run."""

    snapshot_id: str | None
    created_at: Timestamp | None
    insights: dict[str, JsonValue]


class DriftPage(PageParams):
    """Which models."""

    status: DriftStatus | None = Field(default=None, description="Only those that stand so.")


class RatedFigures(Answer):
    """Ratings as means: `value` is that of correctness and (quality - 1) / 4; null without any."""

    ratings: int
    value: float | None
    quality: float | None
    correctness: float | None


class WithdrawnView(Answer):
    """That a change was taken back, by the row at `place` of the log, and why (`words`).

    It had been proven on `change_day` by `ratings`, of which `ratings_left` still stood then.
    """

    direction: Direction
    change_day: str
    place: int
    ratings: int
    ratings_left: int
    words: str
    withdrawn_at: Timestamp


class DriftView(Answer):
    """Where a model stands in a pattern: as it was, changed, or looking so without proof.

    `now` are the ratings since its last change, divided where they differ most into `before` and
    `after`. `epoch` counts its changes. `evidence_of_a_fall` reaches x at most once in x ratings
    while nothing changes; a change is told from `needed` on (null where none are looked for).
    `fallen_from` is what it has not recovered from; `withdrawn` is its newest change where that was
    taken back, else null.
    """

    pattern: str
    provider: str
    model: str
    status: DriftStatus
    words: str
    epoch: int
    now: RatedFigures
    before: RatedFigures
    after: RatedFigures
    fallen_from: RatedFigures | None
    evidence_of_a_fall: float
    needed: float | None
    withdrawn: WithdrawnView | None
    updated_at: Timestamp


class DriftChangeView(Answer):
    """A change that was proven, by the rating at `place` of the log on `day`.

    `withdrawn` is null while it stands.
    """

    change_id: str
    pattern: str
    provider: str
    model: str
    direction: Direction
    epoch: int
    place: int
    day: str
    before: RatedFigures
    after: RatedFigures
    evidence: float
    needed: float
    words: str
    noticed_at: Timestamp
    withdrawn: WithdrawnView | None
