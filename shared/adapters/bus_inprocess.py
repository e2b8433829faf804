"""The embedded bus.

Hands each event to its consumers in this process, and keeps what failed for another try.
A delivery that fails is a record in the store, so that it outlives the process: tried again with
doubling pauses, and a dead letter after the last try, or at once where another try cannot help,
until someone replays it. A consumer that is paused by an operator uses up no tries.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.adapters.deliveries import Deliveries, Failure, failure_of
from shared.domain.operations import Delivery
from shared.domain.times import plus
from shared.errors import WhetstoneError
from shared.messages.events import FLOW, Event
from shared.ports import Clock, DeadLetter, Store

Consumer = Callable[[Event], Awaitable[None]]

logger = logging.getLogger("whetstone.bus")

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
        self._deliveries = Deliveries(store, clock)
        self._clock = clock
        self._consumers = consumers
        self._retries = retries

    async def publish(self, events: Sequence[Event]) -> None:
        """See Bus."""
        waiting = [(event, name) for event in events for name in FLOW[event.type].consumers]
        next_ones = iter(waiting)

        async def take() -> None:
            for event, name in next_ones:
                await self._first_try(event, name)

        await asyncio.gather(*(take() for _ in range(min(CONCURRENT, len(waiting)))))

    async def failed(
        self,
        consumer: str,
        event: Event,
        error: Exception,
        attempt: int | None = None,  # noqa: ARG002 -- counted here, whoever brought the event
    ) -> bool:
        """See Bus: a failure of an event that came over HTTP is tried again like any other."""
        delivery = await self._deliveries.of(consumer, event)
        await self._keep(delivery, failure_of(error))
        return True

    async def bury(self, consumer: str, event: Event, attempts: int, error: str) -> None:
        """See Bus."""
        known = await self._deliveries.of(consumer, event)
        changes = {"state": "dead", "attempts": attempts, "last_error": error}
        await self._deliveries.keep(known.model_copy(update=changes))

    async def retry_due(self, limit: int = 100) -> int:
        """Tries deliveries whose time has come and returns how many there were."""
        ready = await self._deliveries.due(limit)
        for delivery in ready:
            await self._try_again(delivery)
        return len(ready)

    async def dead_letters(
        self, workspace: str | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        """See Bus."""
        return await self._deliveries.dead_letters(workspace, limit)

    async def replay(self, ids: Sequence[str]) -> int:
        """See Bus."""
        revived = [await self._deliveries.revive(id) for id in ids]
        return sum(one is not None for one in revived)

    async def close(self) -> None:
        """See Bus: there is nothing to let go of."""

    async def _first_try(self, event: Event, name: str) -> None:
        failure = await self._deliver(event, name)
        if failure is not None:
            await self._keep(self._deliveries.untried(name, event), failure)

    async def _try_again(self, delivery: Delivery) -> None:
        failure = await self._deliver(Event.model_validate_json(delivery.event), delivery.consumer)
        if failure is not None:
            await self._keep(delivery, failure)
            return
        await self._deliveries.replace(delivery, None)

    async def _keep(self, delivery: Delivery, failure: Failure) -> None:
        attempts = delivery.attempts + (not failure.paused)
        dead = failure.final or attempts >= self._retries.attempts
        pause_s = self._retries.pause_s(max(attempts, 1))
        changes = {
            "state": "dead" if dead else "retrying",
            "attempts": attempts,
            "last_error": failure.text,
            "next_attempt_at": plus(self._clock.now_text(), pause_s),
        }
        await self._deliveries.keep(delivery.model_copy(update=changes))

    async def _deliver(self, event: Event, name: str) -> Failure | None:
        try:
            await self._consumers[name](event)
        except WhetstoneError as error:
            return failure_of(error)
        except Exception as error:  # a consumer's bug must not stop the others' events
            extra = {"consumer": name, "event_id": event.event_id}
            logger.exception("event.consumer_crashed", extra=extra)
            return failure_of(error)
        return None
