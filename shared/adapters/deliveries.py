"""Deliveries that did not succeed, as records: the part that every bus has in common.

Whatever carries the events, one that waits for an operator or was given up is a record of
`DELIVERIES`: the command line, the console and the alerts read one place. Invariant: a record is
taken away only where it is still what was read, so that a failure recorded meanwhile is not lost.
"""

import logging
from dataclasses import dataclass

from shared.domain.operations import DELIVERIES, Delivery
from shared.domain.records import SYSTEM_WORKSPACE, Filter, Order
from shared.errors import PERMANENT, Paused, WhetstoneError
from shared.messages.events import Event
from shared.ports import Clock, DeadLetter, Store, Transaction

LONGEST_ERROR = 500
"""Characters of an error that are kept."""

logger = logging.getLogger("whetstone.bus")


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with a delivery.

    `paused` where an operator holds its consumer back, which uses up no tries; `final` where
    another try cannot help.
    """

    text: str
    paused: bool = False
    final: bool = False


def failure_of(error: Exception) -> Failure:
    """Returns what an error of a consumer means for the delivery; a bug may be mended meanwhile."""
    if isinstance(error, WhetstoneError):
        text = f"{type(error).__name__}: {error.detail}"
        return Failure(text, isinstance(error, Paused), isinstance(error, PERMANENT))
    return Failure(f"{type(error).__name__}: {error}")


class Deliveries:
    """The records of deliveries that failed.

    Args:
        store: where they are.
        clock: dates them.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def of(self, consumer: str, event: Event) -> Delivery:
        """Returns the record of a delivery; a new one that is not stored yet where none is."""
        id = f"{consumer}:{event.event_id}"
        known = await self._store.get(SYSTEM_WORKSPACE, DELIVERIES, id)
        return known or self.untried(consumer, event)

    def untried(self, consumer: str, event: Event) -> Delivery:
        """Returns a record without tries, due now; it is not stored."""
        now = self._clock.now_text()
        return Delivery(
            id=f"{consumer}:{event.event_id}",
            consumer=consumer,
            event_id=event.event_id,
            event_type=event.type,
            tenant=event.workspace,
            event=event.model_dump_json(),
            state="retrying",
            attempts=0,
            last_error="",
            next_attempt_at=now,
            created_at=now,
        )

    async def keep(self, delivery: Delivery) -> None:
        """Stores a record; one that is dead is an error for someone to look at."""
        kept = delivery.model_copy(update={"last_error": delivery.last_error[:LONGEST_ERROR]})

        async def write(tx: Transaction) -> None:
            tx.put(DELIVERIES, kept)

        await self._store.transact(SYSTEM_WORKSPACE, write)
        if kept.state == "dead":
            logger.error("event.dead_letter", extra={"delivery": kept.id, "error": kept.last_error})

    async def replace(self, seen: Delivery, new: Delivery | None) -> bool:
        """Puts `new` (None: nothing) in the place of `seen`; False where that has changed since."""

        async def swap(tx: Transaction) -> bool:
            if await tx.get(DELIVERIES, seen.id) != seen:
                return False
            if new is None:
                tx.delete(DELIVERIES, seen.id)
            else:
                tx.put(DELIVERIES, new)
            return True

        return await self._store.transact(SYSTEM_WORKSPACE, swap)

    async def due(self, limit: int) -> list[Delivery]:
        """Returns deliveries whose next try is due, longest waiting first."""
        now = self._clock.now_text()
        waiting = await self._find("retrying", None, limit)
        return [one for one in waiting if one.next_attempt_at <= now]

    async def dead_letters(self, workspace: str | None, limit: int) -> list[DeadLetter]:
        """Returns dead letters, oldest first; of all workspaces where `workspace` is None."""
        return [
            DeadLetter(
                one.id,
                one.consumer,
                Event.model_validate_json(one.event),
                one.attempts,
                one.last_error,
                one.created_at,
            )
            for one in await self._find("dead", workspace, limit)
        ]

    async def revive(self, id: str) -> Delivery | None:
        """Gives a dead letter its tries back, due now; None where there is none of that id."""
        now = self._clock.now_text()

        async def work(tx: Transaction) -> Delivery | None:
            dead = await tx.get(DELIVERIES, id)
            if dead is None or dead.state != "dead":
                return None
            changes = {"state": "retrying", "attempts": 0, "next_attempt_at": now}
            revived = dead.model_copy(update=changes)
            tx.put(DELIVERIES, revived)
            return revived

        return await self._store.transact(SYSTEM_WORKSPACE, work)

    async def _find(self, state: str, workspace: str | None, limit: int) -> list[Delivery]:
        filters = [Filter("state", "==", state)]
        if workspace is not None:
            filters.append(Filter("tenant", "==", workspace))
        order, cursor = Order("next_attempt_at"), None
        found: list[Delivery] = []
        while True:
            room = limit - len(found)
            page = await self._store.find(
                SYSTEM_WORKSPACE, DELIVERIES, *filters, order=order, limit=room, cursor=cursor
            )
            found += page.items
            cursor = page.next_cursor
            if cursor is None or len(found) >= limit:
                return found
