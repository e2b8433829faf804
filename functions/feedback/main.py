"""Feedback: what users, evaluations and conversations say about the answers."""

from shared import bootstrap
from shared.messages.base import Page
from shared.messages.rating import (
    CompleteConversations,
    ConversationsCompleted,
    FeedbackRecorded,
    FeedbackSummary,
    JudgeRater,
    OutcomeRecorded,
    RatersPage,
    RaterView,
    RecordFeedback,
    RecordOutcome,
)
from shared.services import conversing, outcomes, raters, rating, summarizing
from shared.web.app import Api
from shared.web.cloud import cloud_function
from shared.web.endpoint import Call
from shared.web.guard import needs

app = Api("feedback", bootstrap.gate)

RATER = needs("feedback", role="viewer")
EVALUATOR = needs("feedback", role="reviewer")
READER = needs("feedback", "monitor", role="viewer")
ADMIN = needs("admin", role="admin")


@app.endpoint("POST", "/v1/feedback", needs=RATER, status=201, answers=[404, 409])
async def record_feedback(call: Call, body: RecordFeedback) -> FeedbackRecorded:
    """Rate the answer to a routed request; rating it again replaces what you said before."""
    return await rating.record_feedback(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("POST", "/v1/outcomes", needs=EVALUATOR, status=201, answers=[409])
async def record_outcome(call: Call, body: RecordOutcome) -> OutcomeRecorded:
    """Evaluate a workflow: its recommendations are settled by this, once."""
    return await outcomes.record_outcome(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("POST", "/v1/conversations/completed", needs=RATER)
async def complete_conversations(call: Call, body: CompleteConversations) -> ConversationsCompleted:
    """Count completed conversations; every tenth (configurable) asks for a training run."""
    return await conversing.complete_conversations(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("GET", "/v1/feedback/summary", needs=READER)
async def summarize_feedback(call: Call) -> FeedbackSummary:
    """Read counts, mean quality, correctness and cost by model and by pattern."""
    return await summarizing.feedback_summary(bootstrap.deps(), call.caller)


@app.endpoint("GET", "/v1/raters", needs=ADMIN)
async def list_raters(call: Call, query: RatersPage) -> Page[RaterView]:
    """List who rates, how far their ratings can be trusted, and what speaks against them."""
    return await raters.list_raters(bootstrap.deps(), call.caller, query)


@app.endpoint("POST", "/v1/raters/{rater_id}/set-aside", needs=ADMIN, answers=[404])
async def set_rater_aside(call: Call, rater_id: str, body: JudgeRater) -> RaterView:
    """Take a rater's ratings out of learning, those given and those to come."""
    return await raters.set_aside(bootstrap.deps(), call.caller, rater_id, body, call.key)


@app.endpoint("POST", "/v1/raters/{rater_id}/put-back", needs=ADMIN, answers=[404, 409])
async def put_rater_back(call: Call, rater_id: str, body: JudgeRater) -> RaterView:
    """Put a rater who was set aside back, with all ratings that were taken out."""
    return await raters.put_back(bootstrap.deps(), call.caller, rater_id, body, call.key)


feedback = cloud_function(app, bootstrap.start)
