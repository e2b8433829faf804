"""Runs, snapshots and rollbacks, as the acts ask for them."""

from typing import Any

import click
from rich.table import Table

from demo.stage import Stage, until

Json = dict[str, Any]
_SHOWN = 60


async def current_snapshot(stage: Stage) -> str | None:
    """Returns the snapshot that serving uses now."""
    found = (await stage.machine.get("/v1/routing/policy"))["snapshot_id"]
    return None if found is None else str(found)


async def run(stage: Stage, what: str, *, dry: bool = False) -> Json:
    """Returns a finished run; a real one is also in use by then.

    Raises:
        ClickException: it was blocked or failed.
    """
    begun = await stage.machine.post(
        "/v1/learning/runs", key=stage.key(what), dry_run="true" if dry else "false"
    )

    async def ask() -> Json | None:
        if begun["status"] not in {"queued", "running"}:
            return begun
        found = await stage.machine.get(f"/v1/learning/runs/{begun['run_id']}")
        return None if found["status"] in {"queued", "running"} else found

    done = await until(f"the {what} ends", ask)
    if done["status"] != "succeeded":
        said = "; ".join(done["blocked_by"]) or done.get("error")
        raise click.ClickException(f"the {what} is {done['status']}: {said}")
    if not dry:
        await in_use(stage, done["snapshot_id"])
    return done


async def in_use(stage: Stage, snapshot_id: str) -> None:
    """Waits until serving uses a snapshot, which it promises within two seconds."""

    async def ask() -> bool | None:
        return True if await current_snapshot(stage) == snapshot_id else None

    await until(f"{snapshot_id} is in use", ask)


async def rollback(stage: Stage, snapshot_id: str, reason: str) -> None:
    """Makes an earlier snapshot current and waits until it is in use."""
    body = {"snapshot_id": snapshot_id, "reason": reason}
    await stage.machine.post("/v1/learning/rollback", body, key=stage.key(reason))
    await in_use(stage, snapshot_id)


def changes_table(changes: list[Json]) -> Table:
    """Returns routing changes: per pattern the old and the new model, and the evidence of both."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("subject", "from", "to", "right, of n, $ per 1,000"):
        table.add_column(title, overflow="fold")
    for change in changes[:_SHOWN]:
        old, new = change["evidence"]["old"], change["evidence"]["new"]
        shown = f"{_shown(old)} → {_shown(new)}"
        table.add_row(change["pattern"], _name(change["old"]), _name(change["new"]), shown)
    return table


def reasons(changes: list[Json]) -> list[str]:
    """Returns why, in the server's own words, a line for each routing change."""
    return [f"  {change['pattern']}: {change['why']}" for change in changes[:_SHOWN]]


def _name(model: Json | None) -> str:
    return model["model"] if model else "(default)"


def _shown(figures: Json | None) -> str:
    if figures is None:
        return "no ratings"
    cost = figures["mean_cost_usd"]
    price = "?" if cost is None else f"${1000 * cost:.3f}"
    return f"{figures['correctness']:.0%} of {figures['n']}, {price}"
