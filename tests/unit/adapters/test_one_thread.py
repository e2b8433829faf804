"""One thread does what a loop gives it, in order, and tells how it went."""

import asyncio
import threading

import pytest

from shared.adapters.one_thread import OneThread


def test_calls_run_in_order_in_one_thread_that_is_not_the_loops():
    seen = []

    async def scenario():
        thread = OneThread("worker")
        calls = [
            thread.run(lambda n: seen.append((n, threading.get_ident())), n) for n in range(20)
        ]
        await asyncio.gather(*calls)
        thread.end()

    asyncio.run(scenario())
    assert [number for number, _ in seen] == list(range(20))
    assert len({ident for _, ident in seen}) == 1
    assert seen[0][1] != threading.get_ident()


def test_a_call_that_fails_raises_where_it_was_awaited_and_the_next_one_runs():
    done = []

    async def scenario():
        thread = OneThread("worker")
        with pytest.raises(ZeroDivisionError):
            await thread.run(lambda: 1 / 0)
        await thread.run(done.append, "next")
        thread.end()

    asyncio.run(scenario())
    assert done == ["next"]


def test_a_call_is_done_also_where_who_waits_is_cancelled():
    finished = threading.Event()
    go = threading.Event()

    async def scenario():
        thread = OneThread("worker")
        waiting = asyncio.create_task(thread.run(lambda: (go.wait(10), finished.set())))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go.set()
        await thread.run(lambda: None)  # it takes further calls
        thread.end()

    asyncio.run(scenario())
    assert finished.is_set()


def test_ending_waits_for_what_was_given_and_twice_is_harmless():
    done = []

    async def scenario():
        thread = OneThread("worker")
        task = asyncio.create_task(thread.run(done.append, 1))
        await asyncio.sleep(0)
        thread.end()
        await task
        thread.end()

    asyncio.run(scenario())
    assert done == [1]


def test_one_that_was_never_used_ends_without_a_thread():
    before = threading.active_count()
    OneThread("worker").end()
    assert threading.active_count() == before
