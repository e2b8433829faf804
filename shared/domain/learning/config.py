"""What an operator may set about learning; every rule reads its numbers from here.

The configuration is part of each snapshot, because a snapshot is a function of (evidence,
configuration).
"""

from typing import Annotated, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
)

from shared.domain.records import Unit


class ModelId(NamedTuple):
    """A model as a provider offers it; the same model name at two providers is two models."""

    provider: str
    model: str

    def __str__(self) -> str:
        """Returns `provider/model`."""
        return f"{self.provider}/{self.model}"


def _as_object(model: ModelId) -> dict[str, str]:
    return {"provider": model.provider, "model": model.model}


ModelField = Annotated[ModelId, PlainSerializer(_as_object, return_type=dict[str, str])]
"""A ModelId that is written to JSON as {"provider", "model"}."""


class Settings(BaseModel):
    """Base of the groups below: immutable, and a misspelt name is refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )


class TierRule(Settings):
    """What a group of ratings must show to reach a tier; its means are judged by lower bounds."""

    n: float = Field(ge=1, description="Least effective number of ratings.")
    quality: float = Field(ge=1, le=5, description="Bar for the mean quality, 1..5.")
    correctness: Unit = Field(description="Bar for the share of correct answers, 0..1.")


class TrustConfig(Settings):
    """How agents earn trust."""

    disable_below: Unit = Field(
        default=0.3, description="An agent whose overall trust is below this is disabled."
    )
    min_n: float = Field(
        default=10,
        ge=1,
        description="Least outcomes before an agent is disabled or its moves are told.",
    )
    timely_within_s: int = Field(
        default=300,
        ge=1,
        description="A recommendation is timely within this of its workflow's first one, seconds.",
    )
    confident_at: Unit = Field(
        default=0.8, description="Stated confidence from which a recommendation is confident."
    )
    prior_strength: float = Field(
        default=5,
        gt=0,
        le=1000,
        description="How many imagined outcomes at 0.5 each score starts with.",
    )
    priority_above: float = Field(
        default=0.2, gt=0, le=0.5, description="Boost above which the priority is CRITICAL."
    )
    priority_below: float = Field(
        default=-0.2, ge=-0.5, lt=0, description="Boost below which the priority is LOW."
    )
    trend_alpha: float = Field(
        default=0.05,
        gt=0,
        le=0.5,
        description="Two-sided false-alarm rate of calling a level agent moving.",
    )
    trend_min_n: float = Field(
        default=10, ge=4, description="Least effective outcomes before a trend is tested."
    )


class PatternConfig(Settings):
    """When a regularity in the outcomes is worth stating."""

    min_support: float = Field(
        default=10, ge=2, description="Least effective outcomes before a pattern is tried."
    )
    false_discovery_rate: float = Field(
        default=0.10,
        gt=0,
        lt=1,
        description="Share of false ones tolerated among the patterns that are stated.",
    )
    expert_above: Unit = Field(
        default=0.75, description="An expert is right more often than this in a type."
    )
    confidence_level: float = Field(
        default=0.95, gt=0.5, lt=1, description="One-sided level of the bounds."
    )


class RegressionConfig(Settings):
    """When quality after a run counts as fallen."""

    drop: float = Field(
        default=0.10, gt=0, lt=1, description="Least relative fall of the mean quality."
    )
    alpha: float = Field(
        default=0.01, gt=0, lt=0.5, description="One-sided false-alarm rate of the test."
    )
    min_n: int = Field(default=20, ge=2, description="Least ratings before and after.")


class BeliefConfig(Settings):
    """What is thought of a model before, and how fast evidence takes over."""

    prior_value: Unit = Field(
        default=0.5, description="Value, 0..1, that a new model is thought to have."
    )
    prior_weight: float = Field(
        default=10, gt=0, le=10_000, description="How many ratings that thought is worth."
    )
    strength: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        description="How many ratings a model's standing elsewhere is worth in a pattern; "
        "null: estimated from the evidence, 100 before there is any.",
    )
    neighbourhoods: bool = Field(
        default=True,
        description="Whether prompts of words, of some and of many figures are told apart.",
    )
    neighbourhood_strength: float = Field(
        default=100,
        gt=0,
        le=100_000,
        description="How many ratings what a neighbourhood does to all models is worth for one.",
    )
    new_until: float = Field(
        default=15,
        ge=0,
        description="A model with fewer ratings is new: a fifth of the draws goes to new models.",
    )
    boldness: float = Field(
        default=0.8,
        gt=0,
        le=3,
        description="Factor on the uncertainty that exploring draws from: 1 is Thompson sampling.",
    )


class DriftConfig(Settings):
    """When a model counts as changed, and what becomes of what was known of it."""

    false_alarm_rate: float = Field(
        default=0.0001,
        ge=0,
        le=0.01,
        description="False alarms that are expected for each rating, at most, while nothing "
        "changes: 0.0001 is one in 10,000 ratings. 0 looks for no changes.",
    )
    min_change: Unit = Field(
        default=0.05, description="Least change of the mean value, 0..1, that is told."
    )
    keep: float = Field(
        default=8,
        ge=0,
        le=10_000,
        description="How many ratings all those before a change count as together, at most.",
    )
    explore: Unit = Field(
        default=0.5,
        description="Least exploration rate of a pattern while a change in it is new.",
    )
    new_for_days: int = Field(
        default=7, ge=0, le=365, description="How long a change is new, in days of evidence."
    )


class OffPolicyConfig(Settings):
    """When logged traffic says enough about another policy."""

    min_effective: float = Field(
        default=50, ge=2, description="Least effective number of sessions that agree with it."
    )
    min_support: Unit = Field(
        default=0.95, description="Least share of traffic that tried by chance what it takes."
    )


class RaterConfig(Settings):
    """Whose ratings count, and how much; see raters.py."""

    judging: bool = Field(
        default=True, description="Whether raters are told apart; false: all count in full."
    )
    per_day: int = Field(default=200, ge=1, description="Ratings of one rater that count a day.")
    per_model_day: int = Field(
        default=100, ge=1, description="Ratings of one model by one rater that count a day."
    )
    per_burst: int = Field(default=40, ge=1, description="Ratings of one rater that count a burst.")
    burst_s: int = Field(default=600, ge=1, description="How long a burst is, seconds.")
    proven_after: int = Field(
        default=10, ge=0, description="Ratings until a rater is no newcomer any more."
    )
    proven_days: int = Field(
        default=2, ge=0, description="Days of ratings until a rater is no newcomer any more."
    )
    tolerance: float = Field(
        default=0.15,
        ge=0,
        lt=0.5,
        description="How far from what is expected an honest rater's habit may be, 0..1 value.",
    )
    doubt_after: int = Field(
        default=1000,
        ge=10,
        description="Ratings until an honest rater is falsely doubted, on average at least.",
    )
    token_hours: float = Field(
        default=168, gt=0, le=8760, description="How long an answer's rating token is good."
    )
    push_raters: int = Field(
        default=3, ge=2, description="Least raters that can push a model together."
    )
    push_tolerance: float = Field(
        default=0.05,
        ge=0,
        lt=0.5,
        description="How far all newcomers may be from the others, as habits even out in many; and "
        "how much more than another model somebody's habit may favour one, 0..1 value.",
    )
    push_alpha: float = Field(
        default=0.0001,
        gt=0,
        lt=0.5,
        description="How likely honest raters are ever said to push a model, at most.",
    )
    set_aside: Literal["never", "pushes", "all"] = Field(
        default="pushes",
        description="Who is set aside without a person: nobody, those who push together, or all "
        "who are doubted as well.",
    )
    least_raters: int = Field(
        default=10, ge=1, description="Where fewer people rate, nobody is set aside by itself."
    )


class LabelConfig(Settings):
    """How patterns are learned from requests that state theirs."""

    learn: bool = Field(
        default=True,
        description="Whether requests that state their pattern teach which prompts are of it. "
        "Hashes of their words are kept, never the prompts.",
    )


class LearningConfig(Settings):
    """Everything that learning can be told. The defaults are the product's promises.

    `confidence_level` is one-sided and 0.80 on purpose: a rating's cost is small and a wrong switch
    is undone by the next run, while at 0.95 even ten correct answers of ten would prove no more
    than 0.79 (Wilson) and no group could be HIGH at the promised n of 10. At 0.80 ten of ten prove
    0.93, nine of ten prove 0.79.
    """

    high: TierRule = TierRule(n=10, quality=4.0, correctness=0.80)
    medium: TierRule = TierRule(n=5, quality=3.5, correctness=0.70)
    confidence_level: float = Field(
        default=0.80, ge=0.5, lt=1, description="One-sided level of the lower bounds."
    )
    half_life_days: float = Field(
        default=30,
        ge=1,
        le=3650,
        description="A rating counts half as much as one that is this many days newer.",
    )
    exploration_rate: Unit = Field(
        default=0.05,
        description="Share of requests whose model is drawn, each as often as it may be the best.",
    )
    quality_margin: Unit = Field(
        default=0.03,
        description="How far below the best a cheaper model may prove, on the 0..1 value.",
    )
    default_model: ModelField | None = Field(
        default=None,
        description="What answers where nothing has qualified; null: the first candidate.",
    )
    labels: LabelConfig = LabelConfig()
    beliefs: BeliefConfig = BeliefConfig()
    raters: RaterConfig = RaterConfig()
    drift: DriftConfig = DriftConfig()
    off_policy: OffPolicyConfig = OffPolicyConfig()
    trust: TrustConfig = TrustConfig()
    patterns: PatternConfig = PatternConfig()
    regression: RegressionConfig = RegressionConfig()

    @field_validator("high", "medium", mode="before")
    @classmethod
    def _whole_rule(cls, given: object, field: ValidationInfo) -> object:
        """Fills what a tier leaves out from its default, so that one bar can be set by itself."""
        if not isinstance(given, dict) or field.field_name is None:
            return given
        default: TierRule = cls.model_fields[field.field_name].default
        return {**default.model_dump(), **given}
