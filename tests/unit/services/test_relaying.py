"""Relay: every event of the outbox reaches the bus, in order, and leaves only once it has."""

import asyncio

import pytest

from shared.adapters.bus_inprocess import Retries
from shared.domain.operations import CONSUMED, Consumed
from shared.domain.times import plus
from shared.errors import Unavailable
from shared.messages.events import Event
from shared.services import relaying
from tests.support.system import WORKSPACE, play


async def fill(system, count):
    async def write(tx):
        for number in range(count):
            tx.emit(
                Event(
                    event_id=f"evt_{number:04d}",
                    type="entry.submitted",
                    workspace=WORKSPACE,
                    occurred_at=system.clock.now_text(),
                    subject=f"ent_{number}",
                )
            )

    await system.store.transact(WORKSPACE, write)


def listen(system):
    seen = []

    async def consumer(event):
        seen.append(event.event_id)

    system.consumers["notify"] = consumer
    return seen


def test_all_events_are_published_in_order_over_batches(tmp_path):
    async def scenario(system):
        seen = listen(system)
        await fill(system, 250)
        assert await relaying.relay(system.deps) == 250
        assert seen == [f"evt_{number:04d}" for number in range(250)]
        assert await relaying.relay(system.deps) == 0

    play(tmp_path, scenario)


def test_the_limit_holds_and_the_rest_stays(tmp_path):
    async def scenario(system):
        seen = listen(system)
        await fill(system, 250)
        assert await relaying.relay(system.deps, 120) == 120
        assert len(seen) == 120
        assert len(await system.store.outbox(500)) == 130

    play(tmp_path, scenario)


def test_relays_at_once_publish_each_event_once(tmp_path):
    async def scenario(system):
        seen = listen(system)
        await fill(system, 150)
        counts = await asyncio.gather(*(relaying.relay(system.deps) for _ in range(5)))
        assert sorted(counts) == [0, 0, 0, 0, 150]
        assert len(seen) == 150

    play(tmp_path, scenario)


def test_what_the_bus_does_not_take_stays_and_the_relay_works_again(tmp_path):
    async def scenario(system):
        await fill(system, 3)
        publish = system.bus.publish

        async def down(events):
            raise Unavailable("the bus is away")

        system.bus.publish = down
        with pytest.raises(Unavailable):
            await relaying.relay(system.deps)
        assert len(await system.store.outbox(10)) == 3
        system.bus.publish = publish
        seen = listen(system)
        assert await relaying.relay(system.deps) == 3
        assert len(seen) == 3

    play(tmp_path, scenario)


def test_a_sweep_publishes_tries_again_and_purges(tmp_path):
    async def scenario(system):
        failures = ["first try"]

        async def consumer(event):
            if failures:
                raise Unavailable(failures.pop())

        system.consumers["notify"] = consumer
        now = system.clock.now_text()

        async def old(tx):
            for number in range(1_300 // 4):
                tx.put(CONSUMED, Consumed(id=f"x:{number}", expires_at=plus(now, -1)))
            tx.put(CONSUMED, Consumed(id="kept", expires_at=plus(now, 86_400)))

        await system.store.transact(WORKSPACE, old)
        await fill(system, 1)
        first = await relaying.sweep(system.deps)
        assert (first.published, first.retried, first.purged) == (1, 0, 325)
        system.clock.advance(2)
        second = await relaying.sweep(system.deps)
        assert (second.published, second.retried, second.purged) == (0, 1, 0)
        assert await system.store.get(WORKSPACE, CONSUMED, "kept")
        assert (await relaying.sweep(system.deps)).retried == 0

    play(tmp_path, scenario, retries=Retries(first_backoff_s=1))
