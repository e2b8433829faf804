-- The first schema. One table a collection: the fields that are asked for as columns, the whole record as JSON in `doc`,
-- as text, so that it is read back byte for byte. Words sort by code point, as everywhere else in the system.

CREATE TABLE workspaces (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE api_keys (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    created_at text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX api_keys_by_tenant_created_at ON api_keys (workspace, tenant, created_at, id);

CREATE TABLE workspace_settings (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE sign_in_codes (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    expires_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX sign_in_codes_expiring ON sign_in_codes (expires_at);

CREATE TABLE entries (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    submitted_at text COLLATE "C" NOT NULL,
    confidence_score double precision NOT NULL,
    topic text COLLATE "C" NOT NULL,
    submitter text COLLATE "C" NOT NULL,
    tags text[] COLLATE "C" NOT NULL,
    due_at text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    created_at text COLLATE "C" NOT NULL,
    decided_at text COLLATE "C",
    risk double precision NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
-- The queue is walked along these; topic and submitter are in them so that filters on them need not open the rows.
CREATE INDEX entries_by_state_submitted_at ON entries (workspace, state, submitted_at, id, topic, submitter);
CREATE INDEX entries_by_state_confidence_score ON entries (workspace, state, confidence_score, id, topic, submitter);
CREATE INDEX entries_by_state_due_at ON entries (workspace, state, due_at, id, topic, submitter);

CREATE TABLE revisions (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    entry_id text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX revisions_by_entry_id_revision ON revisions (workspace, entry_id, revision, id);

CREATE TABLE decisions (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    entry_id text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    decided_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX decisions_by_entry_id_revision ON decisions (workspace, entry_id, revision, id);

CREATE TABLE content_keys (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE near_bands (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE knowledge_heads (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE publications (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    entry_id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX publications_by_version ON publications (workspace, version, id);
CREATE INDEX publications_by_entry_id_version ON publications (workspace, entry_id, version, id);

CREATE TABLE queued_publications (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    queued_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX queued_publications_by_queued_at ON queued_publications (workspace, queued_at, id);

CREATE TABLE shown_revisions (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE routing_decisions (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    decided_at text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    pattern text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX routing_decisions_by_decided_at ON routing_decisions (workspace, decided_at, id);

CREATE TABLE feedback (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    updated_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX feedback_by_user_id_updated_at ON feedback (workspace, user_id, updated_at, id);

CREATE TABLE raters (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    last_rated_at text COLLATE "C" NOT NULL,
    unsettled boolean NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX raters_by_state_last_rated_at ON raters (workspace, state, last_rated_at, id);
CREATE INDEX raters_by_unsettled_last_rated_at ON raters (workspace, unsettled, last_rated_at, id);

CREATE TABLE agents (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE recommendations (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    created_at text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    status text COLLATE "C",
    recommendation_type text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX recommendations_by_workflow_id_created_at ON recommendations (workspace, workflow_id, created_at, id);
CREATE INDEX recommendations_by_agent_id_created_at ON recommendations (workspace, agent_id, created_at, id);

CREATE TABLE outcomes (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    recorded_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE conversation_counts (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE training_runs (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    requested_at text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    dry_run boolean NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX training_runs_by_requested_at ON training_runs (workspace, requested_at, id);

CREATE TABLE snapshots (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    created_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX snapshots_by_created_at ON snapshots (workspace, created_at, id);

CREATE TABLE learning_heads (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE performance (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    snapshot_id text COLLATE "C" NOT NULL,
    pattern text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    n bigint NOT NULL,
    mean_quality double precision NOT NULL,
    correctness double precision NOT NULL,
    mean_cost_usd double precision,
    tier text COLLATE "C" NOT NULL,
    recorded_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE trust_rows (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    recommendation_type text COLLATE "C" NOT NULL,
    overall double precision NOT NULL,
    n bigint NOT NULL,
    snapshot_id text COLLATE "C" NOT NULL,
    updated_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE pattern_rows (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL,
    success_rate double precision NOT NULL,
    n bigint NOT NULL,
    snapshot_id text COLLATE "C" NOT NULL,
    updated_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE drift_groups (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    pattern text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    unsettled boolean NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX drift_groups_by_pattern ON drift_groups (workspace, pattern, id);
CREATE INDEX drift_groups_by_unsettled_pattern ON drift_groups (workspace, unsettled, pattern, id);

CREATE TABLE drift_changes (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    place bigint NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX drift_changes_by_place ON drift_changes (workspace, place, id);

CREATE TABLE drift_proofs (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    place bigint NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX drift_proofs_by_place ON drift_proofs (workspace, place, id);

CREATE TABLE drift_heads (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE trials (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    started_at text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX trials_by_kind_started_at ON trials (workspace, kind, started_at, id);

CREATE TABLE trial_units (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    expires_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX trial_units_expiring ON trial_units (expires_at);

CREATE TABLE idempotency_keys (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    expires_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX idempotency_keys_expiring ON idempotency_keys (expires_at);

CREATE TABLE consumed_events (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    expires_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX consumed_events_expiring ON consumed_events (expires_at);

CREATE TABLE deliveries (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    next_attempt_at text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    consumer text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX deliveries_by_state_next_attempt_at ON deliveries (workspace, state, next_attempt_at, id);
CREATE INDEX deliveries_by_state_tenant_next_attempt_at ON deliveries (workspace, state, tenant, next_attempt_at, id);

CREATE TABLE ticks (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    job text COLLATE "C" NOT NULL,
    taken_at text COLLATE "C" NOT NULL,
    expires_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX ticks_by_job_taken_at ON ticks (workspace, job, taken_at, id);
CREATE INDEX ticks_expiring ON ticks (expires_at);

CREATE TABLE job_states (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE export_marks (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE restores (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE metric_points (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    at text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    expires_at text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX metric_points_by_at ON metric_points (workspace, at, id);
CREATE INDEX metric_points_by_name_at ON metric_points (workspace, name, at, id);
CREATE INDEX metric_points_expiring ON metric_points (expires_at);

CREATE TABLE alerts (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    raised_at text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL,
    severity text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX alerts_by_raised_at ON alerts (workspace, raised_at, id);
CREATE INDEX alerts_by_state_raised_at ON alerts (workspace, state, raised_at, id);

CREATE TABLE alert_keys (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE TABLE alert_rules (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    PRIMARY KEY (workspace, id)
);

-- Append-only; rows are signed, nothing is updated.
CREATE TABLE evidence_ratings (
    workspace text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    at text COLLATE "C" NOT NULL,
    day bigint NOT NULL,
    feedback_id text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    rater text COLLATE "C" NOT NULL,
    pattern text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    snapshot_id text COLLATE "C" NOT NULL,
    sign bigint NOT NULL,
    quality bigint NOT NULL,
    correct bigint NOT NULL,
    cost_nanousd bigint NOT NULL,
    costed bigint NOT NULL,
    latency_ms bigint NOT NULL,
    timed bigint NOT NULL,
    propensity double precision NOT NULL,
    cell text COLLATE "C" NOT NULL,
    weight bigint NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    tokened bigint NOT NULL,
    standing bigint NOT NULL,
    epoch bigint NOT NULL,
    arm text COLLATE "C" NOT NULL,
    bundle bigint NOT NULL,
    PRIMARY KEY (workspace, seq)
);

CREATE TABLE evidence_outcomes (
    workspace text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    at text COLLATE "C" NOT NULL,
    day bigint NOT NULL,
    second bigint NOT NULL,
    recommendation_id text COLLATE "C" NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    recommendation_type text COLLATE "C" NOT NULL,
    completed bigint NOT NULL,
    points bigint NOT NULL,
    quality bigint NOT NULL,
    timely bigint NOT NULL,
    agreed bigint NOT NULL,
    confident bigint NOT NULL,
    confidence_millis bigint NOT NULL,
    evaluator text COLLATE "C" NOT NULL,
    ease_millis bigint NOT NULL,
    PRIMARY KEY (workspace, seq)
);

CREATE TABLE evidence_prompts (
    workspace text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    at text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    pattern text COLLATE "C" NOT NULL,
    words text COLLATE "C" NOT NULL,
    caller text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, seq)
);

CREATE TABLE audit_log (
    workspace text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    at text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    data text COLLATE "C" NOT NULL,
    previous_hash text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, seq)
);
CREATE INDEX audit_log_by_subject ON audit_log (workspace, subject, seq);
CREATE INDEX audit_log_by_actor ON audit_log (workspace, actor, seq);
CREATE INDEX audit_log_by_action ON audit_log (workspace, action, seq);

-- A relay claims the rows that it publishes, so that another one takes others; a claim that has run out counts for nothing.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    workspace text COLLATE "C" NOT NULL,
    doc text NOT NULL,
    claimed_by text NOT NULL DEFAULT '',
    claimed_until timestamptz NOT NULL DEFAULT '-infinity'
);

CREATE TABLE counters (
    workspace text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    field text COLLATE "C" NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (workspace, name, field)
);

-- The second wall. A statement sees the rows of the workspace that its transaction has named, and none where it has named
-- none. What works across workspaces says so (`whetstone.sweeping`), and may do no more than it needs: the relay reads,
-- claims and deletes events, the purge reads and deletes what can expire.
DO $$
DECLARE
    walled text;
    expiring text;
BEGIN
    FOR walled IN
        SELECT c.table_name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE c.table_schema = current_schema() AND c.column_name = 'workspace' AND t.table_type = 'BASE TABLE'
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY own_workspace ON %I USING (workspace = current_setting(''whetstone.workspace'', true))', walled);
    END LOOP;
    FOREACH expiring IN ARRAY ARRAY[
        'outbox', 'sign_in_codes', 'idempotency_keys', 'consumed_events', 'ticks', 'metric_points',
        'trial_units'
    ]
    LOOP
        EXECUTE format(
            'CREATE POLICY swept ON %I FOR SELECT USING (current_setting(''whetstone.sweeping'', true) = ''on'')', expiring);
        EXECUTE format(
            'CREATE POLICY removed ON %I FOR DELETE USING (current_setting(''whetstone.sweeping'', true) = ''on'')', expiring);
    END LOOP;
    -- SELECT ... FOR UPDATE asks for the right to update; nothing but the claim is ever changed.
    EXECUTE 'CREATE POLICY claimed ON outbox FOR UPDATE USING (current_setting(''whetstone.sweeping'', true) = ''on'')';
END
$$;

-- What an operator looks for, within the workspace that the session has named:
-- SELECT set_config('whetstone.workspace', 'default', false).

-- JSON may hold an escaped NUL, which text may not: it is shown as U+FFFD.
CREATE FUNCTION readable(doc text) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT regexp_replace(doc, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g')::jsonb $$;

CREATE VIEW kb_entries WITH (security_invoker = true) AS
SELECT workspace, id AS entry_id, revision, state, topic, readable(doc) ->> 'content' AS content, confidence_score, risk,
       tags, submitter, submitted_at, decided_at, (readable(doc) ->> 'published_revision')::bigint AS published_revision
FROM entries;

CREATE VIEW response_feedback WITH (security_invoker = true) AS
SELECT workspace, readable(doc) #>> '{rating,feedback_id}' AS feedback_id, request_id, user_id,
       readable(doc) ->> 'pattern' AS pattern, readable(doc) ->> 'provider' AS provider, readable(doc) ->> 'model' AS model,
       (readable(doc) #>> '{rating,quality_score}')::bigint AS quality_score,
       (readable(doc) #>> '{rating,is_correct}')::boolean AS is_correct,
       (readable(doc) #>> '{rating,is_helpful}')::boolean AS is_helpful,
       readable(doc) #>> '{rating,comment}' AS comment, readable(doc) #>> '{rating,rated_at}' AS rated_at
FROM feedback;

CREATE VIEW model_performance_history WITH (security_invoker = true) AS
SELECT workspace, snapshot_id, pattern, provider, model, n, mean_quality, correctness, mean_cost_usd, tier, recorded_at
FROM performance;

CREATE VIEW agent_recommendations WITH (security_invoker = true) AS
SELECT workspace, id AS recommendation_id, agent_id, readable(doc) ->> 'agent_name' AS agent_name, workflow_id,
       readable(doc) ->> 'correlation_id' AS correlation_id, recommendation_type, readable(doc) ->> 'content' AS content,
       (readable(doc) ->> 'confidence_score')::double precision AS confidence_score, status,
       (readable(doc) ->> 'quality_score')::double precision AS quality_score, created_at,
       readable(doc) ->> 'settled_at' AS settled_at
FROM recommendations;

CREATE VIEW agent_trust_scores WITH (security_invoker = true) AS
SELECT workspace, agent_id, recommendation_type, overall, n,
       (readable(doc) #>> '{card,accuracy}')::double precision AS accuracy,
       (readable(doc) #>> '{card,consistency}')::double precision AS consistency,
       (readable(doc) #>> '{card,timeliness}')::double precision AS timeliness,
       (readable(doc) #>> '{card,reliability}')::double precision AS reliability,
       readable(doc) #>> '{card,trend}' AS trend, snapshot_id, updated_at
FROM trust_rows;

CREATE VIEW recommendation_patterns WITH (security_invoker = true) AS
SELECT workspace, id AS pattern_key, category, success_rate, n, readable(doc) #>> '{card,words}' AS words, snapshot_id,
       updated_at
FROM pattern_rows;
