-- The first schema. One table a collection: the fields that are asked for as columns, the whole record as JSON in `doc`.

CREATE TABLE workspaces (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE api_keys (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    created_at TEXT NOT NULL,
    key_id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX api_keys_by_tenant_created_at ON api_keys (workspace, tenant, created_at, id);

CREATE TABLE workspace_settings (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE sign_in_codes (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX sign_in_codes_expiring ON sign_in_codes (expires_at);

CREATE TABLE entries (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    submitted_at TEXT NOT NULL,
    confidence_score REAL NOT NULL,
    topic TEXT NOT NULL,
    submitter TEXT NOT NULL,
    tags TEXT NOT NULL,
    due_at TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    decided_at TEXT,
    risk REAL NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
);
-- The queue is walked along these; topic and submitter are in them so that filters on them need not open the rows.
CREATE INDEX entries_by_state_submitted_at ON entries (workspace, state, submitted_at, id, topic, submitter);
CREATE INDEX entries_by_state_confidence_score ON entries (workspace, state, confidence_score, id, topic, submitter);
CREATE INDEX entries_by_state_due_at ON entries (workspace, state, due_at, id, topic, submitter);

CREATE TABLE revisions (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX revisions_by_entry_id_revision ON revisions (workspace, entry_id, revision, id);

CREATE TABLE decisions (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    decided_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX decisions_by_entry_id_revision ON decisions (workspace, entry_id, revision, id);

CREATE TABLE content_keys (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE near_bands (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE knowledge_heads (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE publications (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    entry_id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX publications_by_version ON publications (workspace, version, id);
CREATE INDEX publications_by_entry_id_version ON publications (workspace, entry_id, version, id);

CREATE TABLE queued_publications (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    queued_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX queued_publications_by_queued_at ON queued_publications (workspace, queued_at, id);

CREATE TABLE shown_revisions (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE routing_decisions (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    pattern TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX routing_decisions_by_decided_at ON routing_decisions (workspace, decided_at, id);

CREATE TABLE feedback (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX feedback_by_user_id_updated_at ON feedback (workspace, user_id, updated_at, id);

CREATE TABLE raters (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    last_rated_at TEXT NOT NULL,
    unsettled INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX raters_by_state_last_rated_at ON raters (workspace, state, last_rated_at, id);
CREATE INDEX raters_by_unsettled_last_rated_at ON raters (workspace, unsettled, last_rated_at, id);

CREATE TABLE agents (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE recommendations (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    workflow_id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    status TEXT,
    recommendation_type TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX recommendations_by_workflow_id_created_at ON recommendations (workspace, workflow_id, created_at, id);
CREATE INDEX recommendations_by_agent_id_created_at ON recommendations (workspace, agent_id, created_at, id);

CREATE TABLE outcomes (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE conversation_counts (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE training_runs (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    status TEXT NOT NULL,
    dry_run INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX training_runs_by_requested_at ON training_runs (workspace, requested_at, id);

CREATE TABLE snapshots (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX snapshots_by_created_at ON snapshots (workspace, created_at, id);

CREATE TABLE learning_heads (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE performance (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    snapshot_id TEXT NOT NULL,
    pattern TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    n INTEGER NOT NULL,
    mean_quality REAL NOT NULL,
    correctness REAL NOT NULL,
    mean_cost_usd REAL,
    tier TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE trust_rows (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    recommendation_type TEXT NOT NULL,
    overall REAL NOT NULL,
    n INTEGER NOT NULL,
    snapshot_id TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE pattern_rows (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    category TEXT NOT NULL,
    success_rate REAL NOT NULL,
    n INTEGER NOT NULL,
    snapshot_id TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE drift_groups (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    pattern TEXT NOT NULL,
    status TEXT NOT NULL,
    unsettled INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX drift_groups_by_pattern ON drift_groups (workspace, pattern, id);
CREATE INDEX drift_groups_by_unsettled_pattern ON drift_groups (workspace, unsettled, pattern, id);

CREATE TABLE drift_changes (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    place INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX drift_changes_by_place ON drift_changes (workspace, place, id);

CREATE TABLE drift_proofs (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    place INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX drift_proofs_by_place ON drift_proofs (workspace, place, id);

CREATE TABLE drift_heads (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE trials (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    started_at TEXT NOT NULL,
    state TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX trials_by_kind_started_at ON trials (workspace, kind, started_at, id);

CREATE TABLE trial_units (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX trial_units_expiring ON trial_units (expires_at);

CREATE TABLE idempotency_keys (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_expiring ON idempotency_keys (expires_at);

CREATE TABLE consumed_events (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX consumed_events_expiring ON consumed_events (expires_at);

CREATE TABLE deliveries (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    next_attempt_at TEXT NOT NULL,
    tenant TEXT NOT NULL,
    consumer TEXT NOT NULL,
    event_type TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX deliveries_by_state_next_attempt_at ON deliveries (workspace, state, next_attempt_at, id);
CREATE INDEX deliveries_by_state_tenant_next_attempt_at ON deliveries (workspace, state, tenant, next_attempt_at, id);

CREATE TABLE ticks (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    job TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX ticks_by_job_taken_at ON ticks (workspace, job, taken_at, id);
CREATE INDEX ticks_expiring ON ticks (expires_at);

CREATE TABLE job_states (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE export_marks (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE restores (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE metric_points (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    at TEXT NOT NULL,
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX metric_points_by_at ON metric_points (workspace, at, id);
CREATE INDEX metric_points_by_name_at ON metric_points (workspace, name, at, id);
CREATE INDEX metric_points_expiring ON metric_points (expires_at);

CREATE TABLE alerts (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    raised_at TEXT NOT NULL,
    state TEXT NOT NULL,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX alerts_by_raised_at ON alerts (workspace, raised_at, id);
CREATE INDEX alerts_by_state_raised_at ON alerts (workspace, state, raised_at, id);

CREATE TABLE alert_keys (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

CREATE TABLE alert_rules (
    workspace TEXT NOT NULL,
    id TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITHOUT ROWID;

-- Append-only; rows are signed, nothing is updated.
CREATE TABLE evidence_ratings (
    workspace TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    day INTEGER NOT NULL,
    feedback_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    rater TEXT NOT NULL,
    pattern TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    snapshot_id TEXT NOT NULL,
    sign INTEGER NOT NULL,
    quality INTEGER NOT NULL,
    correct INTEGER NOT NULL,
    cost_nanousd INTEGER NOT NULL,
    costed INTEGER NOT NULL,
    latency_ms INTEGER NOT NULL,
    timed INTEGER NOT NULL,
    propensity REAL NOT NULL,
    cell TEXT NOT NULL,
    weight INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    tokened INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    arm TEXT NOT NULL,
    bundle INTEGER NOT NULL,
    PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;

CREATE TABLE evidence_outcomes (
    workspace TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    day INTEGER NOT NULL,
    second INTEGER NOT NULL,
    recommendation_id TEXT NOT NULL,
    workflow_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    recommendation_type TEXT NOT NULL,
    completed INTEGER NOT NULL,
    points INTEGER NOT NULL,
    quality INTEGER NOT NULL,
    timely INTEGER NOT NULL,
    agreed INTEGER NOT NULL,
    confident INTEGER NOT NULL,
    confidence_millis INTEGER NOT NULL,
    evaluator TEXT NOT NULL,
    ease_millis INTEGER NOT NULL,
    PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;

CREATE TABLE evidence_prompts (
    workspace TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    request_id TEXT NOT NULL,
    pattern TEXT NOT NULL,
    words TEXT NOT NULL,
    caller TEXT NOT NULL,
    PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;

CREATE TABLE audit_log (
    workspace TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    data TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;
CREATE INDEX audit_log_by_subject ON audit_log (workspace, subject, seq);
CREATE INDEX audit_log_by_actor ON audit_log (workspace, actor, seq);
CREATE INDEX audit_log_by_action ON audit_log (workspace, action, seq);

CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    workspace TEXT NOT NULL,
    doc TEXT NOT NULL
);

CREATE TABLE counters (
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    field TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (workspace, name, field)
) WITHOUT ROWID;

-- What an operator looks for when opening the file.
CREATE VIEW kb_entries AS
SELECT workspace, id AS entry_id, revision, state, topic, doc ->> 'content' AS content, confidence_score, risk, tags,
       submitter, submitted_at, decided_at, doc ->> 'published_revision' AS published_revision
FROM entries;

CREATE VIEW response_feedback AS
SELECT workspace, doc ->> '$.rating.feedback_id' AS feedback_id, request_id, user_id, doc ->> 'pattern' AS pattern,
       doc ->> 'provider' AS provider, doc ->> 'model' AS model, doc ->> '$.rating.quality_score' AS quality_score,
       doc ->> '$.rating.is_correct' AS is_correct, doc ->> '$.rating.is_helpful' AS is_helpful,
       doc ->> '$.rating.comment' AS comment, doc ->> '$.rating.rated_at' AS rated_at
FROM feedback;

CREATE VIEW model_performance_history AS
SELECT workspace, snapshot_id, pattern, provider, model, n, mean_quality, correctness, mean_cost_usd, tier, recorded_at
FROM performance;

CREATE VIEW agent_recommendations AS
SELECT workspace, id AS recommendation_id, agent_id, doc ->> 'agent_name' AS agent_name, workflow_id,
       doc ->> 'correlation_id' AS correlation_id, recommendation_type, doc ->> 'content' AS content,
       doc ->> 'confidence_score' AS confidence_score, status, doc ->> 'quality_score' AS quality_score, created_at,
       doc ->> 'settled_at' AS settled_at
FROM recommendations;

CREATE VIEW agent_trust_scores AS
SELECT workspace, agent_id, recommendation_type, overall, n, doc ->> '$.card.accuracy' AS accuracy,
       doc ->> '$.card.consistency' AS consistency, doc ->> '$.card.timeliness' AS timeliness,
       doc ->> '$.card.reliability' AS reliability, doc ->> '$.card.trend' AS trend, snapshot_id, updated_at
FROM trust_rows;

CREATE VIEW recommendation_patterns AS
SELECT workspace, id AS pattern_key, category, success_rate, n, doc ->> '$.card.words' AS words, snapshot_id, updated_at
FROM pattern_rows;
