"""Questions and answers of the pages on which people watch: histories, versions, dead letters."""

from typing import Literal

from pydantic import Field

from shared.domain.learning.config import ModelField
from shared.domain.learning.patterns import Strength
from shared.domain.learning.ranking import ModelFigures
from shared.domain.times import Timestamp
from shared.messages.base import Answer, Command, Identifier

ToldBy = Literal["caller", "labels", "rules"]
"""Who says what pattern a prompt is of: the request, what labelled prompts taught, or the rules."""


class TeamMeans(Answer):
    """Means over the agents of the current snapshot that have outcomes; None where none has.

    `approval_rate` weighs agents by their completed recommendations, `overall` (0..1) does not.
    """

    agents: int
    overall: float | None
    approval_rate: float | None
    mean_quality: float | None


class RecommendationBucket(Answer):
    """An agent's recommendations made within one stretch of time that begins at `at`.

    `waiting` have no outcome yet. `approval_rate` (partial counts half) and `mean_quality` (0..100)
    are over those that have one, None where none has.
    """

    at: Timestamp
    approved: int
    partial: int
    rejected: int
    waiting: int
    approval_rate: float | None
    mean_quality: float | None


class CalibrationBin(Answer):
    """Recommendations of about the same stated confidence, and how many of them were approved.

    `low` and `high` are the two-sided 90 % interval (Wilson) of `approval_rate`.
    """

    stated: float
    approval_rate: float
    low: float
    high: float
    n: int


class AgentHistory(Answer):
    """What an agent recommended lately, from its newest `read` recommendations, oldest first.

    `strength` says how far the lower bound of its approval rate is above the rate of the others,
    None where it is not. `step_s` is how long each bucket is, in seconds.
    """

    agent_id: str
    read: int
    truncated: bool
    step_s: int
    buckets: list[RecommendationBucket]
    calibration: list[CalibrationBin]
    strength: Strength | None


class ModelCounts(Answer):
    """Decisions of one model within the buckets of a `DecisionHistory`, in their order."""

    provider: str
    model: str
    decisions: list[int]
    total: int


class DecisionHistory(Answer):
    """Routing decisions over time, over at most the newest `read` of the window.

    `times` are the beginnings of the buckets, `step_s` long each. Costs are US dollars a bucket,
    over decisions that have both a cost and a baseline. Models come largest first.
    """

    window: str
    read: int
    truncated: bool
    step_s: int
    times: list[Timestamp]
    models: list[ModelCounts]
    cost_usd: list[float]
    baseline_cost_usd: list[float]


class TriedCandidate(Answer):
    """A model that could answer a prompt: what it would cost, and what is known of it there.

    `figures` None: nobody has rated it for this pattern.
    """

    model: ModelField
    estimated_cost_usd: float | None
    propensity: float
    chosen: bool
    figures: ModelFigures | None


class TriedPrompt(Answer):
    """Where a prompt would go now and why; nothing was recorded and no model was asked.

    `propensity` of a candidate is how likely a real request would go to it, with exploration.
    `told_by` says who found the pattern: what labelled prompts taught, or the shipped rules.
    """

    pattern: str
    told_by: ToldBy
    complexity: float
    model: ModelField
    confidence: float
    reason: str
    input_tokens: int
    estimated_cost_usd: float | None
    baseline_cost_usd: float | None
    exploration_rate: float
    snapshot_id: str | None
    candidates: list[TriedCandidate]


class VersionView(Answer):
    """One step of the knowledge base; `add` puts a revision into search, `remove` takes it out."""

    version: int
    operation: Literal["add", "remove"]
    entry_id: str
    topic: str
    revision: int
    published_at: Timestamp


class ChangedEntry(Answer):
    """An entry that two versions of the knowledge base show differently; None: not in search."""

    entry_id: str
    topic: str
    old_revision: int | None
    new_revision: int | None


class VersionsCompared(Answer):
    """What differs between two versions; `truncated` where more lies between than is read."""

    older: int
    newer: int
    changes: list[ChangedEntry]
    truncated: bool


class DeadLetterView(Answer):
    """An event that a consumer could not handle in all its tries."""

    id: str
    consumer: str
    event_id: str
    event_type: str
    subject: str
    attempts: int
    last_error: str
    since: Timestamp


class ReplayLetters(Command):
    """Give dead letters their tries back."""

    ids: list[Identifier] = Field(min_length=1, max_length=100)


class LettersReplayed(Answer):
    """How many dead letters will be tried again."""

    replayed: int


class MetricPointView(Answer):
    """The mean of a series within one stretch of time that begins at `at`, and its extremes."""

    at: Timestamp
    mean: float
    low: float
    high: float
    count: int


class MetricSeries(Answer):
    """One series over time."""

    name: str
    model: str
    version: str
    points: list[MetricPointView]


class MetricHistory(Answer):
    """Measurements over time, from at most the newest 5,000 of the window."""

    window: str
    step_s: int
    truncated: bool
    series: list[MetricSeries]
