"""Rollback: the pointer moves to an earlier snapshot. Seconds, no retraining, nothing deleted.

A run that is under way loses its lease, a canary or an experiment ends, and automatic runs wait for
a person: else the next one would learn the same again from the same evidence.
"""

from shared.domain.access import SETTINGS, SETTINGS_ID, Caller, IdempotencyKey, WorkspaceSettings
from shared.domain.learning.runs import LEARNING_HEADS, RUNS, SNAPSHOTS
from shared.domain.learning.trials import TRIALS, TrialState
from shared.errors import Conflict, NotFound
from shared.messages.training import RollBack, RolledBack
from shared.ports import Transaction
from shared.services.applying import pointer
from shared.services.deps import Deps
from shared.services.following import follow_up
from shared.services.leasing import failure
from shared.services.snapshots import HEAD, open_snapshot
from shared.services.trying import Ending, end
from shared.services.unit import audited, event, once, writable

OVERTAKEN = "a rollback came in between; nothing was changed"


async def roll_back(
    deps: Deps, caller: Caller, command: RollBack, key: IdempotencyKey | None
) -> RolledBack:
    """Makes an earlier snapshot current.

    Raises:
        NotFound: no such snapshot in this workspace.
        Conflict: it is current already, or in quarantine.
        CorruptData: its content is damaged; nothing was changed.
    """
    await writable(deps, caller.workspace)
    return await move_back(deps, caller, command, key)


async def move_back(
    deps: Deps,
    caller: Caller,
    command: RollBack,
    key: IdempotencyKey | None,
    *,
    instead_of: str | None = None,
) -> RolledBack:
    """Moves the pointer, once the snapshot was read whole; see `roll_back`.

    Args:
        deps: the ports.
        caller: who wants it.
        command: what shall be current, and why.
        key: makes it once.
        instead_of: what must still be current; anything where None.
    """
    snapshot_id, reason = command.snapshot_id, command.reason
    await open_snapshot(deps, caller.workspace, snapshot_id)
    now = deps.clock.now_text()

    async def work(tx: Transaction) -> RolledBack:
        head = await tx.get(LEARNING_HEADS, HEAD)
        known = await tx.get(SNAPSHOTS, snapshot_id)
        settings = await tx.get(SETTINGS, SETTINGS_ID) or WorkspaceSettings(id=SETTINGS_ID)
        stopped = await tx.get(RUNS, head.lease_run_id) if head and head.lease_run_id else None
        trial = await tx.get(TRIALS, head.trial.id) if head and head.trial else None
        if head is None or known is None:
            raise NotFound(f"there is no snapshot {snapshot_id} in this workspace")
        if head.current_id == snapshot_id or instead_of not in (None, head.current_id):
            raise Conflict(f"snapshot {head.current_id} is current already; nothing was changed")
        if known.quarantine is not None:
            raise Conflict(f"snapshot {snapshot_id} is in quarantine: {known.quarantine}")
        hold = f"rolled back to {snapshot_id} by {caller.subject}: {reason}"
        free = {"lease_run_id": None, "lease_until": None}
        moved = {**free, **pointer(head, snapshot_id, now)}
        if trial is None:
            tx.put(LEARNING_HEADS, head.model_copy(update={**moved, "trial": None}))
        else:
            state: TrialState = "reverted" if trial.kind == "canary" else "stopped"
            end(tx, deps, caller, head, trial, Ending(state, hold, head=moved), now)
        if stopped is not None and stopped.status == "running":
            tx.put(RUNS, stopped.model_copy(update=failure(OVERTAKEN, now)))
        tx.put(SETTINGS, settings.model_copy(update={"hold": hold}))
        facts = {"snapshot_id": snapshot_id, "previous_id": head.current_id, "reason": reason}
        tx.audit(audited(caller, now, "learning.rolled_back", snapshot_id, **facts))
        tx.emit(event(deps, caller, now, "learning.rolled_back", snapshot_id, **facts))
        return RolledBack(
            snapshot_id=snapshot_id, previous_id=head.current_id, current_since=now, hold=hold
        )

    done = await once(deps, caller, key, RolledBack, work)
    deps.settings_seen.pop(caller.workspace, None)
    await follow_up(deps, caller.workspace)
    return done
