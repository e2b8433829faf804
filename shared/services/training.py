"""Retrain: plan, and unless it is a dry run, apply. One run at a time in a workspace.

    begin (lease, gates) → plan (fold, compare) → apply (objects, pointer) → rows, alerts

A run happens within the request or the event that asked for it: on the cloud nothing runs after the
answer. Invariant: a run that fails or dies has changed nothing that is served.
"""

import logging
from itertools import accumulate

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.learning.runs import RUNS, TrainingRun
from shared.domain.learning.wording import Change
from shared.domain.records import Order
from shared.errors import NotFound, Paused, Unavailable, WhetstoneError
from shared.messages.base import Answer, Page, PageParams
from shared.messages.events import Event
from shared.messages.training import RunView
from shared.ports import Transaction
from shared.services import drifting, guarding, leasing, watching_trials
from shared.services.applying import apply, finished
from shared.services.deps import Deps
from shared.services.following import follow_up
from shared.services.planning import plan
from shared.services.run_changes import keep_changes
from shared.services.snapshots import head_of
from shared.services.unit import audited, once, remembered, writable


class _Told(Answer):
    """What an Idempotency-Key keeps of a run: which one it is, and whether it got the lease."""

    run_id: str
    going: bool = False


PREVIEW_CHANGES = 1000
"""Changes in the answer of a run that has just ended, at most; all are listed by run_changes."""

MOST_TOLD = 10_000
"""What changed, and what did not, in a page of runs: some 2 kB each, and Cloud Run sends 32 MiB."""

logger = logging.getLogger("whetstone.training")


async def start_run(
    deps: Deps, caller: Caller, reason: str, key: IdempotencyKey | None, *, dry_run: bool
) -> RunView:
    """Runs, or previews a run, for a person or a key; returns how it ended.

    The same Idempotency-Key is the same run: it is told again as it stands now, not run again.

    Raises:
        InvalidInput: the key was used before with another body, or for the other kind of run.
        Unavailable: the workspace is read-only.
    """
    await writable(deps, caller.workspace)
    if key is not None and dry_run:
        key.fingerprint += ":dry_run"  # a part of the request that is not in its body
    run = _requested(deps, caller, deps.ids.new("run"), reason or "request", dry_run=dry_run)
    if dry_run:
        return await _preview(deps, caller, run, key)
    view, _ = await _run(deps, caller, run, key)
    return view


async def run_for_event(deps: Deps, event: Event) -> RunView:
    """Runs because the schedule or a threshold asked for it; the same event is the same run.

    Raises:
        Unavailable: something did not answer; the run is tried again when the event comes again.
        Paused: the event came again while its run is under way. Should that have died, its lease
            ends and the run is tried again.
    """
    caller = Caller(event.workspace, "system:retrain", system=True)
    await writable(deps, caller.workspace)
    run_id = f"run_{event.event_id.removeprefix('evt_')}"
    trigger = str(event.data.get("reason", "event"))
    run = _requested(deps, caller, run_id, trigger, dry_run=False)
    view, error = await _run(deps, caller, run, None)
    if isinstance(error, Unavailable):
        raise error
    if view.status == "running":
        raise Paused(f"run {run_id} is under way since {view.started_at}")
    return view


async def list_runs(deps: Deps, caller: Caller, params: PageParams) -> Page[RunView]:
    """Returns runs, newest first, dry ones among them.

    A page ends before `limit` where its runs tell more than `MOST_TOLD`.
    """
    found = await _runs(deps, caller, params, params.limit)
    told = accumulate(len(run.changes) + len(run.unchanged) for run in found.items)
    room = max(1, sum(count <= MOST_TOLD for count in told))
    if room < len(found.items):
        found = await _runs(deps, caller, params, room)
    return Page(items=[view(run) for run in found.items], next_cursor=found.next_cursor)


async def _runs(deps: Deps, caller: Caller, params: PageParams, limit: int) -> Page[TrainingRun]:
    return await deps.store.find(
        caller.workspace,
        RUNS,
        order=Order("requested_at", descending=True),
        limit=limit,
        cursor=params.cursor,
    )


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
    fields = run.model_dump(exclude={"id", "changes", "changes_key"})
    shown = run.changes if changes is None else changes[:PREVIEW_CHANGES]
    return RunView(run_id=run.id, changes_preview=shown, **fields)


async def _preview(
    deps: Deps, caller: Caller, run: TrainingRun, key: IdempotencyKey | None
) -> RunView:
    known = await remembered(deps, caller, key, _Told)
    if known is not None:
        return await view_run(deps, caller, known.run_id)
    made = await plan(deps, caller.workspace, await head_of(deps, caller.workspace))
    changes_key = await keep_changes(deps, caller.workspace, run.id, made.changes)
    now = deps.clock.now_text()
    started = run.model_copy(update={"started_at": run.requested_at})
    done = finished(started, made, changes_key, now)

    async def work(tx: Transaction) -> _Told:
        tx.put(RUNS, done)
        tx.audit(audited(caller, now, "learning.run_previewed", run.id, changes=done.changes_total))
        return _Told(run_id=run.id)

    told = await once(deps, caller, key, _Told, work)
    if told.run_id != run.id:
        return await view_run(deps, caller, told.run_id)
    return view(done, made.changes)


async def _run(
    deps: Deps, caller: Caller, run: TrainingRun, key: IdempotencyKey | None
) -> tuple[RunView, Exception | None]:
    """Returns how the run ended, and what made it fail where it did."""
    taken_back = await _taken_back(deps, caller.workspace)
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> _Told:
        begun = await leasing.begin(tx, caller, run, now, taken_back)
        return _Told(run_id=begun.run.id, going=begun.going)

    told = await once(deps, caller, key, _Told, work)
    if not told.going or (key is not None and key.replayed):
        return await view_run(deps, caller, told.run_id), None
    running = run.model_copy(update={"status": "running", "started_at": now})
    try:
        await drifting.catch_up(deps, caller.workspace)
        made = await plan(deps, caller.workspace, await head_of(deps, caller.workspace))
        done = await apply(deps, caller, running, made)
    except Exception as error:  # noqa: BLE001 -- logged; the run's record says that it failed
        return view(await _failed(deps, caller, running, error)), error
    await follow_up(deps, caller.workspace, made.opened)
    return view(done, made.changes), None


async def _taken_back(deps: Deps, workspace: str) -> str | None:
    """Looks at quality before a run, and returns why none may follow now: a rollback just made.

    The run would learn the same again from the same evidence, before anyone has looked.
    """
    await watching_trials.look(deps, workspace)
    before = (await head_of(deps, workspace)).current_id
    await guarding.check_quality(deps, workspace)
    if (await head_of(deps, workspace)).current_id == before:
        return None
    return (
        f"Quality had fallen, so snapshot {before} was taken back just now. "
        "Look at the alert; if learning shall go on, ask for a run again."
    )


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
