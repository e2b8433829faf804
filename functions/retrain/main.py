"""Retrain: evidence becomes snapshots; previews, runs, rollback, and what was learned."""

from starlette.responses import Response

from shared import bootstrap
from shared.messages.base import Page, PageParams
from shared.messages.events import Event
from shared.messages.learning import (
    AgentDetail,
    AgentReinstated,
    AgentView,
    DriftChangeView,
    DriftPage,
    DriftView,
    Insights,
    LearningStatus,
    Patterns,
    PatternsPage,
    ReinstateAgent,
    SnapshotView,
    TableFormat,
    TablePage,
    TrendPoint,
)
from shared.messages.training import (
    RollBack,
    RolledBack,
    RunChanges,
    RunParams,
    RunView,
    StartRun,
    TrustInitialized,
)
from shared.messages.trials import (
    CanaryStatus,
    EndCanary,
    LiftQuarantine,
    QuarantineLifted,
    RevertCanary,
    StartExperiment,
    StopExperiment,
    TrialView,
)
from shared.services import (
    canarying,
    drift_status,
    experimenting,
    learning_status,
    requesting,
    rolling_back,
    run_changes,
    training,
    trusting,
)
from shared.services.consuming import handle_once
from shared.services.reinstating import reinstate
from shared.services.requesting import RunsRequested
from shared.web.app import Api
from shared.web.cloud import cloud_function
from shared.web.endpoint import Call
from shared.web.guard import SYSTEM, needs
from shared.web.tables import CSV, csv_response, next_page

app = Api("retrain", bootstrap.gate)

TRAINER = needs("admin", role="admin")
READER = needs("monitor", "feedback", role="viewer")


@app.endpoint("POST", "/v1/learning/runs", needs=TRAINER, answers=[409])
async def start_run(call: Call, query: RunParams, body: StartRun) -> RunView:
    """Run, or with `dry_run=true` preview what a run would change. Answers when it is done."""
    return await training.start_run(
        bootstrap.deps(), call.caller, body.reason, call.key, dry_run=query.dry_run
    )


@app.endpoint("GET", "/v1/learning/runs", needs=READER)
async def list_runs(call: Call, query: PageParams) -> Page[RunView]:
    """List runs, newest first."""
    return await training.list_runs(bootstrap.deps(), call.caller, query)


@app.endpoint("GET", "/v1/learning/runs/{run_id}", needs=READER)
async def view_run(call: Call, run_id: str) -> RunView:
    """Read a run with its figures before and after, and its changes."""
    return await training.view_run(bootstrap.deps(), call.caller, run_id)


@app.endpoint("GET", "/v1/learning/runs/{run_id}/changes", needs=READER)
async def list_run_changes(call: Call, run_id: str, query: PageParams) -> RunChanges:
    """List all changes of a run, each with its reason and its figures."""
    return await run_changes.list_changes(bootstrap.deps(), call.caller, run_id, query)


@app.endpoint("GET", "/v1/learning/status", needs=READER)
async def learning_status_now(call: Call) -> LearningStatus:
    """Read where learning stands: last and next run, evidence that waits, tiers, holds."""
    return await learning_status.status(bootstrap.deps(), call.caller)


@app.endpoint("GET", "/v1/learning/drift", needs=READER)
async def list_drift(call: Call, query: DriftPage) -> Page[DriftView]:
    """List where each model stands: as it was, changed, or looking so without proof."""
    return await drift_status.drift(bootstrap.deps(), call.caller, query)


@app.endpoint("GET", "/v1/learning/drift/changes", needs=READER)
async def list_changes(call: Call, query: PageParams) -> Page[DriftChangeView]:
    """List the changes of models that were proven, newest first, each with its figures."""
    return await drift_status.changes(bootstrap.deps(), call.caller, query)


@app.endpoint("GET", "/v1/learning/snapshots", needs=READER)
async def list_snapshots(call: Call, query: PageParams) -> Page[SnapshotView]:
    """List the versions of what was learned, newest first."""
    return await learning_status.snapshots(bootstrap.deps(), call.caller, query)


@app.endpoint("GET", "/v1/learning/trends", needs=READER)
async def learning_trends(call: Call, query: PageParams) -> Page[TrendPoint]:
    """Read quality, correctness and cost over the runs, newest first."""
    return await learning_status.trends(bootstrap.deps(), call.caller, query)


