"""A workspace in which every page of the console has something to show, made in a second or two."""

from typing import Any

from shared.domain.feedback import OutcomeEvidence
from shared.domain.times import day_number, plus
from shared.messages.events import Event
from shared.messages.monitoring import LogMetrics
from shared.messages.rating import RecordOutcome
from shared.messages.reviewing import Approve, Retract
from shared.messages.submitting import SubmitEntry
from shared.services import alerting, monitoring, outcomes, publishing, reviewing, submitting
from tests.support.learning import ADMIN, evidence, recommended, routed, run
from tests.support.system import WORKSPACE, System, caller

HOSTILE = '<img src=x onerror="alert(1)">\'"&'
"""What a page must show as it is, and never run."""

MODEL = caller("key:model", scopes=("submit",))
ADA = caller("ada", role="reviewer")
GRACE = caller("grace", role="admin")

AGENTS = (
    ("pricing-agent", "discount", (1.0, 1.0, 0.5, 1.0)),
    ("churn-agent", "discount", (1.0, 0.0, 0.5, 0.0)),
    ("hasty-agent", "outreach", (0.0, 0.0, 0.0, 0.5)),
)
"""Agent, what it recommends, and what becomes of its recommendations in turn."""

_STATUS = {1.0: "approved", 0.5: "partial", 0.0: "rejected"}


async def everything(system: System, said: str = HOSTILE) -> None:
    """Fills the workspace: evidence, runs, knowledge, alerts, dead letters, measurements.

    `said` is in texts that others wrote.
    """
    await _routing(system)
    await _trust(system)
    await run(system)
    system.clock.advance(3_600)
    await evidence(system, 40, pattern="code", model="medium", quality=5, cost_nanousd=400_000)
    await evidence(system, 40, pattern="writing", model="small", quality=4, cost_nanousd=90_000)
    await run(system)
    await _knowledge(system, said)
    await _monitor(system, said)
    await evidence(system, 60, pattern="writing", model="medium", quality=5, cost_nanousd=80_000)
    await evidence(system, 30, pattern="summary", model="small", quality=5, cost_nanousd=40_000)


async def _routing(system: System) -> None:
    for number in range(60):
        model = ("small", "medium", "large")[number % 3]
        provider = "other" if model == "large" else "local"
        await routed(
            system,
            f"req_{number:03d}",
            provider=provider,
            model=model,
            estimated_cost_usd=0.001 * (1 + number % 3),
            baseline_cost_usd=0.004,
            explored=number % 10 == 0,
        )
        system.clock.advance(60)
    for model, quality, cost in (("small", 3, 50_000), ("medium", 5, 400_000)):
        await evidence(system, 60, pattern="code", model=model, quality=quality, cost_nanousd=cost)
    await evidence(
        system, 60, pattern="code", model="large", provider="other", cost_nanousd=2_000_000
    )


async def _trust(system: System) -> None:
    for agent_id, kind, points in AGENTS:
        for number in range(24):
            workflow = f"wf-{agent_id}-{number}"
            rec_id = await recommended(
                system,
                agent_id,
                workflow_id=workflow,
                content=f"Offer {number} %.",
                recommendation_type=kind,
                confidence_score=round(0.3 + 0.65 * (number % 8) / 7, 2),
            )
            got = points[number % len(points)]
            settled: Any = {
                "recommendation_id": rec_id,
                "status": _STATUS[got],
                "quality_score": 40 + 50 * got,
            }
            body = {
                "workflow_id": workflow,
                "overall_quality_score": 70.0,
                "recommendations": [settled],
            }
            command = RecordOutcome.model_validate(body)
            await outcomes.record_outcome(system.deps, ADMIN, command, None)
            system.clock.advance(120)
    await _experts(system)


async def _experts(system: System) -> None:
    """Adds outcomes of an agent that is right nearly always, over two months."""
    rows = []
    for number in range(120):
        at = plus(system.clock.now_text(), -86_400 * (60 - number / 2))
        rows.append(
            OutcomeEvidence(
                at=at,
                day=day_number(at),
                second=day_number(at) * 86_400 + 43_200,
                recommendation_id=f"rec_{number}",
                workflow_id=f"wf_{number}",
                agent_id="pricing-agent",
                recommendation_type="renewal",
                completed=1,
                points=0 if number % 15 == 0 else 2,
                quality=850,
                timely=1,
                agreed=number % 2,
                confident=1,
                confidence_millis=900,
            )
        )

    async def write(tx: Any) -> None:
        tx.append(*rows)

    await system.store.transact(WORKSPACE, write)


async def _knowledge(system: System, said: str) -> None:
    texts = (
        ("billing", "Invoices can be **reissued** within 30 days; the number stays the same."),
        ("billing", "A refund needs the approval of the account's owner."),
        ("shipping", "Parcels above 30 kg go by freight and take two days longer."),
        ("markup", f"Text that others wrote is shown as it is. {said}"),
    )
    ids = []
    for topic, content in texts:
        command = SubmitEntry(
            topic=topic,
            content=content,
            confidence_score=0.8,
            tags=["policy", topic],
            submitter="support-agent",
        )
        answer = await submitting.submit_entry(system.deps, MODEL, command, None)
        ids.append(answer.entry_id)
        await reviewing.decide(
            system.deps, ADA, answer.entry_id, Approve(), None, verdict="approve", notes="Checked."
        )
        await publishing.publish_entry(system.deps, WORKSPACE, answer.entry_id)
        system.clock.advance(600)
    await reviewing.retract(system.deps, ADA, ids[1], Retract(reason="out of date"), None)
    await publishing.publish_entry(system.deps, WORKSPACE, ids[1])


async def _monitor(system: System, said: str) -> None:
    await alerting.raise_alert(
        system.deps,
        WORKSPACE,
        rule="oldest_pending",
        key="oldest_pending",
        summary=f"An entry waits for 3 hours. {said}".strip(),
        evidence={},
    )
    event = Event(
        event_id="evt_1",
        type="entry.submitted",
        workspace=WORKSPACE,
        occurred_at=system.clock.now_text(),
        subject="ent_1",
    )
    await system.bus.bury("notify", event, 5, f"the channel does not answer {said}".strip())
    for number in range(12):
        points = [
            {"model": "router", "version": version, "name": "latency_ms", "value": value + number}
            for version, value in (("1", 40.0), ("2", 25.0))
        ]
        command = LogMetrics.model_validate({"points": points})
        await monitoring.log_metrics(system.deps, GRACE, command, None)
        system.clock.advance(300)
