"""The job: once a day a backup, in as many calls as it takes, and then what is too old goes."""

from typing import Literal

from shared.domain.times import seconds_between
from shared.messages.base import Answer
from shared.services.backup.pruning import DAY_S, prune
from shared.services.backup.shelf import Shelf
from shared.services.backup.taking import Wish, take
from shared.services.deps import Deps

EVERY_S = DAY_S - 1_800.0
"""A backup is due half an hour before the last one is a day old, so that its hour stays."""


class BackupDone(Answer):
    """What a call of the job did.

    `state` is `off` where no place is set, `not_due`, `complete`, or `going_on` where the next call
    goes on. `missing` objects could not be read; `removed` backups were too old.
    """

    state: Literal["off", "not_due", "going_on", "complete"]
    backup_id: str | None = None
    rows: int = 0
    size_bytes: int = 0
    missing: int = 0
    removed: int = 0


async def back_up(deps: Deps, software: str, budget_s: float, keep_days: int) -> BackupDone:
    """Goes on with the backup that was begun, or begins one where it is due.

    Args:
        deps: the ports.
        software: the version that runs.
        budget_s: seconds that this call may take, about.
        keep_days: days after which older backups go.

    Raises:
        Unavailable: the store or the place does not answer; the next call goes on.
        Conflict: another call is at it.
    """
    if deps.backups is None:
        return BackupDone(state="off")
    shelf = Shelf(deps.backups)
    last = await shelf.newest()
    now = deps.clock.now_text()
    if last is not None and seconds_between(last.started_at, now) < EVERY_S:
        return BackupDone(state="not_due", backup_id=last.id)
    manifest = await take(deps, deps.backups, Wish(software=software, budget_s=budget_s))
    removed = 0
    if manifest.complete:
        removed = len((await prune(deps, deps.backups, keep_days)).backups)
    return BackupDone(
        state="complete" if manifest.complete else "going_on",
        backup_id=manifest.id,
        rows=manifest.rows,
        size_bytes=manifest.size_bytes,
        missing=sum(len(one.missing) for one in manifest.workspaces),
        removed=removed,
    )
