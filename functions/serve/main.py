"""Serve: the hot path.

Routes and completes prompts, searches knowledge, and says how far agents are trusted.
"""

from starlette.responses import StreamingResponse

from shared import bootstrap
from shared.messages.serving import CompleteAnswer, CompleteRequest, RouteAnswer, RouteRequest
from shared.messages.serving_reading import (
    BoostAnswer,
    BoostParams,
    MetricsParams,
    PolicyParams,
    PolicyView,
    RoutingMetrics,
    SearchAnswer,
    SearchRequest,
)
from shared.services.serving import boosting, completing, policy, routing, searching, streaming
from shared.web import telemetry
from shared.web.app import Api
from shared.web.cloud import cloud_function
from shared.web.endpoint import Call
from shared.web.guard import needs
from shared.web.sse import MEDIA_TYPE, event_stream

app = Api("serve", bootstrap.gate)

CALLER = needs("serve", role="reviewer")
READER = needs("serve", role="viewer")

_STREAM = {MEDIA_TYPE: {"schema": {"type": "string"}}}


@app.endpoint("POST", "/v1/route", needs=CALLER, answers=[503])
async def route(call: Call, body: RouteRequest) -> RouteAnswer:
    """Choose the model that should answer a prompt. The decision is recorded, the prompt is not."""
    return await routing.route(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("POST", "/v1/complete", needs=CALLER, answers=[503], media=_STREAM)
async def complete(call: Call, body: CompleteRequest) -> CompleteAnswer | StreamingResponse:
    """Have a prompt answered by the model that routing chooses, falling back where a model fails.

    With `stream` the answer is server-sent events: `start` names the request and the model, `delta`
    brings text, and `end` (usage and cost) or `error` is the last.
    """
    if body.stream:
        parts = await streaming.stream(bootstrap.deps(), call.caller, body, call.key)
        return event_stream(parts)
    return await completing.complete(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("GET", "/v1/routing/policy", needs=READER)
async def routing_policy(call: Call, query: PolicyParams) -> PolicyView:
    """Read the routing table in use: per pattern the choice, the figures and why, in words."""
    return await policy.policy(bootstrap.deps(), call.caller, query)


@app.endpoint("GET", "/v1/routing/metrics", needs=READER)
async def routing_metrics(call: Call, query: MetricsParams) -> RoutingMetrics:
    """Read what routing has done lately: decisions, cost, savings against the baseline model."""
    return await policy.metrics(bootstrap.deps(), call.caller, query)


@app.endpoint("GET", "/v1/agents/{agent_id}/boost", needs=READER)
async def agent_boost(call: Call, agent_id: str, query: BoostParams) -> BoostAnswer:
    """Read how much an agent's recommendations should count."""
    return await boosting.boost(bootstrap.deps(), call.caller, agent_id, query)


@app.endpoint("POST", "/v1/search", needs=READER)
async def search(call: Call, body: SearchRequest) -> SearchAnswer:
    """Find published knowledge, best first."""
    found = await searching.search(bootstrap.deps(), call.caller, body)
    how = found.routing_info
    telemetry.observe_search(how.tier, how.latency_ms / 1000, found=bool(found.items))
    return found


serve = cloud_function(app, bootstrap.start)
