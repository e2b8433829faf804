"""Bury: what Pub/Sub gave up becomes a record, as everything that was given up is.

Invariant: a message of a dead-letter topic is acknowledged only once it is a record. One that no
event can be read from is not ours to record; it stays in the topic's own subscription.
"""

import logging
from typing import Literal

from shared.errors import InvalidInput, NotFound
from shared.messages.base import Answer
from shared.messages.events import FLOW, Event
from shared.services.deps import Deps

logger = logging.getLogger("whetstone.bus")


class DeadLetterTaken(Answer):
    """Says that a dead letter is on record, and need not be delivered again.

    `unreadable` and without an id where no event is in it: then it is only in its topic.
    """

    event_id: str | None
    status: Literal["recorded", "unreadable"] = "recorded"


async def take(deps: Deps, consumer: str, event: Event, attempts: int | None) -> DeadLetterTaken:
    """Records that `consumer` was given the event `attempts` times (None: not known) in vain.

    Raises:
        NotFound: the event has no such consumer.
        Unavailable: the store does not answer; the message is to be delivered again.
    """
    if consumer not in FLOW[event.type].consumers:
        raise NotFound(f"{consumer} consumes no {event.type}")
    error = f"not handled in {attempts or 'all its'} tries; see the log of {consumer}"
    await deps.bus.bury(consumer, event, attempts or 1, error)
    return DeadLetterTaken(event_id=event.event_id)


def leave(consumer: str, error: InvalidInput) -> DeadLetterTaken:
    """Tells the log of a dead letter that no event can be read from; someone must look at it."""
    logger.error("event.unreadable", extra={"consumer": consumer, "error": error.detail})
    return DeadLetterTaken(event_id=None, status="unreadable")
