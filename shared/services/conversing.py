"""Completed conversations are counted, and every so many of them ask for a training run.

The count is a counter, which many may add to at once; the one record beside it says at which count
a run was last asked for, and moves once for each run. Invariant: no two calls ask for the same
multiple, since both would move that record from the same place.

Calls that come one at a time get exact counts. Of calls that run at the same time each counts what
was there when it began, so several may be told the same figure; none is lost, and where together
they pass a multiple that none of them saw, one asks for the run behind them.
"""

from pydantic import JsonValue

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.feedback import CONVERSATIONS, ConversationCount
from shared.domain.times import Timestamp
from shared.messages.rating import CompleteConversations, ConversationsCompleted
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.unit import audited, event, once, writable

COUNTER = "conversations"
_ID = "conversations"


async def complete_conversations(
    deps: Deps, caller: Caller, command: CompleteConversations, key: IdempotencyKey | None
) -> ConversationsCompleted:
    """Counts conversations; asks for one run where the count passes a multiple of the setting."""
    settings = await writable(deps, caller.workspace)
    every, now = settings.runs_after_conversations, deps.clock.now_text()
    completed = await _counted(deps, caller.workspace) + command.count
    passes = await _passes(deps, caller.workspace, completed, every)

    async def work(tx: Transaction) -> ConversationsCompleted:
        asks = passes and await _moves(tx, completed, every)
        tx.add(COUNTER, {"completed": command.count})
        tx.audit(audited(caller, now, "conversations.completed", _ID, count=completed))
        if asks:
            _ask(deps, tx, caller, completed, now)
        left = every - completed % every
        return ConversationsCompleted(completed=completed, next_run_in=left, run_requested=asks)

    answer = await once(deps, caller, key, ConversationsCompleted, work)
    await _ask_for_the_crowd(deps, caller, every, now)
    return answer


async def _ask_for_the_crowd(deps: Deps, caller: Caller, every: int, now: Timestamp) -> None:
    """Asks for a run where calls have passed a multiple together that each of them did not."""
    completed = await _counted(deps, caller.workspace)
    if not await _passes(deps, caller.workspace, completed, every):
        return

    async def work(tx: Transaction) -> None:
        if await _moves(tx, completed, every):
            _ask(deps, tx, caller, completed, now)

    await deps.store.transact(caller.workspace, work)


async def _counted(deps: Deps, workspace: str) -> int:
    return (await deps.store.counter(workspace, COUNTER)).get("completed", 0)


async def _passes(deps: Deps, workspace: str, completed: int, every: int) -> bool:
    known = await deps.store.get(workspace, CONVERSATIONS, _ID)
    return _further(known, completed, every)


async def _moves(tx: Transaction, completed: int, every: int) -> bool:
    return _further(await tx.get(CONVERSATIONS, _ID), completed, every)


def _further(known: ConversationCount | None, completed: int, every: int) -> bool:
    """Tells whether `completed` lies beyond the multiple that a run was last asked for at."""
    before = known.completed if known else 0
    return completed // every > before // every


def _ask(deps: Deps, tx: Transaction, caller: Caller, completed: int, now: Timestamp) -> None:
    tx.put(CONVERSATIONS, ConversationCount(id=_ID, completed=completed))
    facts: dict[str, JsonValue] = {"reason": "conversations", "completed": completed}
    tx.emit(event(deps, caller, now, "learning.requested", _ID, **facts))
