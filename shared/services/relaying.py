"""Relay: what transactions put into the outbox goes to the bus, and out once it has arrived.

Invariant: an event leaves the outbox only after the bus has it for each of its consumers. A crash
in between publishes it again, which consumers are made for.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

from shared.messages.base import Answer
from shared.ports import Bus, Committed, OutboxItem, Store
from shared.services.deps import Deps
from shared.services.exporting import export_everywhere
from shared.services.holding import hold, let_go

BATCH = 100
"""Events published at once, at most."""

SWEPT_EVENTS = 10_000
"""Events that one sweep publishes, at most; the next one comes within a minute."""

PURGE_BATCH = 1_000
NUMBER_BATCH = 500
_ROUNDS = 20

SWEEP = "sweep"
HELD_S = 300.0
"""Seconds after which a sweep that did not end is taken for dead."""

_relaying: set[int] = set()
"""Stores whose outbox this process relays right now: a second relay would only publish twice."""

logger = logging.getLogger("whetstone.relay")


class Swept(Answer):
    """What a sweep found to do.

    `elsewhere` says that another process was sweeping, and so this one did nothing.
    """

    published: int = 0
    retried: int = 0
    numbered: int = 0
    exported: int = 0
    purged: int = 0
    elsewhere: bool = False


def publisher(bus: Callable[[], Bus], store: Callable[[], Store]) -> Committed:
    """Returns what publishes a transaction's events right after its commit; see `Committed`.

    Args:
        bus: gives the bus at the first event.
        store: gives the store whose transactions these are.
    """

    async def publish(items: Sequence[OutboxItem]) -> None:
        if not items:
            return
        try:
            await bus().publish([item.event for item in items])
            await store().outbox_done(items)
        except Exception:  # the transaction stands; what is still in the outbox is swept
            logger.exception("outbox.left_to_sweeper", extra={"events": len(items)})

    return publish


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
    """Does what a crash or a pause left, and what is done now and then.

    Publishes, tries again, numbers, hands evidence over, deletes what has expired.

    One process at a time does it; of several that are asked at once the others find nothing to do.

    Raises:
        Unavailable: something did not answer. What does not need that was still done.
    """
    holder = await hold(deps, SWEEP, HELD_S)
    if holder is None:
        return Swept(elsewhere=True)
    try:
        return await _sweep(deps)
    finally:
        await let_go(deps, SWEEP, holder)


async def _sweep(deps: Deps) -> Swept:
    failures: list[Exception] = []

    async def tried(work: Awaitable[int]) -> int:
        try:
            return await work
        except Exception as error:  # raised below: one part must not hold up the others
            logger.exception("sweep.part_failed")
            failures.append(error)
            return 0

    swept = Swept(
        published=await tried(relay(deps, SWEPT_EVENTS)),
        retried=await tried(_rounds(deps.bus.retry_due, BATCH)),
        numbered=await tried(_rounds(deps.store.number_pending, NUMBER_BATCH)),
        exported=await tried(export_everywhere(deps)),
        purged=await tried(_rounds(lambda limit: _purge(deps, limit), PURGE_BATCH)),
    )
    if failures:
        raise failures[0]
    return swept


async def _purge(deps: Deps, limit: int) -> int:
    return await deps.store.purge_expired(deps.clock.now(), limit)


async def _rounds(work: Callable[[int], Awaitable[int]], limit: int) -> int:
    """Repeats `work` while it finds as much as it may do at once; returns how much that was."""
    done = 0
    for _ in range(_ROUNDS):
        found = await work(limit)
        done += found
        if found < limit:
            break
    return done


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
