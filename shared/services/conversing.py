"""Completed conversations are counted, and every so many of them ask for a training run.

The count is one small record of the workspace, read and written in one transaction, so that each
crossing asks exactly once. On Firestore that is a document with a sustained rate of about one write
a second: busy callers report many conversations in one call.
"""

from pydantic import JsonValue

from shared.domain.access import Caller, IdempotencyKey
from shared.domain.feedback import CONVERSATIONS, ConversationCount
from shared.messages.rating import CompleteConversations, ConversationsCompleted
from shared.ports import Transaction
from shared.services.deps import Deps
from shared.services.unit import audited, event, once, writable


async def complete_conversations(
    deps: Deps, caller: Caller, command: CompleteConversations, key: IdempotencyKey | None
) -> ConversationsCompleted:
    """Counts conversations; asks for one run where the count passes a multiple of the setting."""
    settings = await writable(deps, caller.workspace)
    every, now = settings.runs_after_conversations, deps.clock.now_text()

    async def work(tx: Transaction) -> ConversationsCompleted:
        known = await tx.get(CONVERSATIONS, "conversations")
        before = known.completed if known else 0
        completed = before + command.count
        asks = completed // every > before // every
        tx.put(CONVERSATIONS, ConversationCount(id="conversations", completed=completed))
        tx.audit(audited(caller, now, "conversations.completed", "conversations", count=completed))
        if asks:
            facts: dict[str, JsonValue] = {"reason": "conversations", "completed": completed}
            tx.emit(event(deps, caller, now, "learning.requested", "conversations", **facts))
        left = every - completed % every
        return ConversationsCompleted(completed=completed, next_run_in=left, run_requested=asks)

    return await once(deps, caller, key, ConversationsCompleted, work)
