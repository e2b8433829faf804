"""Commands, queries and answers of monitoring: measurements, alerts, versions, figures."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

from shared.domain.alerts import RuleName
from shared.domain.operations import AlertState, Severity
from shared.domain.times import Timestamp
from shared.messages.base import NO_NUL, Answer, Command, Name, PageParams, QueryParams

MAX_POINTS = 500

LARGEST = 1e30
"""Beyond this a measurement is none; sums and charts of what is below stay numbers."""

Label = Annotated[str, Field(max_length=200), NO_NUL]

_POINT_EXAMPLE: dict[str, JsonValue] = {
    "model": "router",
    "version": "2026-01-05",
    "name": "latency_ms",
    "value": 12.5,
    "labels": {"region": "eu"},
}


class AlertView(Answer):
    """A rule that fired.

    `key` names what it is about, `runbook` where its remedy is written. `updated_at` is when its
    summary, severity or state last changed.
    """

    alert_id: str
    rule: str
    key: str
    severity: Severity
    state: AlertState
    summary: str
    evidence: dict[str, JsonValue] = Field(default_factory=dict)
    runbook: str
    raised_at: Timestamp
    updated_at: Timestamp
    acknowledged_by: str | None = None
    resolved_at: Timestamp | None = None


class MetricValue(Command):
    """One measurement of a model."""

    model_config = ConfigDict(json_schema_extra={"examples": [_POINT_EXAMPLE]})

    model: Name = Field(description="Which model was measured.")
    version: Name = Field(description="Which version of it.")
    name: Name = Field(description="What was measured, for example latency_ms.")
    value: float = Field(
        ge=-LARGEST, le=LARGEST, description="The measurement; at most 1e30 either way."
    )
    labels: dict[Label, Label] = Field(
        default_factory=dict, max_length=20, description="Anything to tell points apart by."
    )


def _one_or_many(schema: dict[str, Any]) -> None:
    """Documents the body as one point or a list of them."""
    point = schema["properties"]["points"]["items"]
    many = {name: schema.pop(name) for name in ("type", "properties", "required")}
    schema.pop("additionalProperties", None)
    schema["anyOf"] = [{**many, "additionalProperties": False}, point]
    schema["examples"] = [{"points": [_POINT_EXAMPLE]}, _POINT_EXAMPLE]


class LogMetrics(Command):
    """Log measurements: `{"points": [...]}` with up to 500, or a single point.

    A problem with a single point is told at `/points/0/…`.
    """

    model_config = ConfigDict(json_schema_extra=_one_or_many)

    points: list[MetricValue] = Field(min_length=1, max_length=MAX_POINTS)

    @model_validator(mode="before")
    @classmethod
    def _single(cls, data: object) -> object:
        return {"points": [data]} if isinstance(data, dict) and "points" not in data else data


class MetricsLogged(Answer):
    """How many points were stored; `batch_id` is how their ids start."""

    accepted: int
    batch_id: str


class StatsQuery(QueryParams):
    """Which measurements to sum up."""

    window: str = Field(
        default="1h",
        pattern=r"^[1-9][0-9]{0,4}[mhd]$",
        description="How far back: minutes, hours or days, for example 15m, 1h, 7d; at most 30d.",
    )
    name: str | None = Field(default=None, max_length=200, description="Only this measurement.")
    model: str | None = Field(default=None, max_length=200, description="Only this model.")


class SeriesStats(Answer):
    """Figures of one series; percentiles are linear between neighbouring values."""

    name: str
    model: str
    version: str
    count: int
    mean: float
    min: float
    max: float
    p50: float
    p95: float
    p99: float


class MetricStats(Answer):
    """Figures of each series, in order of name, model and version.

    `truncated` says that there are more points than were read: the newest `points` were.
    """

    window: str
    since: Timestamp
    points: int
    truncated: bool
    series: list[SeriesStats]


class AlertsQuery(PageParams):
    """Which alerts to list, newest first."""

    state: AlertState | None = Field(default=None, description="Only in this state.")
    severity: Severity | None = Field(default=None, description="Only of this severity.")


class RuleView(Answer):
    """An alert rule; it fires at `threshold` (in `unit`) and beyond."""

    rule: RuleName
    description: str
    severity: Severity
    threshold: float
    unit: str
    enabled: bool
    runbook: str


class AlertRules(Answer):
    """Every alert rule."""

    items: list[RuleView]


class ChangeRule(Command):
    """Change one rule; what is left out stays as it is."""

    rule: RuleName = Field(description="Which rule.")
    threshold: float | None = Field(default=None, ge=0, description="When it fires.")
    severity: Severity | None = Field(default=None, description="Of its alerts.")
    enabled: bool | None = Field(default=None, description="Whether it raises alerts.")


class ChangeRules(Command):
    """Change alert rules of the workspace."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"rules": [{"rule": "oldest_pending", "threshold": 7200}]}]}
    )

    rules: list[ChangeRule] = Field(min_length=1, max_length=50)


class SnapshotVersion(Answer):
    """A version of what was learned. `metrics` are its run's figures."""

    snapshot_id: str
    parent_id: str | None
    run_id: str
    created_at: Timestamp
    current: bool
    current_since: Timestamp | None
    metrics: dict[str, JsonValue]


class ModelVersion(Answer):
    """A model that is configured, or that sent measurements.

    `version` is None where it is only configured; `provider` where it is only measured.
    """

    model: str
    version: str | None
    provider: str | None
    points: int
    last_seen: Timestamp | None


class ModelVersions(Answer):
    """Versions of what was learned, newest first, and the models around.

    `models` looks at the newest 5,000 measurements.
    """

    items: list[SnapshotVersion]
    next_cursor: str | None
    current_id: str | None
    current_since: Timestamp | None
    models: list[ModelVersion]


class RoutePerformance(Answer):
    """One route's figures; percentiles are estimated from the histogram of /metrics."""

    function: str
    method: str
    route: str
    requests: int
    error_share: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class SearchPerformance(Answer):
    """One search tier's figures; `hit_rate` is the share of its searches that found anything."""

    tier: str
    searches: int
    hit_rate: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class PerformanceView(Answer):
    """Figures of the answering process since its start, not of the whole system."""

    scope: Literal["this process"] = "this process"
    since: Timestamp
    routes: list[RoutePerformance]
    search_tiers: list[SearchPerformance]


class SystemInfo(Answer):
    """What runs. `configuration` has every setting but secrets; those are only said to be set."""

    version: str
    commit: str | None
    python: str
    backend: str
    started_at: Timestamp
    configuration: dict[str, JsonValue]


class ChecksRun(Answer):
    """What a look at the alert rules with a threshold found.

    `open` counts the alerts of these rules after it, `resolved` those that it closed. What is not
    told by a threshold, as a fall of quality or a model that changed, is looked at as well and
    counted in neither.
    """

    workspaces: int
    open: int
    resolved: int
    largest_index_bytes: int = 0
