"""What keeps the loop running.

Idempotency keys, events and their deliveries, schedule ticks, metrics, alerts.
"""

from typing import Literal

from pydantic import Field, JsonValue

from shared.domain.records import Collection, Query, Record
from shared.domain.times import Timestamp

Severity = Literal["critical", "warning", "info"]
AlertState = Literal["open", "acknowledged", "resolved"]


class IdempotencyRecord(Record):
    """The first answer to an Idempotency-Key; `id` is the SHA-256 of caller, route and key."""

    fingerprint: str
    body: str
    expires_at: Timestamp


class Consumed(Record):
    """Says that a consumer has handled an event; `id` is `<consumer>:<event_id>`."""

    expires_at: Timestamp


class Delivery(Record):
    """An event that a consumer has not handled at the first try.

    `id` is `<consumer>:<event_id>`.
    """

    consumer: str
    event_id: str
    event_type: str
    tenant: str
    event: str
    state: Literal["retrying", "dead"]
    attempts: int
    last_error: str
    next_attempt_at: Timestamp
    created_at: Timestamp


class Tick(Record):
    """Says that a scheduled tick was taken; `id` is `<job>:<tick time>`."""

    job: str
    taken_at: Timestamp
    expires_at: Timestamp


class JobState(Record):
    """What must be known of a scheduled job across processes; `id` is its name.

    `paused` where an operator holds it back. `held_by` names who does its work right now, until
    `held_until`: should that die, the next one takes over then.
    """

    paused: bool = False
    held_by: str | None = None
    held_until: Timestamp | None = None


class ExportMark(Record):
    """How far the evidence was handed to the feed of another system; `id` is `evidence`.

    `ratings` and `outcomes` are the last places of their logs that were. `checked_at` is when it
    was last looked what of it has arrived, or since when there is something to look for; None where
    all of it has. `due_ratings` and `due_outcomes` were the last places then, and must have arrived
    when it is looked again.
    """

    ratings: int = Field(default=0, ge=0)
    outcomes: int = Field(default=0, ge=0)
    due_ratings: int = Field(default=0, ge=0)
    due_outcomes: int = Field(default=0, ge=0)
    checked_at: Timestamp | None = None


class RestoreMark(Record):
    """Says that a backup is, or was, restored here; `id` is `restore`.

    `loaded` chunks of it have been, in the order of the manifest; `verified` once all of them were
    found equal. `finished_at` is None until what was under way then is done; nothing is served
    before.
    """

    backup_id: str
    started_at: Timestamp
    loaded: int = 0
    verified: bool = False
    finished_at: Timestamp | None = None


class MetricPoint(Record):
    """One logged measurement of a model."""

    model: str
    model_version: str
    name: str
    value: float
    labels: dict[str, str] = Field(default_factory=dict)
    at: Timestamp
    expires_at: Timestamp


class Alert(Record):
    """A rule that fired; `id` has the prefix `alr_`.

    `key` names what it is about: one open alert a key.
    """

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


class AlertKey(Record):
    """Points from an alert's key to the alert that is open for it.

    Deleted when that is resolved.
    """

    alert_id: str


class AlertRule(Record):
    """A threshold; `id` is the rule's name."""

    description: str
    severity: Severity
    threshold: float
    enabled: bool = True


IDEMPOTENCY = Collection("idempotency_keys", IdempotencyRecord, expires="expires_at")
CONSUMED = Collection("consumed_events", Consumed, expires="expires_at")
DELIVERIES = Collection(
    "deliveries",
    Delivery,
    queries=(Query(("state",), "next_attempt_at"), Query(("state", "tenant"), "next_attempt_at")),
    columns=("consumer", "event_type"),
)
TICKS = Collection("ticks", Tick, queries=(Query(("job",), "taken_at"),), expires="expires_at")
JOB_STATES = Collection("job_states", JobState)
EXPORT_MARKS = Collection("export_marks", ExportMark)
RESTORES = Collection("restores", RestoreMark)
RESTORE_ID = "restore"
METRIC_POINTS = Collection(
    "metric_points",
    MetricPoint,
    queries=(Query((), "at", narrow=("model",)), Query(("name",), "at", narrow=("model",))),
    expires="expires_at",
)
ALERTS = Collection(
    "alerts",
    Alert,
    queries=(
        Query((), "raised_at", narrow=("severity",)),
        Query(("state",), "raised_at", narrow=("rule", "severity")),
    ),
)
ALERT_KEYS = Collection("alert_keys", AlertKey)
ALERT_RULES = Collection("alert_rules", AlertRule, queries=(Query((), "id"),))
