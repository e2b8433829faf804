"""Applying a plan: keeps its objects, then makes its snapshot current by one atomic pointer move.

Where the workspace wants a canary, the snapshot becomes its candidate instead, in the same
transaction (see canarying). Invariant: whatever is current was written whole before it became so,
and only the holder of the lease moves the pointer forward.
"""

from pydantic import JsonValue

from shared.domain.access import SETTINGS, SETTINGS_ID, Caller, WorkspaceSettings
from shared.domain.learning.runs import (
    LEARNING_HEADS,
    RUNS,
    SNAPSHOTS,
    LearningHead,
    SnapshotInfo,
    TrainingRun,
)
from shared.domain.learning.snapshot import checksum
from shared.domain.learning.trials import CANDIDATE, CURRENT, TRIALS, Arm
from shared.domain.times import Timestamp
from shared.errors import Conflict
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.planning import Plan
from shared.services.run_changes import KEPT, keep_changes
from shared.services.snapshots import HEAD, keep_blob, snapshot_key, state_key
from shared.services.trying import Opening, opened
from shared.services.unit import audited, event


async def apply(deps: Deps, caller: Caller, run: TrainingRun, plan: Plan) -> TrainingRun:
    """Makes the plan's snapshot current and returns the run as it ended.

    A plan that leads to the snapshot that is current already changes nothing, and one that leads to
    a snapshot in quarantine is blocked. A person's run lifts the hold that a rollback has put on
    automatic ones.

    Raises:
        Conflict: the run lost its lease (it took too long, or a rollback came in between).
    """
    workspace = caller.workspace
    info = _info(workspace, run, plan, deps.clock.now_text())
    await keep_blob(deps, info.blob_key, plan.snapshot_data)
    await keep_blob(deps, info.state_key, plan.state_data)
    changes_key = await keep_changes(deps, workspace, run.id, plan.changes)
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> TrainingRun:
        head = await tx.get(LEARNING_HEADS, HEAD)
        if head is None or head.lease_run_id != run.id:
            raise Conflict(f"run {run.id} lost its lease to a rollback or another run; start anew")
        known = await tx.get(SNAPSHOTS, plan.snapshot_id)
        settings = await tx.get(SETTINGS, SETTINGS_ID)
        if known is not None and known.quarantine is not None:
            return _refused(tx, caller, head, finished(run, plan, changes_key, now), known)
        done = finished(run, plan, changes_key, now)
        free = {"tip_id": plan.snapshot_id, "lease_run_id": None, "lease_until": None}
        canary = _canary(deps, caller, head, plan, settings, now)
        change = {"trial": canary.active} if canary else pointer(head, plan.snapshot_id, now)
        moved = head.model_copy(update={**free, **change})
        tx.put(LEARNING_HEADS, moved)
        tx.put(RUNS, done)
        if canary is not None:
            _try_out(tx, deps, caller, canary, now)
        if known is None:
            tx.create(SNAPSHOTS, info)
        if settings is not None and settings.hold is not None and not caller.system:
            tx.put(SETTINGS, settings.model_copy(update={"hold": None}))
        facts = _facts(done, head)
        tx.audit(audited(caller, now, "learning.run_succeeded", run.id, **facts))
        if moved.current_id != head.current_id:
            tx.emit(event(deps, caller, now, "learning.completed", run.id, **facts))
        return done

    done = await deps.store.transact(workspace, work)
    deps.settings_seen.pop(workspace, None)
    return done


def _canary(
    deps: Deps,
    caller: Caller,
    head: LearningHead,
    plan: Plan,
    settings: WorkspaceSettings | None,
    now: Timestamp,
) -> Opening | None:
    """Returns the canary that the plan's snapshot begins with, None where it is served at once."""
    share = settings.canary_share if settings is not None else 0.0
    if settings is None or share <= 0 or plan.snapshot_id == head.current_id:
        return None
    if head.trial is not None:
        raise Conflict(f"{head.trial.id} began in between; start the run anew once it has ended")
    arms = [
        Arm(name=CURRENT, share=1 - share, snapshot_id=head.current_id),
        Arm(name=CANDIDATE, share=share, snapshot_id=plan.snapshot_id),
    ]
    return opened(
        deps,
        caller,
        "canary",
        name=f"snapshot {plan.snapshot_id}",
        arms=arms,
        read_from=plan.snapshot.ratings_watermark,
        max_days=settings.canary_max_days,
        now=now,
    )


