"""The contract of stores: counters, audit, outbox, expiry, walls and life."""

import asyncio

import pytest

from shared.domain.access import API_KEYS, ApiKey
from shared.domain.audit import ChainCheck
from shared.domain.entries import (
    CONTENT_KEYS,
    ENTRIES,
    REVISIONS,
    Revision,
    revision_id,
)
from shared.domain.operations import CONSUMED, IDEMPOTENCY, Consumed, IdempotencyRecord
from shared.domain.records import Filter
from shared.domain.times import to_text
from shared.errors import InvalidInput
from tests.contract.store_records import (
    HERE,
    NOW,
    OUTCOME,
    RATING,
    THERE,
    Suite,
    audit_entry,
    creates,
    entry,
    event,
    everything,
    key,
    puts,
    raise_count,
    traces,
    write,
)


class LogSuite(Suite):
    """The contract of stores: counters, audit, outbox, expiry, walls and life."""

    # --- counters, audit, outbox, expiry --------------------------------------------------------

    def test_counters_add_up_by_name_and_field(self, play):
        async def scenario(store, _):
            steps = [
                lambda tx: tx.add("day:02", {"n": 1, "sum": -5}),
                lambda tx: tx.add("day:01", {"n": 2}),
                lambda tx: tx.add("day:01", {"n": 3, "m": 0}),
                lambda tx: tx.add("else", {"n": 1}),
            ]
            await asyncio.gather(*(write(store, *steps) for _ in range(10)))
            days = {"day:01": {"m": 0, "n": 50}, "day:02": {"n": 10, "sum": -50}}
            found = await store.counters(HERE, "day:")
            assert found == days
            assert list(found) == ["day:01", "day:02"]
            assert await store.counters(HERE, "day:02") == {"day:02": days["day:02"]}
            assert list(await store.counters(HERE, "")) == ["day:01", "day:02", "else"]
            assert await store.counters(HERE, "nothing") == {}

        play(scenario)

    def test_one_counter_is_read_without_those_whose_names_go_on(self, play):
        async def scenario(store, _):
            await write(store, *(adding(name) for name in ("agent", "agent-1", "agen", "agent")))
            assert await store.counter(HERE, "agent") == {"n": 2}
            assert await store.counter(HERE, "agent-") == {}
            assert await store.counter("other", "agent") == {}

        def adding(name):
            return lambda tx: tx.add(name, {"n": 1})

        play(scenario)

    def test_a_prefix_is_taken_literally(self, play):
        async def scenario(store, _):
            await write(store, *(adding(name) for name in ("a%", "a_", "ab", "A", "a*")))
            assert list(await store.counters(HERE, "a%")) == ["a%"]
            assert list(await store.counters(HERE, "a_")) == ["a_"]
            assert list(await store.counters(HERE, "A")) == ["A"]

        def adding(name):
            return lambda tx: tx.add(name, {"n": 1})

        play(scenario)

    def test_the_audit_chain_holds_over_concurrent_transactions(self, play):
        async def scenario(store, _):
            await asyncio.gather(
                *(
                    write(
                        store,
                        lambda tx, n=n: tx.audit(audit_entry(f"a{n}")),
                        lambda tx, n=n: tx.audit(audit_entry(f"b{n}")),
                        workspace=(HERE, THERE)[n % 2],
                    )
                    for n in range(60)
                )
            )
            for workspace in (HERE, THERE):
                check, after = ChainCheck(), 0
                while links := await store.audit_chain(workspace, after, 7):
                    check.feed(links)
                    after = links[-1].seq
                assert (check.checked, check.first_broken) == (60, None)

        play(scenario)

    def test_two_audit_records_of_one_transaction_stay_together_in_order(self, play):
        async def scenario(store, _):
            await write(store, lambda tx: [tx.audit(audit_entry(name)) for name in "abc"])
            links = await store.audit_chain(HERE, 0, 10)
            assert [(one.seq, one.subject) for one in links] == [(1, "a"), (2, "b"), (3, "c")]
            assert [one.subject for one in await store.audit_chain(HERE, 1, 1)] == ["b"]
            assert links[0].data == audit_entry().data
            assert list(links[0].data) == ["z", "a"]

        play(scenario)

    def test_audit_pages_are_newest_first_and_filtered(self, play):
        async def scenario(store, _):
            for number in range(12):
                one = audit_entry(
                    f"s{number % 2}",
                    action=("entry.submitted", "entry.approved")[number % 3 == 0],
                    actor=("ada", "bob")[number % 4 == 0],
                )
                await write(store, lambda tx, one=one: tx.audit(one))
            for asked in (
                {},
                {"action": "entry.approved"},
                {"subject": "s1"},
                {"actor": "bob"},
                {"action": "entry.approved", "subject": "s0", "actor": "ada"},
                {"action": "nothing"},
            ):
                chain = await store.audit_chain(HERE, 0, 99)
                wanted = [
                    one.seq
                    for one in reversed(chain)
                    if all(getattr(one, name) == value for name, value in asked.items())
                ]
                found, cursor = [], None
                while True:
                    page = await store.audit_page(HERE, limit=2, cursor=cursor, **asked)
                    found += [one.seq for one in page.items]
                    cursor = page.next_cursor
                    if cursor is None:
                        break
                assert found == wanted, asked
            for cursor in ("", "x", "-1", "1e3", "²", "9" * 40):
                with pytest.raises(InvalidInput):
                    await store.audit_page(HERE, cursor=cursor)

        play(scenario)

    def test_the_outbox_keeps_the_order_and_lets_go_of_what_is_done(self, play):
        async def scenario(store, _):
            for number in range(3):
                await write(
                    store,
                    lambda tx, n=number: tx.emit(event(f"evt_{n}a")),
                    lambda tx, n=number: tx.emit(event(f"evt_{n}b", THERE)),
                    workspace=(HERE, THERE)[number % 2],
                )
            items = await store.outbox(100)
            names = [f"evt_{n}{letter}" for n in range(3) for letter in "ab"]
            assert [item.event.event_id for item in items] == names
            assert items[1].event == event("evt_0b", THERE)
            assert await store.outbox(2) == items[:2]
            await store.outbox_done([items[0], items[3]])
            await store.outbox_done([items[0]])
            await store.outbox_done([])
            left = [item.event.event_id for item in await store.outbox(100)]
            assert left == [names[1], names[2], names[4], names[5]]

        play(scenario)

    def test_a_new_event_never_takes_the_place_of_one_that_is_done(self, play):
        async def scenario(store, _):
            await write(store, lambda tx: tx.emit(event("evt_1")))
            items = await store.outbox(9)
            await store.outbox_done(items)
            await write(store, lambda tx: tx.emit(event("evt_2")))
            await store.outbox_done(items)
            assert [item.event.event_id for item in await store.outbox(9)] == ["evt_2"]

        play(scenario)

    def test_expired_records_are_purged_up_to_the_limit(self, play):
        async def scenario(store, _):
            def marks(second, count, workspace):
                at = to_text(NOW.replace(second=second))
                records = [Consumed(id=f"c{second}{n}", expires_at=at) for n in range(count)]
                return write(store, puts(CONSUMED, *records), workspace=workspace)

            await marks(0, 3, HERE)
            await marks(1, 3, THERE)
            await marks(2, 2, HERE)
            kept = IdempotencyRecord(
                id="k", fingerprint="", body="", expires_at=to_text(NOW.replace(second=1))
            )
            await write(store, puts(IDEMPOTENCY, kept))
            moment = NOW.replace(second=1)
            assert await store.purge_expired(moment, 0) == 0
            assert await store.purge_expired(moment, 4) == 4
            assert await store.purge_expired(moment, 100) == 3
            assert await store.purge_expired(moment, 100) == 0
            assert await store.count(HERE, CONSUMED, at_most=9) == 2
            assert await store.count(THERE, CONSUMED, at_most=9) == 0

        play(scenario)

    # --- walls ----------------------------------------------------------------------------------

    def test_workspaces_do_not_see_each_other(self, play):
        async def scenario(store, analytics):
            for workspace in (HERE, THERE):
                await write(
                    store,
                    creates(ENTRIES, *(entry(n, topic=workspace) for n in range(3))),
                    creates(REVISIONS, history(workspace)),
                    lambda tx, w=workspace: tx.add("c", {w: 1}),
                    lambda tx: tx.audit(audit_entry()),
                    lambda tx: tx.append(RATING, OUTCOME),
                    workspace=workspace,
                )
            await write(store, lambda tx: tx.delete(ENTRIES, "ent_0001"), workspace=THERE)
            assert (await store.get(HERE, ENTRIES, "ent_0001")).topic == HERE
            assert await store.get(THERE, ENTRIES, "ent_0001") is None
            found = await store.get_many(THERE, ENTRIES, ["ent_0000", "ent_0002"])
            assert {one.topic for one in found} == {THERE}
            assert {one.topic for one in (await store.find(HERE, ENTRIES)).items} == {HERE}
            mine = Filter("entry_id", "==", "ent_0000")
            ((revision,),) = [(await store.find(THERE, REVISIONS, mine)).items]
            assert revision.topic == THERE
            assert await store.count(HERE, ENTRIES, at_most=9) == 3
            assert await store.counters(HERE, "") == {"c": {HERE: 1}}
            assert len(await store.audit_chain(HERE, 0, 9)) == 1
            assert {one.workspace for one in (await store.audit_page(HERE)).items} == {HERE}
            assert await analytics.head(HERE) == (1, 1)
            assert await analytics.head("third") == (0, 0)

            async def inside(tx):
                one = await tx.get(ENTRIES, "ent_0000")
                many = await tx.get_many(ENTRIES, ["ent_0001"])
                return one.topic, many, len(await tx.find(ENTRIES))

            assert await store.transact(THERE, inside) == (THERE, [None], 2)

        def history(topic):
            full = entry(0, topic=topic)
            fields = full.model_dump(include=set(Revision.model_fields) - {"id", "entry_id"})
            return Revision(id=revision_id(full.id, 1), entry_id=full.id, **fields)

        play(scenario)

    def test_a_key_of_one_tenant_is_not_listed_for_another(self, play):
        async def scenario(store, _):
            for tenant in ("a", "b"):
                record = ApiKey(
                    id=tenant * 8,
                    key_id=f"key_{tenant}",
                    tenant=tenant,
                    name=tenant,
                    scopes=["submit"],
                    created_at=to_text(NOW),
                )
                await write(store, puts(API_KEYS, record))
            page = await store.find(HERE, API_KEYS, Filter("tenant", "==", "a"))
            assert [one.tenant for one in page.items] == ["a"]

        play(scenario)

    # --- life ----------------------------------------------------------------------------------

    def test_a_store_answers_pings_and_keeps_everything_over_a_restart(self, tmp_path):
        async def first():
            store, _ = self.open_pair(tmp_path)
            await store.ping()
            await write(store, puts(CONTENT_KEYS, key("a")), everything)
            await store.close()

        async def second():
            store, analytics = self.open_pair(tmp_path)
            kept = await store.get(HERE, CONTENT_KEYS, "a"), await traces(store, analytics)
            await write(store, everything)
            links = await store.audit_chain(HERE, 0, 9)
            await store.close()
            return kept, links

        asyncio.run(first())
        (record, (counters, head, chain, outbox)), links = asyncio.run(second())
        assert record == key("a")
        assert (counters, head) == ({"review": {"approved": 1}}, (1, 1))
        assert [item.event.event_id for item in outbox] == ["evt_lost"]
        check = ChainCheck()
        check.feed(links)
        assert (len(chain), check.checked, check.first_broken) == (1, 2, None)

    def test_closing_waits_for_running_work(self, tmp_path):
        async def scenario():
            store, _ = self.open_pair(tmp_path)
            tasks = [asyncio.create_task(raise_count(store)) for _ in range(50)]
            await asyncio.sleep(0)
            await store.close()
            assert sorted(await asyncio.gather(*tasks)) == list(range(1, 51))

        asyncio.run(scenario())
