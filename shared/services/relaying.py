"""Relay: what transactions put into the outbox goes to the bus, and out once it has arrived.

Invariant: an event leaves the outbox only after the bus has it for each of its consumers. A crash
in between publishes it again, which consumers are made for.
"""

from shared.messages.base import Answer
from shared.services.deps import Deps

BATCH = 100
"""Events published at once, at most."""

PURGE_BATCH = 1_000
_PURGE_ROUNDS = 20

_relaying: set[int] = set()
"""Stores whose outbox this process relays right now: a second relay would only publish twice."""


class Swept(Answer):
    """What a sweep found to do."""

    published: int
    retried: int
    purged: int


async def relay(deps: Deps, limit: int = 1_000) -> int:
    """Publishes up to `limit` waiting events, oldest first, and returns how many.

    Returns 0 at once where this process is relaying the same outbox already.

    Raises:
        Unavailable: the store or the bus does not answer; what was not published stays.
    """
    outbox = id(deps.store)
    if outbox in _relaying:
        return 0
    _relaying.add(outbox)
    try:
        return await _relay(deps, limit)
    finally:
        _relaying.discard(outbox)


async def sweep(deps: Deps) -> Swept:
    """Does what a crash or a pause left: publishes, tries again, deletes what has expired."""
    published = await relay(deps)
    retried = await deps.bus.retry_due(BATCH)
    purged = 0
    for _ in range(_PURGE_ROUNDS):
        deleted = await deps.store.purge_expired(deps.clock.now(), PURGE_BATCH)
        purged += deleted
        if deleted < PURGE_BATCH:
            break
    return Swept(published=published, retried=retried, purged=purged)


async def _relay(deps: Deps, limit: int) -> int:
    published = 0
    while published < limit:
        items = await deps.store.outbox(min(BATCH, limit - published))
        if not items:
            break
        await deps.bus.publish([item.event for item in items])
        await deps.store.outbox_done(items)
        published += len(items)
    return published
