"""Relay: every event of the outbox reaches the bus, in order, and leaves only once it has."""

import asyncio

import pytest

from shared.adapters.bus_inprocess import Retries
from shared.domain.operations import CONSUMED, Consumed
from shared.domain.times import plus
from shared.errors import Unavailable
from shared.messages.events import Event
from shared.services import holding, relaying
from shared.services.consuming import handle_once
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


# --- right after the commit -----------------------------------------------------------------------


def hook(system):
    return relaying.publisher(lambda: system.bus, lambda: system.store)


def break_bus(system, monkeypatch):
    async def down(events):
        raise Unavailable("the bus is away")

    monkeypatch.setattr(system.bus, "publish", down)


def test_what_was_just_committed_is_published_and_leaves_the_outbox(tmp_path):
    async def scenario(system):
        seen = listen(system)
        await fill(system, 3)
        await hook(system)(await system.store.outbox(10))
        assert len(seen) == 3
        assert await system.store.outbox(10) == []
        await hook(system)([])

    play(tmp_path, scenario)


def test_a_publication_that_fails_after_the_commit_is_swept(tmp_path, monkeypatch, caplog):
    async def scenario(system):
        seen = listen(system)
        await fill(system, 3)
        with monkeypatch.context() as patch:
            break_bus(system, patch)
            await hook(system)(await system.store.outbox(10))
        assert seen == []
        assert "outbox.left_to_sweeper" in caplog.text
        assert (await relaying.sweep(system.deps)).published == 3
        assert len(seen) == 3
        assert await system.store.outbox(10) == []

    play(tmp_path, scenario)


def test_killed_between_publication_and_outbox_it_is_delivered_twice_and_handled_once(
    tmp_path, monkeypatch
):
    class Killed(BaseException):
        """Ends everything, as a signal does."""

    async def scenario(system):
        delivered, handled = [], []

        async def consumer(event):
            async def work():
                handled.append(event.event_id)

            delivered.append(event.event_id)
            await handle_once(system.deps, "notify", event, work)

        system.consumers["notify"] = consumer
        await fill(system, 1)

        async def killed(items):
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(system.store, "outbox_done", killed)
            with pytest.raises(Killed):
                await hook(system)(await system.store.outbox(10))
        await relaying.sweep(system.deps)
        assert (len(delivered), len(handled)) == (2, 1)

    play(tmp_path, scenario)


# --- several sweepers -----------------------------------------------------------------------------


def test_of_sweeps_at_once_one_works_and_the_others_find_nothing_to_do(tmp_path):
    async def scenario(system):
        seen = listen(system)
        await fill(system, 150)
        swept = await asyncio.gather(*(relaying.sweep(system.deps) for _ in range(5)))
        assert sorted((one.elsewhere, one.published) for one in swept) == [
            (False, 150),
            *[(True, 0)] * 4,
        ]
        assert len(seen) == 150
        assert not (await relaying.sweep(system.deps)).elsewhere

    play(tmp_path, scenario)


def test_a_sweep_that_died_holds_the_next_one_up_only_for_a_while(tmp_path):
    async def scenario(system):
        dead = await holding.hold(system.deps, relaying.SWEEP, relaying.HELD_S)
        assert dead is not None
        system.clock.advance(relaying.HELD_S - 1)
        assert (await relaying.sweep(system.deps)).elsewhere
        system.clock.advance(1)
        assert not (await relaying.sweep(system.deps)).elsewhere

    play(tmp_path, scenario)


def test_who_comes_back_late_does_not_end_the_hold_of_another(tmp_path):
    async def scenario(system):
        late = await holding.hold(system.deps, "job", 10)
        system.clock.advance(10)
        assert await holding.hold(system.deps, "job", 10) is not None
        await holding.let_go(system.deps, "job", late)
        assert await holding.hold(system.deps, "job", 10) is None

    play(tmp_path, scenario)


def test_a_part_that_fails_does_not_hold_the_others_up_and_is_told(tmp_path, monkeypatch):
    async def scenario(system):
        await fill(system, 1)
        expired = Consumed(id="x", expires_at=plus(system.clock.now_text(), -1))

        async def old(tx):
            tx.put(CONSUMED, expired)

        await system.store.transact(WORKSPACE, old)
        pending = [relaying.NUMBER_BATCH, 7]

        async def number(limit):
            return pending.pop(0)

        monkeypatch.setattr(system.store, "number_pending", number)
        with monkeypatch.context() as patch:
            break_bus(system, patch)
            with pytest.raises(Unavailable):
                await relaying.sweep(system.deps)
        assert pending == []
        assert await system.store.get(WORKSPACE, CONSUMED, "x") is None
        pending.append(3)
        swept = await relaying.sweep(system.deps)
        assert (swept.published, swept.numbered) == (1, 3)

    play(tmp_path, scenario)
