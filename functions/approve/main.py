"""Approve: people review what models submitted. Nothing is published without a decision here."""

from shared import bootstrap
from shared.messages.auditing import AuditParams, AuditVerified, AuditView
from shared.messages.base import Page
from shared.messages.reviewing import (
    Approve,
    BulkDecide,
    BulkResult,
    ClaimedEntry,
    ClaimEntry,
    Decided,
    KnowledgeRolledBack,
    Queue,
    QueueParams,
    Reject,
    ReleasedEntry,
    ReleaseEntry,
    RequestRevision,
    Retract,
    RetractedEntry,
    ReviewStats,
    RollBackKnowledge,
)
from shared.services import (
    auditing,
    claiming,
    review_bulk,
    review_reading,
    reviewing,
    rolling_back_knowledge,
)
from shared.web.app import Api
from shared.web.cloud import cloud_function
from shared.web.endpoint import Call
from shared.web.guard import needs

app = Api("approve", bootstrap.gate)

REVIEWER = needs("review", role="reviewer")
READER = needs("review", role="viewer")
ADMIN = needs("admin", role="admin")
AUDITOR = needs("review", "monitor", role="viewer")


@app.endpoint("GET", "/v1/approvals", needs=READER)
async def list_approvals(call: Call, params: QueueParams) -> Queue:
    """List the entries that wait for a decision, or those in another state."""
    return await review_reading.queue(bootstrap.deps(), call.caller, params)


@app.endpoint("GET", "/v1/approvals/stats", needs=READER)
async def approval_stats(call: Call) -> ReviewStats:
    """Read how many decisions there were, of which kind, and how long they took."""
    return await review_reading.stats(bootstrap.deps(), call.caller)


@app.endpoint("POST", "/v1/approvals/{entry_id}/approve", needs=REVIEWER, answers=[409])
async def approve_entry(call: Call, entry_id: str, body: Approve) -> Decided:
    """Approve a revision, so that it is published. The second decision is a conflict."""
    return await reviewing.decide(
        bootstrap.deps(), call.caller, entry_id, body, call.key, verdict="approve", notes=body.notes
    )


@app.endpoint("POST", "/v1/approvals/{entry_id}/reject", needs=REVIEWER, answers=[409])
async def reject_entry(call: Call, entry_id: str, body: Reject) -> Decided:
    """Reject a revision, and say why."""
    return await reviewing.decide(
        bootstrap.deps(),
        call.caller,
        entry_id,
        body,
        call.key,
        verdict="reject",
        notes=body.reason,
        code=body.code,
    )


@app.endpoint("POST", "/v1/approvals/{entry_id}/request-revision", needs=REVIEWER, answers=[409])
async def request_revision(call: Call, entry_id: str, body: RequestRevision) -> Decided:
    """Ask the submitter for another revision, and say what to change."""
    return await reviewing.decide(
        bootstrap.deps(),
        call.caller,
        entry_id,
        body,
        call.key,
        verdict="request_revision",
        notes=body.notes,
    )


@app.endpoint("POST", "/v1/approvals/{entry_id}/claim", needs=REVIEWER, answers=[409])
async def claim_entry(call: Call, entry_id: str, body: ClaimEntry) -> ClaimedEntry:
    """Take an entry for some minutes, so that nobody else decides it meanwhile; again to renew."""
    return await claiming.claim(bootstrap.deps(), call.caller, entry_id, body, call.key)


@app.endpoint("POST", "/v1/approvals/{entry_id}/release", needs=REVIEWER, answers=[409])
async def release_entry(call: Call, entry_id: str, body: ReleaseEntry) -> ReleasedEntry:
    """Give a claim back before it ends."""
    return await claiming.release(bootstrap.deps(), call.caller, entry_id, body, call.key)


@app.endpoint("POST", "/v1/approvals/{entry_id}/retract", needs=REVIEWER, answers=[409])
async def retract_entry(call: Call, entry_id: str, body: Retract) -> RetractedEntry:
    """Take a published entry out of search."""
    return await reviewing.retract(bootstrap.deps(), call.caller, entry_id, body, call.key)


@app.endpoint("POST", "/v1/approvals:bulk", needs=REVIEWER)
async def decide_entries(call: Call, body: BulkDecide) -> BulkResult:
    """Decide up to 200 entries; each succeeds or fails by itself, in the order of the request."""
    return await review_bulk.decide_many(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("POST", "/v1/knowledge/rollback", needs=ADMIN)
async def roll_back_knowledge(call: Call, body: RollBackKnowledge) -> KnowledgeRolledBack:
    """Bring search back to what an earlier version of the knowledge showed; `dry_run` previews."""
    return await rolling_back_knowledge.roll_back_knowledge(
        bootstrap.deps(), call.caller, body, call.key
    )


@app.endpoint("GET", "/v1/audit", needs=AUDITOR)
async def list_audit(call: Call, params: AuditParams) -> Page[AuditView]:
    """List who did what to what, newest first."""
    return await auditing.list_audit(bootstrap.deps(), call.caller, params)


@app.endpoint("GET", "/v1/audit/verify", needs=AUDITOR)
async def verify_audit(call: Call) -> AuditVerified:
    """Check the whole audit chain of the workspace."""
    return await auditing.verify_audit(bootstrap.deps(), call.caller.workspace)


approve = cloud_function(app, bootstrap.start)
