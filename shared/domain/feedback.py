"""What comes back from use.

Routing decisions, people's ratings of them, recommendations and their outcomes. Every rating and
every settled recommendation also leaves a row in the evidence log. The log is append-only and its
rows are signed: a replaced rating is taken back by a row with sign -1 that repeats the old figures,
and the new one follows with +1. All figures are whole numbers, so that sums do not depend on the
order or the batches they were added in.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from shared.domain.learning.bundles import MOST_THINNED, NO_BUNDLE
from shared.domain.learning.sums import FULL_STANDING
from shared.domain.records import Collection, Query, Record, Unit
from shared.domain.times import Timestamp

RecommendationStatus = Literal["approved", "rejected", "partial"]


class RoutingDecision(Record):
    """Which model one request was sent to; `id` is the `req_` id.

    `propensity` is the probability with which this choice was made; 0 where a model answered only
    because those before it failed (`attempts` above 1): such ratings count in means, and estimates
    that weigh by propensity leave them out. Costs are US dollars, `cost_usd` None until known;
    `estimated_cost_usd` is what the price list says of the prompt, `baseline_cost_usd` what the
    default model would have cost. `cell` is the prompt's neighbourhood within the pattern.
    `snapshot_id` None means the configured default policy, or an experiment's arm of one model.
    `trial` and `arm` name the canary or the experiment that the request took part in; `propensity`
    is then over all its arms: what it would be for someone who does not know the assignment.
    """

    pattern: str
    complexity: Unit
    cell: str = ""
    provider: str
    model: str
    confidence: Unit
    expected: Unit | None = None
    """What this answer was believed to be worth, 0..1; None where too little was known."""
    explored: bool
    propensity: Unit
    snapshot_id: str | None
    reason: str
    estimated_cost_usd: float | None = None
    cost_usd: float | None = None
    baseline_cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: int | None = None
    attempts: int = 1
    failed: bool = False
    token_used: bool = False
    """Whether it was rated with its rating token, which is good for once."""
    session_id: str | None = None
    trial: str | None = None
    arm: str | None = None
    decided_by: str = ""
    decided_at: Timestamp
    epoch: int = Field(default=0, ge=0)
    """How many changes of this model in this pattern were known when it was decided."""
    thinned: int = Field(default=0, ge=0, le=MOST_THINNED)
    """One session in 4**thinned is looked at as a whole at this time; see learning/bundles."""
    revision: str = ""
    """The deployed revision of the code that decided; empty where there are none."""


class Rating(Record):
    """What one person said about one routing decision, as it stands now."""

    feedback_id: str
    quality_score: int = Field(ge=1, le=5)
    is_correct: bool
    is_helpful: bool | None = None
    comment: str = ""
    rated_at: Timestamp


class Feedback(Record):
    """A person's rating of a routing decision; `id` is `<request_id>:<user_id>`.

    `history` has the newest replaced ones, oldest first. `cost_nanousd` and `latency_ms` (None
    where unknown), the cell, the tokens, the epoch, the arm, the bundle and the standing are what
    the evidence row of the standing rating says, so that it can be taken back exactly.
    """

    request_id: str
    user_id: str
    session_id: str | None = None
    pattern: str
    provider: str
    model: str
    cell: str = ""
    snapshot_id: str | None = None
    cost_nanousd: int | None = None
    latency_ms: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    epoch: int = 0
    standing: int = Field(default=FULL_STANDING, ge=0, le=FULL_STANDING)
    taken_standing: int = Field(default=0, ge=0, le=FULL_STANDING)
    """What it counted before its rater was set aside, so that it can be put back."""
    arm: str = ""
    bundle: int = NO_BUNDLE
    rating: Rating
    history: list[Rating] = Field(default_factory=list)
    updated_at: Timestamp


class Agent(Record):
    """An agent that recommended something; `id` is its agent_id.

    `reinstated_at` is when a person lifted that it was disabled, None where nobody did:
    `reinstated_n` of its recommendations had an outcome then.
    """

    name: str
    recommendation_types: list[str] = Field(default_factory=list)
    first_seen_at: Timestamp
    last_seen_at: Timestamp
    reinstated_at: Timestamp | None = None
    reinstated_by: str = ""
    reinstated_n: int = 0

    def on_probation(self, n: float, outcomes: float) -> bool:
        """Returns whether a reinstated agent is still heard whatever its trust.

        Args:
            n: how many of its recommendations have an outcome now.
            outcomes: for how many it is given the chance.
        """
        return self.reinstated_at is not None and n < self.reinstated_n + outcomes


class Recommendation(Record):
    """What an agent proposed inside a workflow; `id` is the `rec_` id.

    `status` is None until an outcome settles it.
    """

    agent_id: str
    agent_name: str
    correlation_id: str
    workflow_id: str
    recommendation_type: str
    content: str
    content_hash: str
    confidence_score: Unit
    reasoning: str = ""
    submitted_by: str
    created_at: Timestamp
    status: RecommendationStatus | None = None
    quality_score: float | None = None
    outcome_id: str | None = None
    settled_at: Timestamp | None = None


class Outcome(Record):
    """The evaluation of a workflow; `id` is the workflow_id, so that a workflow is settled once.

    `fingerprint` is the SHA-256 of the request, by which the same one is known again.
    """

    outcome_id: str
    overall_quality_score: float = Field(ge=0, le=100)
    feedback: str = ""
    settled: list[str] = Field(default_factory=list)
    missed: list[str] = Field(default_factory=list)
    recorded_by: str
    recorded_at: Timestamp
    fingerprint: str = ""


class ConversationCount(Record):
    """At how many completed conversations a run was last asked for; `id` is `conversations`.

    The conversations themselves are counted by the counter of that name.
    """

    completed: int = Field(default=0, ge=0)


@dataclass(frozen=True, slots=True)
class RatingEvidence:
    """One row of the ratings log. `sign` is +1, or -1 to take an earlier row back.

    `day` is the day number of the rating. Cost in nano-dollars (1e-9 USD), 0 with `costed` 0 where
    unknown; likewise latency, and the tokens with `tokened`. `cell` is the prompt's neighbourhood
    within its pattern, empty where none was told. `weight` is 1 / propensity in units of
    1 / WEIGHT_UNIT, 0 where chance had no part in the choice. `standing` is how many quarters of a
    rating the row counts, 0 for one that is logged and counts for nothing; `epoch` is how many
    changes of this model in this pattern were known when the request was decided; `arm` is the
    trial and its arm, as `<trial>/<arm>`, empty where it took part in none; `bundle` is where its
    session falls (see learning/bundles), NO_BUNDLE where it is in none.
    """

    at: Timestamp
    day: int
    feedback_id: str
    request_id: str
    rater: str
    pattern: str
    provider: str
    model: str
    snapshot_id: str
    sign: int
    quality: int
    correct: int
    cost_nanousd: int
    costed: int
    latency_ms: int
    timed: int
    propensity: float
    cell: str = ""
    weight: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    tokened: int = 0
    standing: int = FULL_STANDING
    epoch: int = 0
    arm: str = ""
    bundle: int = NO_BUNDLE


@dataclass(frozen=True, slots=True)
class OutcomeEvidence:
    """One row of the outcomes log.

    One recommendation that its workflow's outcome settled or left out. `points` is 2 approved, 1
    partial, 0 rejected; `completed` 0 where the outcome does not mention the recommendation (points
    and quality are then 0 and count for nothing but reliability). `quality` is 0..100 in tenths
    (0..1000). `timely` 1 where it came within the configured time of its workflow's first one.
    `agreed` 1 where another agent recommended the same content for the same type in the same
    workflow; `confident` 1 where the stated confidence is at or above the configured bar. `second`
    is the time in whole seconds since 1970. `evaluator` is who recorded the outcome. `ease_millis`
    says in thousandths how much better (above 0) or worse the other agents did in this workflow
    than their standing let expect, -1000..1000; 0 where that is not known.
    """

    at: Timestamp
    day: int
    second: int
    recommendation_id: str
    workflow_id: str
    agent_id: str
    recommendation_type: str
    completed: int
    points: int
    quality: int
    timely: int
    agreed: int
    confident: int
    confidence_millis: int
    evaluator: str = ""
    ease_millis: int = 0


@dataclass(frozen=True, slots=True)
class PromptEvidence:
    """One row of the prompts log: a request whose caller stated the pattern.

    `words` are hashes of the prompt's words (see learning/labels); the prompt itself is not kept.
    `caller` is a hash of who asked (see learning/labellers).
    """

    at: Timestamp
    request_id: str
    pattern: str
    words: str
    caller: str


Evidence = RatingEvidence | OutcomeEvidence | PromptEvidence
"""A row of one of the logs of evidence."""


ROUTING_DECISIONS = Collection(
    "routing_decisions",
    RoutingDecision,
    queries=(Query((), "decided_at"),),
    columns=("provider", "model", "pattern"),
)
FEEDBACK = Collection(
    "feedback",
    Feedback,
    queries=(Query(("user_id",), "updated_at"),),
    columns=("request_id", "user_id", "updated_at"),
)
AGENTS = Collection("agents", Agent, queries=(Query((), "id"),))
RECOMMENDATIONS = Collection(
    "recommendations",
    Recommendation,
    queries=(Query(("workflow_id",), "created_at"), Query(("agent_id",), "created_at")),
    columns=("agent_id", "status", "recommendation_type"),
)
OUTCOMES = Collection("outcomes", Outcome, columns=("recorded_at",))
CONVERSATIONS = Collection("conversation_counts", ConversationCount)
