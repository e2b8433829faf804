"""Feedback: what users, evaluations and conversations say about the answers."""

from shared import bootstrap
from shared.messages.rating import (
    CompleteConversations,
    ConversationsCompleted,
    FeedbackRecorded,
    FeedbackSummary,
    OutcomeRecorded,
    RecordFeedback,
    RecordOutcome,
)
from shared.services import conversing, outcomes, rating, summarizing
from shared.web.app import Api
from shared.web.cloud import cloud_function
from shared.web.endpoint import Call
from shared.web.guard import needs

app = Api("feedback", bootstrap.gate)

RATER = needs("feedback", role="viewer")
EVALUATOR = needs("feedback", role="reviewer")
READER = needs("feedback", "monitor", role="viewer")


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


feedback = cloud_function(app, bootstrap.start)