def _try_out(tx: Transaction, deps: Deps, caller: Caller, canary: Opening, now: Timestamp) -> None:
    tx.create(TRIALS, canary.trial)
    facts: dict[str, JsonValue] = {
        "candidate_id": canary.trial.arm(CANDIDATE).snapshot_id,
        "current_id": canary.trial.arm(CURRENT).snapshot_id,
        "share": canary.trial.arm(CANDIDATE).share,
        "ends_at": canary.trial.ends_at,
    }
    tx.audit(audited(caller, now, "canary.started", canary.trial.id, **facts))
    tx.emit(event(deps, caller, now, "canary.started", canary.trial.id, **facts))


def _refused(
    tx: Transaction, caller: Caller, head: LearningHead, done: TrainingRun, known: SnapshotInfo
) -> TrainingRun:
    """Writes that a run came to what is in quarantine, and lets go of the lease."""
    reason = (
        f"The evidence leads to snapshot {known.id} again, which is in quarantine: "
        f"{known.quarantine} Wait for more evidence, or lift the quarantine with a reason."
    )
    blocked = done.model_copy(update={"status": "blocked", "blocked_by": [reason]})
    free = {"lease_run_id": None, "lease_until": None}
    tx.put(LEARNING_HEADS, head.model_copy(update=free))
    tx.put(RUNS, blocked)
    when = done.finished_at or ""
    tx.audit(audited(caller, when, "learning.run_blocked", done.id, trigger=done.trigger))
    return blocked


def pointer(head: LearningHead, snapshot_id: str, now: Timestamp) -> dict[str, JsonValue]:
    """Returns the fields of a head that points to `snapshot_id`; none where it does already.

    Rows for operators that were being brought up to date count as a mixture from then on.
    """
    if head.current_id == snapshot_id:
        return {}
    shown = head.projected_id if head.projected_id == head.current_id else None
    return {
        "current_id": snapshot_id,
        "previous_id": head.current_id,
        "current_since": now,
        "projected_id": shown,
    }


def finished(run: TrainingRun, plan: Plan, changes_key: str | None, now: Timestamp) -> TrainingRun:
    """Returns the record of a run that came to this plan; its changes are kept at the key."""
    return run.model_copy(
        update={
            "status": "succeeded",
            "finished_at": now,
            "ratings_read": plan.ratings_read,
            "outcomes_read": plan.outcomes_read,
            "snapshot_id": plan.snapshot_id,
            "parent_id": plan.parent_id,
            "rated": plan.rated,
            "before": plan.before,
            "after": plan.after,
            "off_policy": plan.off_policy,
            "changes": plan.changes[:KEPT],
            "changes_total": len(plan.changes),
            "changes_key": changes_key,
            "unchanged": plan.unchanged,
        }
    )


def _info(workspace: str, run: TrainingRun, plan: Plan, now: Timestamp) -> SnapshotInfo:
    return SnapshotInfo(
        id=plan.snapshot_id,
        parent_id=plan.parent_id,
        run_id=run.id,
        blob_key=snapshot_key(workspace, plan.snapshot_id),
        state_key=state_key(workspace, plan.state_data),
        checksum=checksum(plan.snapshot_data),
        ratings_watermark=plan.snapshot.ratings_watermark,
        outcomes_watermark=plan.snapshot.outcomes_watermark,
        created_at=now,
        metrics={
            "before": plan.before,
            "after": plan.after,
            "totals": plan.snapshot.totals.model_dump(mode="json"),
            "insights": plan.insights,
        },
    )


def _facts(run: TrainingRun, head: LearningHead) -> dict[str, JsonValue]:
    return {
        "snapshot_id": run.snapshot_id,
        "previous_id": head.current_id,
        "ratings_read": run.ratings_read,
        "outcomes_read": run.outcomes_read,
        "changes": run.changes_total,
        "trigger": run.trigger,
    }
