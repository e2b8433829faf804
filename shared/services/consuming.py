"""Events are delivered at least once; each consumer handles each event once.

What a handler changes is idempotent by itself (it writes under ids that follow from the event);
the mark that the event was handled only spares the work of doing it again.
"""

from collections.abc import Awaitable, Callable

from shared.domain.operations import CONSUMED, Consumed
from shared.domain.times import plus
from shared.messages.events import Event, FunctionName
from shared.ports import Transaction
from shared.services.deps import Deps

REMEMBERED_DAYS = 14
"""Days after which a repeated delivery would be handled again; no bus keeps an event that long."""


async def handle_once(
    deps: Deps, consumer: FunctionName, event: Event, work: Callable[[], Awaitable[None]]
) -> bool:
    """Runs `work` unless `consumer` has handled the event before; tells whether it ran."""
    mark = f"{consumer}:{event.event_id}"
    if await deps.store.get(event.workspace, CONSUMED, mark) is not None:
        return False
    await work()
    expires_at = plus(deps.clock.now_text(), REMEMBERED_DAYS * 86_400)

    async def remember(tx: Transaction) -> None:
        tx.put(CONSUMED, Consumed(id=mark, expires_at=expires_at))

    await deps.store.transact(event.workspace, remember)
    return True
