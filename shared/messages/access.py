"""Commands and answers about a workspace's settings and its API keys."""

from pydantic import ConfigDict, Field

from shared.domain.access import LearningMode, Scope
from shared.domain.records import Unit
from shared.domain.times import Timestamp
from shared.messages.base import Answer, Command, Moment, Name


class SettingsView(Answer):
    """What an operator may change without a deployment; see PUT /v1/settings."""

    mode: LearningMode
    learning_stopped: bool
    publishing_stopped: bool
    read_only: bool
    two_approvals_above_risk: float | None
    blind_review: bool
    auto_rollback: bool
    exploring: bool
    rating_tokens: bool
    answer_worth_usd: float | None
    quality_floor: float | None
    canary_share: float
    canary_min_hours: float
    canary_max_days: float
    canary_min_ratings: int
    runs_after_conversations: int
    runs_after_feedback: int
    hold: str | None


class ChangeSettings(Command):
    """Change settings of the workspace; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"mode": "manual", "two_approvals_above_risk": 0.7}]}
    )

    mode: LearningMode = Field(
        default="automatic",
        description="collect: no runs; manual: a person starts them; automatic: also the schedule.",
    )
    learning_stopped: bool = Field(default=False, description="Kill switch: no training runs.")
    publishing_stopped: bool = Field(default=False, description="Kill switch: nothing published.")
    read_only: bool = Field(default=False, description="Kill switch: only these settings change.")
    two_approvals_above_risk: Unit | None = Field(
        default=None, description="Above this risk an entry needs two people; null for never."
    )
    blind_review: bool = Field(
        default=False,
        description="The console hides who submitted, how sure they are and who else approved.",
    )
    auto_rollback: bool = Field(
        default=False, description="Roll back by itself where quality fell after a run."
    )
    exploring: bool = Field(
        default=True, description="False: no request tries another model than the policy's."
    )
    rating_tokens: bool = Field(
        default=False,
        description="Answers carry a token, and only who sends it back may rate them, once.",
    )
    answer_worth_usd: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        description="What a perfect answer is worth above a useless one, in USD: a dearer model is "
        "taken where its gain is worth its price. Works at once, without training; null: the "
        "cheapest model that holds up against the best.",
    )
    quality_floor: Unit | None = Field(
        default=None,
        description="Take the cheapest model that proves this value, 0..1; not together with "
        "answer_worth_usd. Works at once, without training.",
    )
    canary_share: float = Field(
        default=0.0,
        ge=0,
        le=0.9,
        description="Share of the traffic that tries what a run learned before all are served it; "
        "0: at once.",
    )
    canary_min_hours: float = Field(
        default=1.0, ge=0, le=2160, description="How long a canary runs at least before it wins."
    )
    canary_max_days: float = Field(
        default=14.0,
        gt=0,
        le=90,
        description="How long a canary runs at most; undecided then, what was current stays.",
    )
    canary_min_ratings: int = Field(
        default=30, ge=1, le=1_000_000, description="Ratings that a canary needs to win, at least."
    )
    runs_after_conversations: int = Field(
        default=10, ge=1, description="Every so many completed conversations ask for a run."
    )
    runs_after_feedback: int = Field(
        default=1000, ge=1, description="Every so many ratings ask for a run."
    )
    hold: None = Field(
        default=None, description="null lets automatic learning go on after a rollback."
    )


class CreateKey(Command):
    """Make an API key of this workspace."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "support agents", "scopes": ["submit", "serve", "feedback"]}]
        }
    )

    name: Name = Field(description="What it is for.")
    scopes: list[Scope] = Field(min_length=1, max_length=6, description="What it allows.")
    expires_at: Moment | None = Field(
        default=None, description="When it stops working, RFC 3339; never where left out."
    )
    rate_per_minute: int | None = Field(
        default=60, ge=1, le=1_000_000, description="Requests a minute; null for no limit."
    )


class KeyView(Answer):
    """An API key without its secret, which is stored nowhere."""

    key_id: str
    name: str
    scopes: list[Scope]
    created_at: Timestamp
    expires_at: Timestamp | None = None
    revoked_at: Timestamp | None = None
    rate_per_minute: int | None = None


class KeyCreated(KeyView):
    """A new API key. `secret` is shown this once; null where the request was a repeated one."""

    secret: str | None
