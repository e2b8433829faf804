"""Trust: how far each agent can be relied on, and what that is known from."""

from typing import Literal
from urllib.parse import quote

from pydantic import Field
from starlette.responses import RedirectResponse, Response

from functions.console.charts import (
    Bar,
    BarChart,
    Dot,
    Line,
    LineChart,
    Point,
    ScatterChart,
    Stack,
    StackChart,
    worded,
)
from functions.console.rendering import render
from functions.console.showing import page_url, snapshot_markers, tone
from shared import bootstrap
from shared.domain.learning.calibration import Calibration
from shared.messages.base import Command, Note, PageParams, PageSize, QueryParams
from shared.messages.learning import AgentDetail, AgentView, ReinstateAgent
from shared.messages.watching import AgentHistory, TeamMeans
from shared.services import agent_history, reinstating, trusting
from shared.web.pages import PageCall, Pages
from shared.web.tables import csv_response

pages = Pages()

PAGE = 24
"""Agents on one page."""
COMPARED = 12
"""Agents in the comparison, the agent itself among them."""
_CSV = 500


class TrustPage(PageParams):
    """Which agents."""

    limit: PageSize = PAGE


@pages.get("/trust")
async def trust(call: PageCall) -> Response:
    """Shows a card for each agent."""
    deps, params = bootstrap.deps(), call.query(TrustPage)
    found = await trusting.agents(deps, call.caller, params)
    means = await agent_history.team_means(deps, call.caller)
    return render(
        call,
        "trust.html",
        found=found,
        means=means,
        tone=tone,
        calibration_words=calibration_words,
        next_url=page_url("/trust", found.next_cursor),
        first_url="/trust" if params.cursor else None,
    )


@pages.get("/trust.csv")
async def trust_csv(call: PageCall) -> Response:
    """Returns the cards as a spreadsheet, 500 agents at most from the cursor on."""
    params = call.query(PageParams).model_copy(update={"limit": _CSV})
    found = await trusting.agents(bootstrap.deps(), call.caller, params)
    return csv_response((one.model_dump(mode="json") for one in found.items), "agents")


class AgentPage(QueryParams):
    """What has just been done."""

    done: Literal["reinstated"] | None = None


class ReinstateForm(Command):
    """Why a disabled agent shall be heard again."""

    reason: Note = Field(min_length=1)


@pages.get("/trust/{agent_id}")
async def agent(call: PageCall) -> Response:
    """Shows an agent: its cards, its history, its calibration, and how it compares."""
    deps, agent_id, params = bootstrap.deps(), call.parts["agent_id"], call.query(AgentPage)
    found = await trusting.agent(deps, call.caller, agent_id)
    history = await agent_history.agent_history(deps, call.caller, agent_id)
    means = await agent_history.team_means(deps, call.caller)
    others = await trusting.agents(deps, call.caller, PageParams(limit=500))
    charts = [
        await _over_time(call, history),
        await _rates(call, history),
        _calibration(history),
        _comparison(found, others.items, means),
    ]
    return render(
        call,
        "agent.html",
        agent=found,
        history=history,
        means=means,
        charts=charts,
        tone=tone,
        calibration_words=calibration_words,
        params=params,
        disabled=any(one.disabled for one in (found.trust, *found.by_type)),
    )


@pages.post("/trust/{agent_id}/reinstate", role="admin")
async def reinstate(call: PageCall) -> Response:
    """Lets a disabled agent be heard again."""
    command, agent_id = (
        ReinstateAgent(reason=call.form(ReinstateForm).reason),
        call.parts["agent_id"],
    )
    await reinstating.reinstate(bootstrap.deps(), call.caller, agent_id, command, None)
    return RedirectResponse(f"/trust/{quote(agent_id, safe='')}?done=reinstated", 303)


def calibration_words(curve: Calibration) -> str:
    """Returns how far stated confidence is from what comes true, with its interval."""
    if curve.error is None or curve.error_low is None or curve.error_high is None:
        return "nothing to hold it against yet"
    low, high = curve.error_low, curve.error_high
    return f"off by {100 * curve.error:.0f} points ({100 * low:.0f} to {100 * high:.0f})"


async def _over_time(call: PageCall, history: AgentHistory) -> str:
    markers = await snapshot_markers(bootstrap.deps(), call.caller)
    stacks = [
        Stack(one.at, [one.waiting, one.partial, one.approved, one.rejected])
        for one in history.buckets
    ]
    return StackChart(
        "Recommendations over time",
        "count",
        "recommendations",
        ["no outcome yet", "partial", "approved", "rejected"],
        stacks,
        history.step_s,
        markers,
        nothing="This agent has recommended nothing yet.",
    ).draw()


async def _rates(call: PageCall, history: AgentHistory) -> str:
    markers = await snapshot_markers(bootstrap.deps(), call.caller)
    rates = [
        Point(one.at, one.approval_rate) for one in history.buckets if one.approval_rate is not None
    ]
    qualities = [
        Point(one.at, one.mean_quality / 100)
        for one in history.buckets
        if one.mean_quality is not None
    ]
    return LineChart(
        "Approval rate and quality over time",
        "share",
        "share, and quality out of 100",
        [Line("approval rate", rates), Line("mean quality", qualities)],
        markers,
        whole=(0.0, 1.0),
        nothing="No recommendation has an outcome yet: send POST /v1/outcomes.",
    ).draw()


def _calibration(history: AgentHistory) -> str:
    dots = [
        Dot(
            f"{one.n} recommendation{'s' if one.n > 1 else ''}",
            one.stated,
            one.approval_rate,
            size=min(1.0, one.n / 50),
            low=one.low,
            high=one.high,
        )
        for one in history.calibration
    ]
    return ScatterChart(
        "Calibration: stated confidence against approval",
        "share",
        "stated confidence",
        "share",
        "approved",
        dots,
        diagonal=True,
        joined=True,
        named=False,
        whole=(0.0, 1.0),
        nothing="No recommendation has an outcome yet: send POST /v1/outcomes.",
        note="On the dashed line confidence is borne out; below it the agent is too sure. "
        "Each upright line is the interval (90 %).",
    ).draw()


def _comparison(agent: AgentDetail, others: list[AgentView], means: TeamMeans) -> str:
    ranked = sorted(others, key=lambda one: -one.trust.overall)
    chosen = ranked[:COMPARED]
    if agent.agent_id not in {one.agent_id for one in chosen}:
        chosen = [*chosen[: COMPARED - 1], agent]
    bars = [
        Bar(one.name, [one.trust.overall], own=one.agent_id == agent.agent_id) for one in chosen
    ]
    mean = means.overall
    return BarChart(
        "Compared with the others",
        "score",
        "overall trust, 0 to 1",
        ["overall trust"],
        bars,
        reference=None
        if mean is None
        else (mean, f"the workspace's mean, {worded(mean, 'score')}"),
        most=1.0,
    ).draw()
