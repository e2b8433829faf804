"""Commands and answers of the serve function that read: policy, metrics, boosts and knowledge."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from shared.domain.learning.config import ModelField
from shared.domain.learning.explain_routing import ExplainedRow
from shared.domain.times import Timestamp
from shared.messages.base import NOT_BLANK, Answer, Command, Name, PageParams, QueryParams

MAX_FOUND = 50

_SEARCH_EXAMPLE: JsonDict = {"text": "reissue an invoice", "limit": 5}


class ListedModel(Answer):
    """A model of the catalogue with its list price in USD per million tokens."""

    provider: str
    model: str
    usd_per_m_input: float
    usd_per_m_output: float


class PolicyParams(PageParams):
    """Which rows of the routing table."""

    pattern: Name | None = Field(default=None, description="Only the row of this pattern.")


class StatedPattern(Answer):
    """A pattern that callers state, and how many of its prompts count; old ones count less."""

    pattern: str
    prompts: int


class PatternsTold(Answer):
    """How prompts that state no pattern are told apart.

    `patterns` are those with enough labelled prompts. What these teach answers only where it is
    proven: `said` prompts that it had not seen were told surely enough, a share of `right` rightly;
    `speaks` is false, and the shipped rules answer alone, as long as that is not enough.
    """

    in_words: str
    speaks: bool
    patterns: list[StatedPattern]
    said: int
    right: float | None


class PolicyView(Answer):
    """The routing table in use: a page of its rows, in order of pattern, in words and figures.

    `snapshot_id` null: no run has been applied yet, and the default answers everything.
    `unreadable_snapshot_id` names a snapshot that should be current but cannot be read; the one
    before stays in use. `as_of` is the day of the newest evidence. `rows_total` counts the rows
    of all pages, `next_cursor` is null on the last.
    """

    snapshot_id: str | None
    since: Timestamp | None
    as_of: str | None
    unreadable_snapshot_id: str | None
    default_model: ModelField | None
    exploration_rate: float
    patterns_told: PatternsTold
    models: list[ListedModel]
    rows: list[ExplainedRow]
    rows_total: int
    next_cursor: str | None


class MetricsParams(QueryParams):
    """Which decisions to count."""

    window: str = Field(
        default="24h",
        pattern=r"^[1-9]\d{0,2}[mhd]$",
        description="How far back: minutes, hours or days, for example 30m, 24h, 7d.",
    )


class RoutingFigures(Answer):
    """Figures over some decisions.

    Costs in USD: what was paid where that is known, the estimate of the prompt else, over the
    `priced` decisions that have both a cost and a baseline; failed ones are not priced.
    `savings_usd` is the baseline less the cost, negative where routing cost more.
    """

    decisions: int = 0
    completed: int = 0
    failed: int = 0
    explored: int = 0
    fallbacks: int = 0
    priced: int = 0
    cost_usd: float = 0.0
    baseline_cost_usd: float = 0.0
    savings_usd: float = 0.0
    mean_latency_ms: float | None = None


class ModelMetrics(RoutingFigures):
    """Figures of one model."""

    provider: str
    model: str


class PatternMetrics(RoutingFigures):
    """Figures of one pattern."""

    pattern: str


class RoutingMetrics(RoutingFigures):
    """Figures of the newest decisions within the window.

    Counted from the decision log when asked. `truncated` is true where the window holds more
    decisions than are read (10,000); the figures are then those since `oldest`.
    `explored_share` is null without decisions.
    """

    window: str
    truncated: bool
    oldest: Timestamp | None
    explored_share: float | None
    savings_share: float | None
    by_model: list[ModelMetrics]
    by_pattern: list[PatternMetrics]


class BoostParams(QueryParams):
    """Which recommendations of the agent are meant."""

    recommendation_type: str = Field(
        default="", max_length=200, description="Empty: over all of the agent's types."
    )


class BoostAnswer(Answer):
    """How much an agent's recommendations should count.

    `boost` −0.5..+0.5, 0 without evidence; `trust` 0..1; `n` the settled recommendations behind it.
    """

    agent_id: str
    recommendation_type: str
    boost: float
    priority: Literal["CRITICAL", "NORMAL", "LOW"]
    trust: float
    n: int
    disabled: bool
    reason: str
    snapshot_id: str | None


class SearchRequest(Command):
    """Find published knowledge."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SEARCH_EXAMPLE]})

    text: Annotated[str, Field(max_length=10_000), NOT_BLANK] = Field(
        description="What to look for."
    )
    limit: int = Field(default=10, ge=1, le=MAX_FOUND, description="How many items at most.")
    tags: list[Name] = Field(default_factory=list, max_length=50, description="All must be there.")
    topic: Name | None = Field(default=None, description="Only of this topic.")


class FoundEntry(Answer):
    """A published revision. `score` is positive, higher is better; only its order means something.

    `highlights` are passages with **matches** marked.
    """

    entry_id: str
    revision: int
    score: float
    topic: str
    content: str
    tags: list[str]
    confidence_score: float
    highlights: list[str]


class RoutingInfo(Answer):
    """How a search was answered: by which `tier` of the engine and why, and out of how many."""

    tier: str
    reason: str
    latency_ms: float
    candidates: int
    withheld: int


class SearchAnswer(Answer):
    """What was found, best first, at which version of the knowledge base."""

    items: list[FoundEntry]
    knowledge_version: int
    routing_info: RoutingInfo
