"""Acts 8 and 9: learning is undone in seconds and made current again, and the audit chain holds."""

import time

from demo.client import Refused
from demo.learning import current_snapshot, rollback
from demo.routing import Routed, route_test, same_routes
from demo.stage import Stage


async def undo(stage: Stage, start: str, newest: str, before: Routed, after: Routed) -> None:
    """Plays act 8: back to the snapshot from before learning, and forward again.

    Args:
        stage: where.
        start: the snapshot from before learning.
        newest: the one in use.
        before: where test prompts went with `start`.
        after: where they went after the run.
    """
    stage.heading("8  Rollback")
    began = time.monotonic()
    await rollback(stage, start, "the demo takes its learning back")
    took_s = time.monotonic() - began
    back = await route_test(stage, "routing as before")
    same = same_routes(back.choices, before.choices)
    stage.say(
        f"Back at {start} within {took_s:.1f} s, without retraining: "
        f"{same:,} of {len(back.choices):,} test prompts "
        f"go where they went before learning "
        f"({back.scores.accuracy:.2%}, ${back.scores.usd_per_1000:.4f})."
    )
    stage.facts["rollback"] = {"same_as_before": same, "prompts": len(back.choices)}
    await _forward(stage, newest, after)


async def _forward(stage: Stage, newest: str, after: Routed) -> None:
    try:
        await rollback(stage, newest, "the demo makes its learning current again")
    except Refused as error:
        stage.say(f"[yellow]The newest snapshot was not made current again:[/] {error}")
        return
    again = await route_test(stage, "routing as learned")
    same = same_routes(again.choices, after.choices)
    stage.say(
        f"And forward to {newest}: {same:,} of {len(again.choices):,} go "
        "where they went after learning."
    )
    stage.facts["forward"] = {"same_as_after": same, "current": await current_snapshot(stage)}


async def audit(stage: Stage) -> None:
    """Plays act 9."""
    stage.heading("9  Audit")
    found = await stage.machine.get("/v1/audit/verify")
    verdict = "the chain holds" if found["ok"] else f"[red]broken at {found['first_broken']}[/]"
    stage.say(f"{found['checked']:,} audit records checked: {verdict}.")
    stage.facts["audit"] = {"ok": found["ok"], "checked": found["checked"]}
