"""Every collection there is.

A new one is listed here and gets a migration; a test holds the schema against this list.
"""

from typing import Any

from shared.domain import access, entries, feedback, operations
from shared.domain.knowledge import publication
from shared.domain.learning import changes, raters, runs, trials
from shared.domain.records import Collection

ALL: tuple[Collection[Any], ...] = (
    access.WORKSPACES,
    access.API_KEYS,
    access.SETTINGS,
    access.SIGN_IN_CODES,
    entries.ENTRIES,
    entries.REVISIONS,
    entries.DECISIONS,
    entries.CONTENT_KEYS,
    entries.NEAR_BANDS,
    publication.KNOWLEDGE_HEADS,
    publication.PUBLICATIONS,
    publication.QUEUED,
    publication.SHOWN,
    feedback.ROUTING_DECISIONS,
    feedback.FEEDBACK,
    raters.RATERS,
    feedback.AGENTS,
    feedback.RECOMMENDATIONS,
    feedback.OUTCOMES,
    feedback.CONVERSATIONS,
    runs.RUNS,
    runs.SNAPSHOTS,
    runs.LEARNING_HEADS,
    runs.PERFORMANCE,
    runs.TRUST_ROWS,
    runs.PATTERN_ROWS,
    changes.DRIFT_GROUPS,
    changes.DRIFT_CHANGES,
    changes.DRIFT_PROOFS,
    changes.DRIFT_HEADS,
    trials.TRIALS,
    trials.TRIAL_UNITS,
    operations.IDEMPOTENCY,
    operations.CONSUMED,
    operations.DELIVERIES,
    operations.TICKS,
    operations.JOB_STATES,
    operations.EXPORT_MARKS,
    operations.RESTORES,
    operations.METRIC_POINTS,
    operations.ALERTS,
    operations.ALERT_KEYS,
    operations.ALERT_RULES,
)
