"""The contract of stores: records and transactions."""

import asyncio
from dataclasses import replace

import pytest

from shared.domain.entries import (
    CONTENT_KEYS,
    ENTRIES,
)
from shared.domain.feedback import CONVERSATIONS
from shared.domain.records import Filter
from shared.domain.times import to_text
from shared.errors import AlreadyExists, Conflict
from tests.contract.store_records import (
    HERE,
    NOTHING,
    NOW,
    RATING,
    Suite,
    audit_entry,
    creates,
    entry,
    event,
    everything,
    key,
    puts,
    raise_count,
    read_count,
    traces,
    write,
)


class TransactionSuite(Suite):
    """The contract of stores: records and transactions."""

    # --- single records -------------------------------------------------------------------------

    def test_what_was_created_is_read_back_whole(self, play):
        async def scenario(store, _):
            full = entry(1, metadata={"a": [1, {"ü\x00": None}], "big": 2**53}, decided_at=None)
            await write(store, creates(ENTRIES, full))
            assert await store.get(HERE, ENTRIES, full.id) == full

        play(scenario)

    def test_a_missing_record_is_none(self, play):
        async def scenario(store, _):
            assert await store.get(HERE, ENTRIES, "ent_x") is None

            async def read(tx):
                return await tx.get(ENTRIES, "ent_x")

            assert await store.transact(HERE, read) is None

        play(scenario)

    def test_a_put_replaces_all_of_a_record(self, play):
        async def scenario(store, _):
            await write(store, puts(ENTRIES, entry(1, metadata={"a": 1}, decided_at=to_text(NOW))))
            await write(store, puts(ENTRIES, entry(1, topic="new")))
            assert await store.get(HERE, ENTRIES, "ent_0001") == entry(1, topic="new")
            gone = Filter("decided_at", "==", to_text(NOW))
            assert await store.count(HERE, ENTRIES, gone, at_most=9) == 0

        play(scenario)

    def test_a_delete_removes_and_is_silent_where_there_is_nothing(self, play):
        async def scenario(store, _):
            await write(store, puts(CONTENT_KEYS, key("a"), key("b")))
            await write(
                store,
                lambda tx: tx.delete(CONTENT_KEYS, "a"),
                lambda tx: tx.delete(CONTENT_KEYS, "never"),
            )
            assert await store.get_many(HERE, CONTENT_KEYS, ["a", "b"]) == [None, key("b")]

        play(scenario)

    def test_many_are_returned_in_the_order_asked(self, play):
        async def scenario(store, _):
            await write(store, puts(CONTENT_KEYS, key("a"), key("b")))
            ids = ["b", "x", "a", "b"]
            wanted = [key("b"), None, key("a"), key("b")]
            assert await store.get_many(HERE, CONTENT_KEYS, ids) == wanted
            assert await store.get_many(HERE, CONTENT_KEYS, []) == []

            async def read(tx):
                return await tx.get_many(CONTENT_KEYS, ids)

            assert await store.transact(HERE, read) == wanted

        play(scenario)

    def test_writes_of_one_record_count_in_their_order(self, play):
        async def scenario(store, _):
            await write(store, puts(CONTENT_KEYS, key("a", "old")))
            await write(
                store,
                lambda tx: tx.delete(CONTENT_KEYS, "a"),
                creates(CONTENT_KEYS, key("a", "new")),
                puts(CONTENT_KEYS, key("b", "1"), key("b", "2")),
                lambda tx: tx.delete(CONTENT_KEYS, "c"),
            )
            found = await store.get_many(HERE, CONTENT_KEYS, ["a", "b"])
            assert found == [key("a", "new"), key("b", "2")]
            with pytest.raises(AlreadyExists):
                await write(store, puts(CONTENT_KEYS, key("d")), creates(CONTENT_KEYS, key("d")))
            assert await store.get(HERE, CONTENT_KEYS, "d") is None

        play(scenario)

    # --- transactions ---------------------------------------------------------------------------

    def test_the_result_is_what_the_function_returned(self, play):
        async def scenario(store, _):
            async def work(tx):
                return {"read": await tx.get(CONTENT_KEYS, "a")}

            assert await store.transact(HERE, work) == {"read": None}

        play(scenario)

    @pytest.mark.parametrize("first", ["create", "put", "delete", "add", "append", "audit", "emit"])
    @pytest.mark.parametrize("then", ["get", "get_many", "find"])
    def test_a_read_after_any_write_is_refused(self, play, first, then):
        writes = {
            "create": creates(CONTENT_KEYS, key("a")),
            "put": puts(CONTENT_KEYS, key("a")),
            "delete": lambda tx: tx.delete(CONTENT_KEYS, "a"),
            "add": lambda tx: tx.add("c", {"n": 1}),
            "append": lambda tx: tx.append(RATING),
            "audit": lambda tx: tx.audit(audit_entry()),
            "emit": lambda tx: tx.emit(event("evt_1")),
        }
        reads = {
            "get": lambda tx: tx.get(CONTENT_KEYS, "a"),
            "get_many": lambda tx: tx.get_many(CONTENT_KEYS, ["a"]),
            "find": lambda tx: tx.find(ENTRIES),
        }

        async def scenario(store, analytics):
            async def work(tx):
                writes[first](tx)
                await reads[then](tx)

            with pytest.raises(RuntimeError, match="reads"):
                await store.transact(HERE, work)
            assert await store.get(HERE, CONTENT_KEYS, "a") is None
            assert await traces(store, analytics) == NOTHING

        play(scenario)

    def test_500_writes_fit_and_501_do_not(self, play):
        async def scenario(store, _):
            keys = [key(f"k{number:03d}") for number in range(496)]
            await write(store, puts(CONTENT_KEYS, *keys), everything_but_one)
            assert await store.count(HERE, CONTENT_KEYS, at_most=999) == 496
            more = [key(f"m{number:03d}") for number in range(501)]
            with pytest.raises(RuntimeError, match="500"):
                await write(store, puts(CONTENT_KEYS, *more))
            assert await store.get(HERE, CONTENT_KEYS, "m000") is None

        def everything_but_one(tx):
            tx.add("c", {"a": 1, "b": 2})
            tx.append(RATING)
            tx.audit(audit_entry())
            tx.emit(event("evt_1"))

        play(scenario)

    def test_an_error_in_the_function_reaches_the_caller_and_leaves_nothing(self, play):
        async def scenario(store, analytics):
            async def work(tx):
                tx.create(CONTENT_KEYS, key("a"))
                everything(tx)
                raise Conflict("no")

            with pytest.raises(Conflict, match="no"):
                await store.transact(HERE, work)
            assert await store.get(HERE, CONTENT_KEYS, "a") is None
            assert await traces(store, analytics) == NOTHING

        play(scenario)

    @pytest.mark.parametrize("taken", ["k0", "k1", "k2"])
    def test_a_taken_id_fails_the_whole_transaction(self, play, taken):
        async def scenario(store, analytics):
            await write(store, puts(CONTENT_KEYS, key(taken, "first")))
            with pytest.raises(AlreadyExists):
                await write(
                    store,
                    creates(CONTENT_KEYS, key("k0"), key("k1"), key("k2")),
                    puts(CONTENT_KEYS, key("k3")),
                    everything,
                )
            found = await store.get_many(HERE, CONTENT_KEYS, ["k0", "k1", "k2", "k3"])
            assert [one for one in found if one] == [key(taken, "first")]
            assert await traces(store, analytics) == NOTHING

        play(scenario)

    def test_a_taken_id_does_not_touch_transactions_around_it(self, play):
        async def scenario(store, _):
            await write(store, puts(CONTENT_KEYS, key("taken", "first")))

            def steps(number):
                records = [key(f"a{number}"), key(f"b{number}")]
                if number % 3 == 1:
                    records.insert(1, key("taken"))
                return (
                    creates(CONTENT_KEYS, *records),
                    lambda tx: tx.audit(audit_entry(f"s{number}")),
                    lambda tx: tx.emit(event(f"evt_{number:02d}")),
                    lambda tx: tx.add("c", {"n": 1}),
                    lambda tx: tx.append(RATING),
                )

            done = await asyncio.gather(
                *(write(store, *steps(number)) for number in range(30)), return_exceptions=True
            )
            good = [number for number in range(30) if number % 3 != 1]
            assert [number for number, one in enumerate(done) if one is None] == good
            bad = [one for one in done if one is not None]
            assert all(isinstance(one, AlreadyExists) for one in bad)
            assert await store.count(HERE, CONTENT_KEYS, at_most=999) == 1 + 2 * len(good)
            subjects = {one.subject for one in await store.audit_chain(HERE, 0, 99)}
            assert subjects == {f"s{number}" for number in good}
            events = {item.event.event_id for item in await store.outbox(99)}
            assert events == {f"evt_{number:02d}" for number in good}
            assert await store.counters(HERE, "c") == {"c": {"n": len(good)}}

        play(scenario)

    def test_of_many_who_create_one_record_one_wins(self, play):
        async def scenario(store, _):
            done = await asyncio.gather(
                *(write(store, creates(CONTENT_KEYS, key("a", str(n)))) for n in range(20)),
                return_exceptions=True,
            )
            winners = [number for number, one in enumerate(done) if one is None]
            assert len(winners) == 1
            assert sum(isinstance(one, AlreadyExists) for one in done) == 19
            assert await store.get(HERE, CONTENT_KEYS, "a") == key("a", str(winners[0]))

        play(scenario)

    def test_a_value_that_cannot_be_stored_fails_alone_and_leaves_nothing(self, play):
        """Also where it is met only when the writes are executed, and others commit beside it."""

        async def scenario(store, analytics):
            bad = [
                lambda tx: tx.delete(CONTENT_KEYS, "\ud800"),
                lambda tx: tx.put(ENTRIES, entry(7, revision=2**80)),
                lambda tx: tx.add("c", {"n": 2**80}),
                lambda tx: tx.audit(replace(audit_entry(), data={"text": "\ud800"})),
                lambda tx: tx.append(replace(RATING, cost_nanousd=2**80)),
            ]
            for number, step in enumerate(bad):
                outcomes = await asyncio.gather(
                    write(store, creates(CONTENT_KEYS, key(f"before{number}"))),
                    write(store, puts(CONTENT_KEYS, key(f"half{number}")), everything, step),
                    write(store, creates(CONTENT_KEYS, key(f"after{number}"))),
                    return_exceptions=True,
                )
                assert outcomes[0] is None
                assert isinstance(outcomes[1], Exception)
                assert outcomes[2] is None
                assert await store.get(HERE, CONTENT_KEYS, f"half{number}") is None
            assert await store.count(HERE, CONTENT_KEYS, at_most=99) == 2 * len(bad)
            assert await traces(store, analytics) == NOTHING

        play(scenario)

    def test_read_modify_write_from_many_tasks_loses_nothing(self, play):
        async def scenario(store, _):
            await asyncio.gather(*(raise_count(store) for _ in range(200)))
            found = await store.get(HERE, CONVERSATIONS, "conversations")
            assert found.completed == 200

        play(scenario)

    def test_a_transaction_reads_what_was_committed_before_it(self, play):
        async def scenario(store, _):
            seen = await asyncio.gather(*(raise_count(store) for _ in range(40)))
            assert sorted(seen) == list(range(1, 41))

        play(scenario)

    def test_a_reader_sees_committed_state_only(self, play):
        """Two records that are always changed together are never seen apart."""

        async def scenario(store, _):
            await write(store, puts(CONTENT_KEYS, key("a", "0"), key("b", "0")))
            running = asyncio.gather(
                *(
                    write(store, puts(CONTENT_KEYS, key("a", str(n)), key("b", str(n))))
                    for n in range(1, 60)
                )
            )
            seen = set()
            while not running.done():
                one, other = await store.get_many(HERE, CONTENT_KEYS, ["a", "b"])
                assert one.entry_id == other.entry_id
                seen.add(one.entry_id)
                await asyncio.sleep(0)
            await running
            assert seen

        play(scenario)

    def test_what_a_cancelled_caller_asked_for_happens_once_or_not_at_all(self, play):
        async def scenario(store, _):
            tasks = [asyncio.create_task(raise_count(store)) for _ in range(20)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            await store.transact(HERE, read_count)  # behind all that were submitted
            kept = sum(not isinstance(one, BaseException) for one in done)
            assert kept == 10
            count = await store.transact(HERE, read_count)
            assert kept <= count <= 20
            assert len(set(done[1::2])) == 10

        play(scenario)

    def test_a_function_that_is_cancelled_inside_leaves_nothing_and_stops_nobody(self, play):
        async def scenario(store, analytics):
            async def work(tx):
                tx.put(CONTENT_KEYS, key("a"))
                everything(tx)
                raise asyncio.CancelledError

            done = await asyncio.gather(
                raise_count(store),
                store.transact(HERE, work),
                raise_count(store),
                return_exceptions=True,
            )
            assert isinstance(done[1], asyncio.CancelledError)
            assert sorted([done[0], done[2]]) == [1, 2]
            assert await traces(store, analytics) == NOTHING

        play(scenario)
