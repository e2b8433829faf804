"""The embedded bus.

Hands each event to its consumers in this process, and keeps what failed for another try.
A delivery that fails is a record in the store, so that it outlives the process: tried again with
doubling pauses, and a dead letter after the last try, until someone replays it. A consumer that is
paused by an operator uses up no tries.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.domain.operations import DELIVERIES, Delivery
from shared.domain.records import SYSTEM_WORKSPACE, Filter, Order
from shared.domain.times import plus
from shared.errors import Paused, WhetstoneError
from shared.messages.events import FLOW, Event
from shared.ports import Clock, DeadLetter, Store, Transaction

Consumer = Callable[[Event], Awaitable[None]]

logger = logging.getLogger("whetstone.bus")

LONGEST_ERROR = 500
"""Characters of an error that are kept."""

CONCURRENT = 16
"""Events that are handled at the same time."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a consumer is tried (`attempts`), and the pauses in between.

    Doubling from first to longest, in seconds.
    """

    attempts: int = 5
    first_backoff_s: float = 1.0
    longest_backoff_s: float = 600.0

    def pause_s(self, attempts: int) -> float:
        """Returns the pause after that many failed tries."""
        return min(self.longest_backoff_s, self.first_backoff_s * 2.0 ** min(attempts - 1, 62))


@dataclass(frozen=True, slots=True)
class _Failure:
    """What went wrong with a delivery; `counts` is False where the consumer is only paused."""

    text: str
    counts: bool = True


class InProcessBus:
    """Implements `ports.Bus`.

    Args:
        store: keeps failed deliveries.
        clock: says when the next try is due.
        consumers: the handler of each consuming function; filled by whoever starts the functions.
        retries: how failures are tried again.
    """

    def __init__(
        self, store: Store, clock: Clock, consumers: Mapping[str, Consumer], retries: Retries
    ) -> None:
        self._store = store
        self._clock = clock
        self._consumers = consumers
        self._retries = retries

    async def publish(self, events: Sequence[Event]) -> None:
        """See Bus."""
        gate = asyncio.Semaphore(CONCURRENT)
        await asyncio.gather(
            *(
                self._first_try(gate, event, name)
                for event in events
                for name in FLOW[event.type].consumers
            )
        )

    async def retry_due(self, limit: int = 100) -> int:
        """Tries deliveries whose time has come and returns how many there were."""
        due = await self._find("retrying", None, limit)
        now = self._clock.now_text()
        ready = [one for one in due if one.next_attempt_at <= now]
        for delivery in ready:
            await self._try_again(delivery)
        return len(ready)

    async def dead_letters(
        self, workspace: str | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """See Bus."""
        found = await self._find("dead", workspace, limit)
        return [
            DeadLetter(
                one.id,
                one.consumer,
                Event.model_validate_json(one.event),
                one.attempts,
                one.last_error,
                one.created_at,
            )
            for one in found
        ]

    async def replay(self, ids: Sequence[str]) -> int:
        """See Bus."""
        revived = [await self._store.transact(SYSTEM_WORKSPACE, self._revival(id)) for id in ids]
        return sum(revived)

    def _revival(self, id: str) -> Callable[[Transaction], Awaitable[bool]]:
        now = self._clock.now_text()

        async def revive(tx: Transaction) -> bool:
            dead = await tx.get(DELIVERIES, id)
            if dead is None or dead.state != "dead":
                return False
            changes = {"state": "retrying", "attempts": 0, "next_attempt_at": now}
            tx.put(DELIVERIES, dead.model_copy(update=changes))
            return True

        return revive

    async def _find(self, state: str, workspace: str | None, limit: int) -> list[Delivery]:
        filters = [Filter("state", "==", state)]
        if workspace is not None:
            filters.append(Filter("tenant", "==", workspace))
        order = Order("next_attempt_at")
        page = await self._store.find(
            SYSTEM_WORKSPACE, DELIVERIES, *filters, order=order, limit=limit
        )
        return page.items

    async def _first_try(self, gate: asyncio.Semaphore, event: Event, name: str) -> None:
        async with gate:
            failure = await self._deliver(event, name)
        if failure is None:
            return
        now = self._clock.now_text()
        untried = Delivery(
            id=f"{name}:{event.event_id}",
            consumer=name,
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
        await self._keep(untried, failure)

    async def _try_again(self, delivery: Delivery) -> None:
        failure = await self._deliver(Event.model_validate_json(delivery.event), delivery.consumer)
        if failure is not None:
            await self._keep(delivery, failure)
            return

        async def forget(tx: Transaction) -> None:
            tx.delete(DELIVERIES, delivery.id)

        await self._store.transact(SYSTEM_WORKSPACE, forget)

    async def _keep(self, delivery: Delivery, failure: _Failure) -> None:
        attempts = delivery.attempts + failure.counts
        dead = attempts >= self._retries.attempts
        pause_s = self._retries.pause_s(max(attempts, 1))
        kept = delivery.model_copy(
            update={
                "state": "dead" if dead else "retrying",
                "attempts": attempts,
                "last_error": failure.text[:LONGEST_ERROR],
                "next_attempt_at": plus(self._clock.now_text(), pause_s),
            }
        )
        if dead:
            logger.error(
                "event.dead_letter", extra={"delivery": delivery.id, "error": kept.last_error}
            )

        async def write(tx: Transaction) -> None:
            tx.put(DELIVERIES, kept)

        await self._store.transact(SYSTEM_WORKSPACE, write)

    async def _deliver(self, event: Event, name: str) -> _Failure | None:
        try:
            await self._consumers[name](event)
        except Paused as error:
            return _Failure(f"Paused: {error.detail}", counts=False)
        except WhetstoneError as error:
            return _Failure(f"{type(error).__name__}: {error.detail}")
        except Exception as error:  # a consumer's bug must not stop the others' events
            extra = {"consumer": name, "event_id": event.event_id}
            logger.exception("event.consumer_crashed", extra=extra)
            return _Failure(f"{type(error).__name__}: {error}")
        return None
