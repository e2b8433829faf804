"""Commands and answers about canaries and experiments."""

from typing import Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from shared.domain.learning.trials import (
    Arm,
    Comparison,
    Guardrail,
    Metric,
    TrialKind,
    TrialState,
)
from shared.domain.times import Timestamp
from shared.messages.base import Answer, Command, Identifier, Name, Note


class EndCanary(Command):
    """Promote or revert the canary that runs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "looked at by hand"}]})

    reason: Note = Field(min_length=1, description="Why, for the record and for those told.")


class RevertCanary(EndCanary):
    """Revert the canary that runs."""

    quarantine: bool = Field(
        default=False, description="Also keep the snapshot from ever becoming current."
    )


class LiftQuarantine(Command):
    """Let a snapshot become current again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "the ratings came from one broken client"}]}
    )

    reason: Note = Field(min_length=1, description="Why, for the record.")


class QuarantineLifted(Answer):
    """The snapshot, and why it had been kept from becoming current."""

    snapshot_id: str
    quarantine: str


class TrialView(Answer):
    """A canary or an experiment.

    `state` is running; promoted, reverted or undecided for a canary; stopped (by a person or a
    guardrail) or ended (its time was up) for an experiment. `findings` compare each arm with the
    first one, as of `looked_at`: `low` and `high` hold the difference of the means in 95 % of all
    trials, at every look. `words` says them, `outcome` how it ended, and `receipt` has all that the
    outcome rests on.
    """

    trial_id: str
    kind: TrialKind
    state: TrialState
    name: str
    arms: list[Arm]
    metric: Metric
    guardrails: list[Guardrail]
    started_at: Timestamp
    started_by: str
    ends_at: Timestamp
    findings: list[Comparison]
    looked_at: Timestamp | None
    words: str
    ended_at: Timestamp | None
    ended_by: str | None
    outcome: str | None
    receipt: dict[str, JsonValue]


class CanaryStatus(Answer):
    """The canary that runs (null where none does), and the one before."""

    running: TrialView | None
    last: TrialView | None


class NewArm(Command):
    """A snapshot's policy, or one model."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$", description="How answers and figures name it."
    )
    share: float = Field(gt=0, le=1, description="Of the workspace's traffic.")
    snapshot_id: Identifier | None = Field(
        default=None, description="One of GET /v1/learning/snapshots, whose policy routes."
    )
    provider: Name | None = Field(
        default=None, description="With `model`: every request goes there."
    )
    model: Name | None = Field(default=None, description="With `provider`.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        models = (self.provider is not None) + (self.model is not None)
        if models == 1 or (self.snapshot_id is None) == (models == 0):
            msg = "give snapshot_id, or provider and model"
            raise ValueError(msg)
        return self


class StartExperiment(Command):
    """Share traffic out between policies or models, and compare them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "is the large model worth it",
                    "arms": [
                        {"name": "small", "share": 0.5, "provider": "local", "model": "small"},
                        {"name": "large", "share": 0.5, "provider": "other", "model": "large"},
                    ],
                    "metric": "quality",
                    "guardrails": [{"metric": "correctness", "limit": 0.05}],
                    "max_days": 14,
                }
            ]
        }
    )

    name: Name = Field(description="What is asked.")
    arms: list[NewArm] = Field(
        min_length=2, max_length=4, description="The first is what the others are held against."
    )
    metric: Metric = Field(default="quality", description="What decides.")
    guardrails: list[Guardrail] = Field(
        default_factory=list,
        max_length=4,
        description="Metrics that no arm may worsen by more than `limit` (relative to the first): "
        "shown to be worse, the experiment stops by itself.",
    )
    max_days: float = Field(default=14.0, gt=0, le=90, description="When it ends by itself.")


class StopExperiment(Command):
    """Stop an experiment: all traffic is served as without it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "we know enough"}]})

    reason: Note = Field(min_length=1, description="Why, for the record and for those told.")