@app.endpoint("POST", "/v1/learning/rollback", needs=TRAINER, answers=[404, 409])
async def roll_back(call: Call, body: RollBack) -> RolledBack:
    """Make an earlier snapshot current again; automatic runs then wait for a person."""
    return await rolling_back.roll_back(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("GET", "/v1/learning/canary", needs=READER)
async def view_canary(call: Call) -> CanaryStatus:
    """Read how the snapshot that is tried out does against the current one, and the one before."""
    return await canarying.status(bootstrap.deps(), call.caller)


@app.endpoint("POST", "/v1/learning/canary/promote", needs=TRAINER, answers=[409])
async def promote_canary(call: Call, body: EndCanary) -> TrialView:
    """Make the canary's snapshot current now, whatever the evidence says."""
    return await canarying.promote(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("POST", "/v1/learning/canary/revert", needs=TRAINER, answers=[409])
async def revert_canary(call: Call, body: RevertCanary) -> TrialView:
    """End the canary: all traffic is served what is current."""
    return await canarying.revert(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint(
    "POST",
    "/v1/learning/snapshots/{snapshot_id}/lift-quarantine",
    needs=TRAINER,
    answers=[404, 409],
)
async def lift_quarantine(call: Call, snapshot_id: str, body: LiftQuarantine) -> QuarantineLifted:
    """Let a snapshot that a canary found worse become current again."""
    return await canarying.lift_quarantine(
        bootstrap.deps(), call.caller, snapshot_id, body, call.key
    )


@app.endpoint("POST", "/v1/experiments", needs=TRAINER, status=201, answers=[404, 409])
async def start_experiment(call: Call, body: StartExperiment) -> TrialView:
    """Share traffic out between snapshots or models, and compare them; one at a time."""
    return await experimenting.start(bootstrap.deps(), call.caller, body, call.key)


@app.endpoint("GET", "/v1/experiments", needs=READER)
async def list_experiments(call: Call, query: PageParams) -> Page[TrialView]:
    """List experiments, newest first."""
    return await experimenting.list_experiments(bootstrap.deps(), call.caller, query)


@app.endpoint("GET", "/v1/experiments/{trial_id}", needs=READER)
async def view_experiment(call: Call, trial_id: str) -> TrialView:
    """Read what an experiment has found, in figures that hold at every look and in words."""
    return await experimenting.view_experiment(bootstrap.deps(), call.caller, trial_id)


@app.endpoint("POST", "/v1/experiments/{trial_id}/stop", needs=TRAINER, answers=[404, 409])
async def stop_experiment(call: Call, trial_id: str, body: StopExperiment) -> TrialView:
    """Stop an experiment: all traffic is served as without it."""
    return await experimenting.stop(bootstrap.deps(), call.caller, trial_id, body, call.key)


@app.endpoint("GET", "/v1/agents", needs=READER, media=CSV)
async def list_agents(call: Call, query: TablePage) -> Page[AgentView] | Response:
    """List agents with their trust; `format=csv` for a spreadsheet.

    CSV is one page as well; the header `Link` with `rel="next"` leads to the one behind it.
    """
    page = PageParams(limit=query.limit, cursor=query.cursor)
    found = await trusting.agents(bootstrap.deps(), call.caller, page)
    if query.format == "csv":
        call.headers.update(next_page(query, found.next_cursor))
        return csv_response((one.model_dump(mode="json") for one in found.items), "agents")
    return found


@app.endpoint("GET", "/v1/agents/{agent_id}", needs=READER, media=CSV)
async def view_agent(call: Call, agent_id: str, query: TableFormat) -> AgentDetail | Response:
    """Read an agent's trust, overall and for each type of recommendation."""
    found = await trusting.agent(bootstrap.deps(), call.caller, agent_id)
    if query.format == "csv":
        cards = [found.trust, *found.by_type]
        return csv_response((one.model_dump(mode="json") for one in cards), "agent")
    return found


@app.endpoint("POST", "/v1/agents/{agent_id}/reinstate", needs=TRAINER, answers=[404, 409])
async def reinstate_agent(call: Call, agent_id: str, body: ReinstateAgent) -> AgentReinstated:
    """Let a disabled agent be heard again, until enough new outcomes judge it anew."""
    return await reinstate(bootstrap.deps(), call.caller, agent_id, body, call.key)


@app.endpoint("POST", "/v1/agents:initialize-trust", needs=TRAINER)
async def initialize_trust(call: Call) -> TrustInitialized:
    """Give each known agent without a trust score a neutral one."""
    return await trusting.initialize_trust(bootstrap.deps(), call.caller, call.key)


@app.endpoint("GET", "/v1/patterns", needs=READER, media=CSV)
async def list_patterns(call: Call, query: PatternsPage) -> Patterns | Response:
    """List what holds: consensus, experts, high confidence; `format=csv` for a spreadsheet.

    CSV is one page as well; the header `Link` with `rel="next"` leads to the one behind it.
    """
    found = await trusting.patterns(bootstrap.deps(), call.caller, query)
    if query.format == "csv":
        call.headers.update(next_page(query, found.next_cursor))
        return csv_response((one.model_dump(mode="json") for one in found.items), "patterns")
    return found


@app.endpoint("GET", "/v1/insights", needs=READER, media=CSV)
async def read_insights(call: Call, query: TableFormat) -> Insights | Response:
    """Read the latest cycle in words and figures."""
    found = await learning_status.insights(bootstrap.deps(), call.caller)
    if query.format == "csv":
        return csv_response([found.model_dump(mode="json")], "insights")
    return found


@app.endpoint("POST", "/jobs/retrain", needs=SYSTEM)
async def request_runs(call: Call) -> RunsRequested:  # noqa: ARG001 -- only ourselves get here
    """Ask for a run in every workspace."""
    return await requesting.request_everywhere(bootstrap.deps())


@app.consumer
async def consume(event: Event) -> None:
    """Runs where learning was requested; asks for a run where enough evidence has come in."""
    deps = bootstrap.deps()
    if event.type != "learning.requested":
        rows = requesting.rows_told_by(event)
        await requesting.request_where_enough(deps, event.workspace, rows)
        return

    async def work() -> None:
        await training.run_for_event(deps, event)

    await handle_once(deps, "retrain", event, work)


retrain = cloud_function(app, bootstrap.start)
