"""The lease of learning: one run at a time in a workspace, and only where the gates are open.

Everything is decided in one transaction on the `LearningHead`. A process that dies leaves its lease
behind; it ends by itself after `LEASE_S`, and whoever comes next marks the dead run as failed.
"""

from dataclasses import dataclass

from shared.domain.access import SETTINGS, SETTINGS_ID, Caller, WorkspaceSettings
from shared.domain.learning.runs import LEARNING_HEADS, RUNS, LearningHead, TrainingRun
from shared.domain.times import Timestamp, plus
from shared.ports import Transaction
from shared.services.snapshots import HEAD
from shared.services.unit import audited

LEASE_S = 900.0
"""Seconds after which a run that did not end is taken for dead."""

DIED = "the process ended before the run did; nothing was changed"


@dataclass(frozen=True, slots=True)
class Begun:
    """A run as it was recorded; `going` says that it holds the lease and shall be carried out."""

    run: TrainingRun
    going: bool


async def begin(
    tx: Transaction,
    caller: Caller,
    run: TrainingRun,
    now: Timestamp,
    taken_back: str | None = None,
) -> Begun:
    """Takes the lease for a new run and records it as running, or as blocked with the reasons.

    A run that is known already is left alone unless it failed or died: then it is tried again.
    """
    head = await tx.get(LEARNING_HEADS, HEAD) or LearningHead(id=HEAD)
    settings = await tx.get(SETTINGS, SETTINGS_ID) or WorkspaceSettings(id=SETTINGS_ID)
    known = await tx.get(RUNS, run.id)
    held = holds(head, now)
    dead = await tx.get(RUNS, head.lease_run_id) if head.lease_run_id and not held else None
    if known is not None and (known.status in ("succeeded", "blocked") or held == known.id):
        return Begun(known, going=False)
    blocked_by = gates(settings, automatic=caller.system)
    if (trying := tried(head, settings)) is not None:
        blocked_by.append(trying)
    if taken_back is not None:
        blocked_by.append(taken_back)
    if held is not None:
        blocked_by.append(f"Run {held} is under way; it ends by {head.lease_until} at the latest.")
    if blocked_by:
        return _blocked(tx, caller, run, blocked_by, now)
    if dead is not None and dead.id != run.id and dead.status == "running":
        tx.put(RUNS, dead.model_copy(update=failure(DIED, now)))
        tx.audit(audited(caller, now, "learning.run_failed", dead.id, error=DIED))
    running = run.model_copy(update={"status": "running", "started_at": now})
    lease = {"lease_run_id": run.id, "lease_until": plus(now, LEASE_S)}
    tx.put(LEARNING_HEADS, head.model_copy(update=lease))
    tx.put(RUNS, running)
    tx.audit(audited(caller, now, "learning.run_started", run.id, trigger=run.trigger))
    return Begun(running, going=True)


def holds(head: LearningHead, now: Timestamp) -> str | None:
    """Returns the id of the run that holds a live lease, None where none does."""
    live = head.lease_until is not None and head.lease_until > now
    return head.lease_run_id if live else None


def tried(head: LearningHead, settings: WorkspaceSettings) -> str | None:
    """Returns which trial a run must wait for, in a sentence; None where none is in its way.

    Evidence that waits is not lost: the next run reads it.
    """
    trial = head.trial
    if trial is not None and trial.kind == "canary":
        candidate = trial.arms[-1].snapshot_id
        return f"Canary {trial.id} tries snapshot {candidate}: promote or revert it, or wait."
    if trial is not None and settings.canary_share > 0:
        return f"Experiment {trial.id} is under way, so that no canary can begin: stop it, or wait."
    return None


def gates(settings: WorkspaceSettings, *, automatic: bool) -> list[str]:
    """Returns why a run may not go ahead, in sentences; empty where it may.

    Args:
        settings: of the workspace.
        automatic: nobody asked for it: the schedule or a threshold did.
    """
    closed = []
    if settings.learning_stopped:
        closed.append("Learning is stopped in this workspace.")
    if settings.mode == "collect":
        closed.append("The workspace only collects evidence (mode collect).")
    if automatic and settings.mode == "manual":
        closed.append("Runs of this workspace need a person (mode manual).")
    if automatic and settings.hold is not None:
        closed.append(f"Automatic runs wait for a person: {settings.hold}")
    return closed


def failure(error: str, now: Timestamp) -> dict[str, object]:
    """Returns the fields of a run that failed."""
    return {"status": "failed", "error": error, "finished_at": now}


async def give_up(
    tx: Transaction, caller: Caller, run: TrainingRun, error: str, now: Timestamp
) -> TrainingRun:
    """Records that a run failed, and lets go of its lease where it still holds it.

    A run that is on record as succeeded did: only the answer to its last write was lost.
    """
    head = await tx.get(LEARNING_HEADS, HEAD)
    known = await tx.get(RUNS, run.id)
    if known is not None and known.status == "succeeded":
        return known
    failed = run.model_copy(update=failure(error, now))
    if head is not None and head.lease_run_id == run.id:
        free = {"lease_run_id": None, "lease_until": None}
        tx.put(LEARNING_HEADS, head.model_copy(update=free))
    tx.put(RUNS, failed)
    tx.audit(audited(caller, now, "learning.run_failed", run.id, error=error))
    return failed


def _blocked(
    tx: Transaction, caller: Caller, run: TrainingRun, blocked_by: list[str], now: Timestamp
) -> Begun:
    blocked = run.model_copy(
        update={"status": "blocked", "blocked_by": blocked_by, "finished_at": now}
    )
    tx.put(RUNS, blocked)
    tx.audit(audited(caller, now, "learning.run_blocked", run.id, trigger=run.trigger))
    return Begun(blocked, going=False)
