"""Commands and answers of the feedback function."""

from typing import Literal

from pydantic import ConfigDict, Field

from shared.domain.feedback import RecommendationStatus
from shared.domain.learning.raters import RaterState
from shared.domain.times import Timestamp
from shared.messages.base import Answer, Command, Identifier, Note, PageParams

MAX_SETTLED = 200
"""Recommendations that one outcome may name."""

MAX_CONVERSATIONS = 1000
"""Conversations that one call may report."""


class RecordFeedback(Command):
    """Rate the answer to one routed request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request_id": "req_0k5vq2m8x1c7d9e3f6ga",
                    "quality_score": 5,
                    "is_correct": True,
                    "is_helpful": True,
                    "comment": "Right, and with its source.",
                    "user_id": "ada",
                }
            ]
        }
    )

    request_id: Identifier = Field(description="The id that the route or complete call answered.")
    quality_score: int = Field(ge=1, le=5, description="1 (useless) to 5 (excellent).")
    is_correct: bool = Field(description="Whether the answer was right.")
    is_helpful: bool | None = Field(default=None, description="Whether it helped; null if unsaid.")
    comment: Note = Field(default="", description="Anything to add, at most 4,000 characters.")
    user_id: Identifier | None = Field(
        default=None,
        description="Who rates; the credential's subject if left out. One rating a user stands.",
    )
    session_id: Identifier | None = Field(default=None, description="The conversation it was in.")
    rating_token: str | None = Field(
        default=None,
        max_length=200,
        description="The token that came with the answer, where the workspace asks for it.",
    )


class FeedbackRecorded(Answer):
    """The rating's id. `replaced` is true where the same user had rated this request before.

    `counted` is false where learning leaves the rating out, and `reason` says why.
    """

    feedback_id: str
    status: Literal["recorded"] = "recorded"
    replaced: bool = False
    counted: bool = True
    reason: str | None = None


class RaterView(Answer):
    """What is known of one rater; `evidence` says in words what speaks against the ratings.

    `ratings`, `days` and the times are of ratings that counted when they came in, not of those
    beyond a cap or set aside.
    `residual` is how far the ratings are from what was expected of the answers, on average, on the
    value from 0 to 1; null before any could be held against an expectation. `settled` is false
    while evidence is still being taken back, or put back.
    """

    rater_id: str
    state: RaterState
    ratings: int
    days: int
    residual: float | None
    evidence: list[str]
    first_rated_at: Timestamp
    last_rated_at: Timestamp
    set_aside_by: str | None
    set_aside_at: Timestamp | None
    reason: str | None
    settled: bool


class RatersPage(PageParams):
    """Which raters."""

    state: RaterState | None = Field(
        default=None, description="new, proven, doubted or aside; all if left out."
    )


class JudgeRater(Command):
    """Set a rater aside, or put one back, and say why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "Rated from a script, said so."}]}
    )

    reason: Note = Field(min_length=1, description="Why; it is kept in the audit log.")


class SettledRecommendation(Command):
    """What became of one recommendation of the workflow."""

    recommendation_id: Identifier
    status: RecommendationStatus = Field(description="A partial approval counts half.")
    quality_score: float | None = Field(
        default=None, ge=0, le=100, description="0..100; the workflow's overall score if left out."
    )


class RecordOutcome(Command):
    """Evaluate a workflow, which settles its recommendations; once a workflow."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "workflow_id": "wf-118",
                    "overall_quality_score": 82.5,
                    "recommendations": [
                        {
                            "recommendation_id": "rec_0k5vq2m8x1c7d9e3f6ga",
                            "status": "approved",
                            "quality_score": 90,
                        }
                    ],
                    "feedback": "Renewed within the week.",
                }
            ]
        }
    )

    workflow_id: Identifier = Field(
        description="As its recommendations name it; it must have one at least."
    )
    overall_quality_score: float = Field(ge=0, le=100, description="0 (useless) to 100.")
    recommendations: list[SettledRecommendation] = Field(
        max_length=MAX_SETTLED,
        description="Those that were carried out or refused; "
        "the workflow's others count as missed.",
    )
    feedback: Note = Field(default="", description="Anything to add, at most 4,000 characters.")


class OutcomeRecorded(Answer):
    """What the outcome settled; `missed` are the workflow's recommendations that it left out."""

    outcome_id: str
    workflow_id: str
    status: Literal["recorded"] = "recorded"
    settled: list[str]
    missed: list[str]
    recorded_at: Timestamp


class CompleteConversations(Command):
    """Say that conversations came to their end."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"count": 1}]})

    count: int = Field(default=1, ge=1, le=MAX_CONVERSATIONS, description="How many.")


class ConversationsCompleted(Answer):
    """The count so far; `next_run_in` says how many are left before the next run is asked for."""

    completed: int
    next_run_in: int
    run_requested: bool


class RatedFigures(Answer):
    """Plain figures over standing ratings; means are null where there is none."""

    ratings: int
    mean_quality: float | None
    correctness: float | None
    mean_cost_usd: float | None


class ModelSummary(RatedFigures):
    """Ratings of one model over all patterns."""

    provider: str
    model: str


class PatternSummary(RatedFigures):
    """Ratings of one pattern of prompts over all models."""

    pattern: str


class FeedbackSummary(RatedFigures):
    """All ratings that stand; models and patterns in order of name."""

    by_model: list[ModelSummary]
    by_pattern: list[PatternSummary]
