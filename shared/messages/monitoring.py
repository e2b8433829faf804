"""Commands, queries and answers of monitoring: measurements, alerts, versions, figures."""

from pydantic import Field, JsonValue

from shared.domain.operations import AlertState, Severity
from shared.domain.times import Timestamp
from shared.messages.base import Answer


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
