"""Hold: of the processes that are asked to do a job at once, one does it.

Invariant: the hold ends by itself, so that a process that dies holds nothing up for long. Whoever
held it may still be at work then: what is done under a hold must bear being done twice.
"""

from shared.domain.operations import JOB_STATES, JobState
from shared.domain.records import SYSTEM_WORKSPACE
from shared.domain.times import plus
from shared.ports import Transaction
from shared.services.deps import Deps


async def hold(deps: Deps, job: str, seconds: float) -> str | None:
    """Takes the hold of a job and returns the holder's name, None where another has it."""
    holder = deps.ids.new("hold")
    now = deps.clock.now_text()

    async def take(tx: Transaction) -> str | None:
        known = await tx.get(JOB_STATES, job) or JobState(id=job)
        if known.held_until is not None and known.held_until > now:
            return None
        taken = {"held_by": holder, "held_until": plus(now, seconds)}
        tx.put(JOB_STATES, known.model_copy(update=taken))
        return holder

    return await deps.store.transact(SYSTEM_WORKSPACE, take)


async def let_go(deps: Deps, job: str, holder: str) -> None:
    """Ends a hold, where it is still `holder`'s."""

    async def free(tx: Transaction) -> None:
        known = await tx.get(JOB_STATES, job)
        if known is not None and known.held_by == holder:
            tx.put(JOB_STATES, known.model_copy(update={"held_by": None, "held_until": None}))

    await deps.store.transact(SYSTEM_WORKSPACE, free)


async def is_paused(deps: Deps, job: str) -> bool:
    """Tells whether an operator holds a job back."""
    known = await deps.store.get(SYSTEM_WORKSPACE, JOB_STATES, job)
    return known is not None and known.paused
