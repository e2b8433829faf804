"""Retrain: plan, and unless it is a dry run, apply. One run at a time in a workspace.

    begin (lease, gates) → plan (fold, compare) → apply (objects, pointer) → rows, alerts

A run happens within the request or the event that asked for it: on the cloud nothing runs after the
answer. Invariant: a run that fails or dies has changed nothing that is served.
"""

import logging

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.learning.explain import Change
from shared.domain.learning.runs import RUNS, TrainingRun
from shared.domain.records import Order
from shared.errors import NotFound, WhetstoneError
from shared.messages.base import Page, PageParams
from shared.messages.events import Event
from shared.messages.training import RunView
from shared.ports import Transaction
from shared.services import guarding, leasing, projecting
from shared.services.alerting import raise_alert, resolve_alert
from shared.services.applying import apply, finished
from shared.services.deps import Deps
from shared.services.leasing import Begun
from shared.services.planning import Plan, plan
from shared.services.snapshots import head_of
from shared.services.unit import audited, writable

PREVIEW_CHANGES = 1000
"""Changes in an answer, at most."""

_ID_CHARACTERS = 20

INTERNAL = "an error of ours, which was logged; nothing was changed"

logger = logging.getLogger("whetstone.training")


async def start_run(
    deps: Deps, caller: Caller, reason: str, key: IdempotencyKey | None, *, dry_run: bool
) -> RunView:
    """Runs, or previews a run, for a person or a key; returns how it ended.

    The same Idempotency-Key is the same run: it is told again, not run again.

    Raises:
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    run_id = deps.ids.new("run") if key is None else f"run_{key.id[:_ID_CHARACTERS]}"
    known = None if key is None else await deps.store.get(caller.workspace, RUNS, run_id)
    if key is not None and known is not None and known.status in ("succeeded", "blocked"):
        key.replayed = True
        return view(known)
    run = _requested(deps, caller, run_id, reason or "request", dry_run=dry_run)
    return await (_preview(deps, caller, run) if dry_run else _run(deps, caller, run))


async def run_for_event(deps: Deps, event: Event) -> RunView:
    """Runs because the schedule or a threshold asked for it; the same event is the same run."""
    caller = Caller(event.workspace, "system:retrain", system=True)
    await writable(deps, caller.workspace)
    run_id = f"run_{event.event_id.removeprefix('evt_')}"
    trigger = str(event.data.get("reason", "event"))
    return await _run(deps, caller, _requested(deps, caller, run_id, trigger, dry_run=False))


async def list_runs(deps: Deps, caller: Caller, params: PageParams) -> Page[RunView]:
    """Returns runs, newest first, dry ones among them."""
    found = await deps.store.find(
        caller.workspace,
        RUNS,
        order=Order("requested_at", descending=True),
        limit=params.limit,
        cursor=params.cursor,
    )
    return Page(items=[view(run) for run in found.items], next_cursor=found.next_cursor)


async def view_run(deps: Deps, caller: Caller, run_id: str) -> RunView:
    """Returns a run.

    Raises:
        NotFound: there is none of this id in the workspace.
    """
    run = await deps.store.get(caller.workspace, RUNS, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id} in this workspace")
    return view(run)


def view(run: TrainingRun, changes: list[Change] | None = None) -> RunView:
    """Returns a run as callers see it, with all its changes where they are at hand."""
    fields = run.model_dump(exclude={"id", "changes"})
    shown = run.changes if changes is None else changes[:PREVIEW_CHANGES]
    return RunView(run_id=run.id, changes_preview=shown, **fields)


async def _preview(deps: Deps, caller: Caller, run: TrainingRun) -> RunView:
    made = await plan(deps, caller.workspace, await head_of(deps, caller.workspace))
    now = deps.clock.now_text()
    done = finished(run.model_copy(update={"started_at": run.requested_at}), made, now)

    async def work(tx: Transaction) -> None:
        tx.put(RUNS, done)
        tx.audit(audited(caller, now, "learning.run_previewed", run.id, changes=done.changes_total))

    await deps.store.transact(caller.workspace, work)
    return view(done, made.changes)


async def _run(deps: Deps, caller: Caller, run: TrainingRun) -> RunView:
    await guarding.check_quality(deps, caller.workspace)
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> Begun:
        return await leasing.begin(tx, caller, run, now)

    begun = await deps.store.transact(caller.workspace, work)
    if not begun.going:
        return view(begun.run)
    try:
        made = await plan(deps, caller.workspace, await head_of(deps, caller.workspace))
        done = await apply(deps, caller, begun.run, made)
    except Exception as error:  # noqa: BLE001 -- logged; the run's record says that it failed
        return view(await _failed(deps, caller, begun.run, error))
    await projecting.project(deps, caller.workspace)
    await _tell_trust(deps, caller.workspace, made)
    return view(done, made.changes)


async def _failed(deps: Deps, caller: Caller, run: TrainingRun, error: Exception) -> TrainingRun:
    extra = {"run_id": run.id, "workspace": caller.workspace}
    logger.error("learning.run_failed", extra=extra, exc_info=error)
    known = (
        error.detail if isinstance(error, WhetstoneError) else "an internal error; it was logged"
    )
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> TrainingRun:
        return await leasing.give_up(tx, caller, run, known, now)

    return await deps.store.transact(caller.workspace, work)


async def _tell_trust(deps: Deps, workspace: str, made: Plan) -> None:
    """Raises an alert for each agent that lost its trust, resolves it where it came back."""
    for change in made.changes:
        if change["kind"] != "trust" or change["change"] not in ("disabled", "enabled"):
            continue
        key = f"agent_disabled:{change['subject']}:{change['recommendation_type']}"
        why = str(change["why"])
        if change["change"] == "enabled":
            await resolve_alert(deps, workspace, key=key, reason=why)
            continue
        evidence = {"agent_id": change["subject"], "card": change["evidence"]}
        await raise_alert(
            deps, workspace, rule="agent_disabled", key=key, summary=why, evidence=evidence
        )


def _requested(
    deps: Deps, caller: Caller, run_id: str, trigger: str, *, dry_run: bool
) -> TrainingRun:
    return TrainingRun(
        id=run_id,
        status="queued",
        dry_run=dry_run,
        trigger=trigger,
        requested_by=caller.subject,
        requested_at=deps.clock.now_text(),
    )
