"""Submit: models hand in knowledge and recommendations; a person decides what becomes of them."""

from shared import bootstrap
from shared.messages.base import PageParams
from shared.messages.submitting import (
    BatchResult,
    EntryView,
    RecommendationSubmitted,
    ReviseEntry,
    SubmitBatch,
    SubmitEntry,
    SubmitRecommendation,
    Submitted,
)
from shared.services import recommending, submitting
from shared.web.app import Api
from shared.web.cloud import cloud_function
from shared.web.endpoint import Call
from shared.web.guard import needs

app = Api("submit", bootstrap.gate)

SUBMITTER = needs("submit", role="reviewer")
READER = needs("submit", "review", role="viewer")


@app.endpoint("POST", "/v1/entries", needs=SUBMITTER, status=202)
async def submit_entry(call: Call, body: SubmitEntry) -> Submitted:
    """Hand in knowledge for approval.

    The same content twice is one entry: the answer then says `duplicate`.
    """
    return await submitting.submit_entry(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("POST", "/v1/entries:batch", needs=SUBMITTER)
async def submit_entries(call: Call, body: SubmitBatch) -> BatchResult:
    """Hand in up to 500 entries; each succeeds or fails by itself, in the order of the request."""
    return await submitting.submit_batch(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("GET", "/v1/entries/{entry_id}", needs=READER)
async def view_entry(call: Call, entry_id: str, params: PageParams) -> EntryView:
    """Read an entry with its revisions and decisions, the newest ones first."""
    return await submitting.view_entry(bootstrap.deps(), call.caller, entry_id, params)


@app.endpoint("PUT", "/v1/entries/{entry_id}", needs=SUBMITTER, status=202, answers=[409])
async def revise_entry(call: Call, entry_id: str, body: ReviseEntry) -> Submitted:
    """Hand in the next revision: after request_revision, or of an approved entry."""
    return await submitting.revise_entry(bootstrap.deps(), call.caller, entry_id, body, call.key)


@app.endpoint("POST", "/v1/recommendations", needs=SUBMITTER, status=202)
async def submit_recommendation(call: Call, body: SubmitRecommendation) -> RecommendationSubmitted:
    """Record what an agent proposed inside a workflow; the workflow's outcome settles it."""
    return await recommending.submit_recommendation(bootstrap.deps(), call.caller, body, call.key)


submit = cloud_function(app, bootstrap.start)
