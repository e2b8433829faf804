"""The contract of `ports.Store`, `Transaction` and `Analytics`, for every adapter.

An adapter's test module derives from `StoreSuite` and gives it `open_pair`.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import astuple, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.access import API_KEYS, WORKSPACES, ApiKey, Workspace
from shared.domain.audit import AuditEntry, ChainCheck
from shared.domain.entries import (
    CONTENT_KEYS,
    ENTRIES,
    REVISIONS,
    ContentKey,
    Entry,
    Revision,
    revision_id,
)
from shared.domain.feedback import CONVERSATIONS, ConversationCount, OutcomeEvidence, RatingEvidence
from shared.domain.operations import CONSUMED, IDEMPOTENCY, Consumed, IdempotencyRecord
from shared.domain.records import Filter, Order
from shared.domain.times import to_text
from shared.errors import AlreadyExists, Conflict, InvalidInput
from shared.messages.events import Event
from shared.ports import Analytics, Store

HERE, THERE = "default", "other"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def entry(number: int, **changes: Any) -> Entry:
    """Returns an entry; later numbers were submitted later, three in the same second."""
    at = to_text(NOW.replace(minute=number // 3))
    plain = {
        "id": f"ent_{number:04d}",
        "state": "pending_approval",
        "topic": f"topic {number % 2}",
        "content": f"content {number}",
        "content_hash": f"hash {number}",
        "confidence_score": number % 5 / 4,
        "risk": 0.5,
        "tags": [f"tag{number % 3}", "all"],
        "submitter": "model",
        "submitted_by": "key:a",
        "submitted_at": at,
        "created_at": at,
        "updated_at": at,
    }
    return Entry(**{**plain, **changes})


def key(name: str, value: str = "ent_1") -> ContentKey:
    """Returns a small record."""
    return ContentKey(id=name, entry_id=value)


def audit_entry(subject: str = "ent_1", *, action: str = "entry.submitted", actor: str = "ada"):
    """Returns something to be recorded."""
    return AuditEntry(actor, action, subject, to_text(NOW), {"z": 1, "a": [1.5, None, "é\x00"]})


def event(name: str, workspace: str = HERE) -> Event:
    """Returns an event."""
    return Event(
        event_id=name,
        type="entry.submitted",
        workspace=workspace,
        occurred_at=to_text(NOW),
        subject="ent_1",
        data={"n": 1},
    )


RATING = RatingEvidence(
    at=to_text(NOW),
    day=20_000,
    feedback_id="fb_1",
    request_id="req_1",
    rater="ada",
    pattern="code",
    provider="local",
    model="small",
    snapshot_id="",
    sign=1,
    quality=4,
    correct=1,
    cost_nanousd=5,
    costed=1,
    latency_ms=7,
    timed=1,
    propensity=0.5,
)
OUTCOME = OutcomeEvidence(
    at=to_text(NOW),
    day=20_000,
    second=20_000 * 86_400 + 7,
    recommendation_id="rec_1",
    workflow_id="wf",
    agent_id="agent",
    recommendation_type="price",
    completed=1,
    points=2,
    quality=900,
    timely=1,
    agreed=0,
    confident=1,
    confidence_millis=800,
)


async def write(store: Store, *steps: Callable[[Any], object], workspace: str = HERE) -> None:
    """Runs steps that only write as one transaction."""

    async def work(tx: Any) -> None:
        for step in steps:
            step(tx)

    await store.transact(workspace, work)


def puts(collection: Any, *records: Any) -> Callable[[Any], object]:
    """Returns the step that puts records."""
    return lambda tx: [tx.put(collection, one) for one in records]


def creates(collection: Any, *records: Any) -> Callable[[Any], object]:
    """Returns the step that creates records."""
    return lambda tx: [tx.create(collection, one) for one in records]


def everything(tx: Any) -> None:
    """Writes one of everything that a transaction can write besides records."""
    tx.add("review", {"approved": 1})
    tx.append(RATING, OUTCOME)
    tx.audit(audit_entry())
    tx.emit(event("evt_lost"))


async def traces(store: Store, analytics: Analytics, workspace: str = HERE) -> tuple[Any, ...]:
    """Returns what `everything` would have left behind."""
    return (
        await store.counters(workspace, ""),
        await analytics.head(workspace),
        await store.audit_chain(workspace, 0, 10),
        await store.outbox(10),
    )


NOTHING = ({}, (0, 0), [], [])


async def all_pages(store: Store, collection: Any, *filters: Filter, **asked: Any) -> list[str]:
    """Returns the ids of every record, page by page."""
    ids: list[str] = []
    cursor = None
    while True:
        page = await store.find(HERE, collection, *filters, cursor=cursor, **asked)
        ids += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return ids


class StoreSuite:
    """Every sentence of the ports; `open_pair` opens a store and its analytics, empty."""

    open_pair: Callable[..., tuple[Store, Analytics]]

    @pytest.fixture
    def play(self, tmp_path):
        """Runs a scenario over an empty store and its analytics, which are closed behind it."""

        def run(scenario: Callable[[Store, Analytics], Awaitable[Any]]) -> Any:
            async def whole() -> Any:
                store, analytics = self.open_pair(tmp_path)
                try:
                    return await scenario(store, analytics)
                finally:
                    await store.close()

            return asyncio.run(whole())

        return run

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
            assert done[0] == 1
            assert isinstance(done[1], asyncio.CancelledError)
            assert done[2] == 2
            assert await traces(store, analytics) == NOTHING

        play(scenario)

    # --- queries --------------------------------------------------------------------------------

    def test_a_question_that_was_not_declared_is_refused(self, play):
        async def scenario(store, _):
            pending = Filter("state", "==", "pending_approval")
            for filters, order in (
                ([], Order("submitted_at")),
                ([pending], Order("topic")),
                ([Filter("content", "==", "x")], None),
                ([pending, Filter("metadata", "contains", "x")], None),
            ):
                with pytest.raises(ValueError, match="entries"):
                    await store.find(HERE, ENTRIES, *filters, order=order)

                async def work(tx, filters=filters, order=order):
                    return await tx.find(ENTRIES, *filters, order=order)

                with pytest.raises(ValueError, match="entries"):
                    await store.transact(HERE, work)
            with pytest.raises(ValueError, match="entries"):
                await store.count(HERE, ENTRIES, Filter("content", "==", "x"), at_most=1)

        play(scenario)

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("order", ["submitted_at", "confidence_score", "id"])
    @pytest.mark.parametrize("limit", [1, 4, 7, 100])
    def test_pages_walk_through_everything_in_order_ties_by_id(
        self, play, order, descending, limit
    ):
        async def scenario(store, _):
            entries = [entry(number) for number in range(23)]
            await write(store, puts(ENTRIES, *random.Random(4).sample(entries, 23)))
            pending = Filter("state", "==", "pending_approval")
            asked = {"order": Order(order, descending), "limit": limit}
            found = await all_pages(store, ENTRIES, pending, **asked)
            ranked = sorted(
                entries, key=lambda one: (getattr(one, order), one.id), reverse=descending
            )
            assert found == [one.id for one in ranked]

        play(scenario)

    @pytest.mark.parametrize(
        ("given", "fits"),
        [
            (Filter("topic", "==", "topic 1"), lambda one: one.topic == "topic 1"),
            (Filter("decided_at", "==", None), lambda one: one.decided_at is None),
            (Filter("confidence_score", ">=", 0.5), lambda one: one.confidence_score >= 0.5),
            (Filter("tags", "contains", "tag2"), lambda one: "tag2" in one.tags),
            (Filter("tags", "contains", "tag"), lambda one: "tag" in one.tags),
            (Filter("revision", "==", 2), lambda one: one.revision == 2),
        ],
    )
    def test_filters_narrow_pages_and_counts(self, play, given, fits):
        async def scenario(store, _):
            entries = [
                entry(
                    number,
                    revision=1 + number % 2,
                    state="approved" if number % 4 == 0 else "pending_approval",
                    decided_at=to_text(NOW) if number % 4 == 0 else None,
                )
                for number in range(20)
            ]
            await write(store, puts(ENTRIES, *entries))
            for state in ("pending_approval", "approved"):
                wanted = [one.id for one in entries if one.state == state and fits(one)]
                filters = (Filter("state", "==", state), given)
                order = Order("submitted_at")
                assert await all_pages(store, ENTRIES, *filters, order=order, limit=3) == wanted
                assert await store.count(HERE, ENTRIES, *filters, at_most=99) == len(wanted)

                async def work(tx, filters=filters, order=order):
                    return await tx.find(ENTRIES, *filters, order=order, limit=4)

                inside = await store.transact(HERE, work)
                assert [one.id for one in inside] == wanted[:4]

        play(scenario)

    def test_a_missing_order_is_that_of_the_closest_declared_question(self, play):
        async def scenario(store, _):
            await write(store, puts(WORKSPACES, *(space(name) for name in ("c", "a", "b"))))
            page = await store.find(HERE, WORKSPACES)
            assert [one.id for one in page.items] == ["a", "b", "c"]
            assert page.next_cursor is None

        def space(name):
            return Workspace(id=name, created_at=to_text(NOW))

        play(scenario)

    def test_paging_while_records_come_and_go_shows_each_that_stayed_once(self, play):
        async def scenario(store, _):
            await write(store, puts(ENTRIES, *(entry(number) for number in range(0, 60, 2))))
            pending = Filter("state", "==", "pending_approval")
            asked = {"order": Order("submitted_at"), "limit": 5}
            ids: list[str] = []
            cursor, late = None, 1
            while True:
                page = await store.find(HERE, ENTRIES, pending, cursor=cursor, **asked)
                ids += [one.id for one in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    break
                last = page.items[-1].id
                await write(
                    store,
                    puts(ENTRIES, entry(late)),
                    lambda tx, last=last: tx.delete(ENTRIES, last),
                )
                late += 10
            assert ids == sorted(set(ids))
            assert {f"ent_{number:04d}" for number in range(0, 60, 2)} <= set(ids)

        play(scenario)

    def test_a_cursor_belongs_to_its_workspace_collection_filters_and_order(self, play):
        async def scenario(store, _):
            await write(store, puts(ENTRIES, *(entry(number) for number in range(9))))
            pending = Filter("state", "==", "pending_approval")
            asked = {"order": Order("submitted_at"), "limit": 2}
            cursor = (await store.find(HERE, ENTRIES, pending, **asked)).next_cursor
            approved = Filter("state", "==", "approved")
            for workspace, collection, filters, order in (
                (THERE, ENTRIES, (pending,), Order("submitted_at")),
                (HERE, API_KEYS, (Filter("tenant", "==", "a"),), Order("created_at")),
                (HERE, ENTRIES, (approved,), Order("submitted_at")),
                (HERE, ENTRIES, (pending, Filter("topic", "==", "x")), Order("submitted_at")),
                (HERE, ENTRIES, (pending,), Order("confidence_score")),
                (HERE, ENTRIES, (pending,), Order("submitted_at", descending=True)),
            ):
                with pytest.raises(InvalidInput) as caught:
                    await store.find(workspace, collection, *filters, order=order, cursor=cursor)
                assert caught.value.problems[0].pointer == "?cursor"

        play(scenario)

    def test_a_limit_is_not_part_of_a_cursor(self, play):
        async def scenario(store, _):
            await write(store, puts(ENTRIES, *(entry(number) for number in range(9))))
            first = await store.find(HERE, ENTRIES, limit=2)
            rest = await store.find(HERE, ENTRIES, limit=100, cursor=first.next_cursor)
            assert [one.id for one in first.items + rest.items] == [entry(n).id for n in range(9)]

        play(scenario)

    @pytest.mark.parametrize("cursor", ["", "x", "=", "é", "AAAA", "bnVsbA", "W10", "0" * 999])
    def test_a_made_up_cursor_is_refused(self, play, cursor):
        async def scenario(store, _):
            with pytest.raises(InvalidInput):
                await store.find(HERE, ENTRIES, cursor=cursor)

        play(scenario)

    def test_a_count_goes_no_further_than_asked(self, play):
        async def scenario(store, _):
            await write(store, puts(ENTRIES, *(entry(number) for number in range(9))))
            for at_most, wanted in ((0, 0), (1, 1), (8, 8), (9, 9), (10, 9)):
                assert await store.count(HERE, ENTRIES, at_most=at_most) == wanted

        play(scenario)

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
                id="k", fingerprint="", status=0, body="", expires_at=to_text(NOW.replace(second=1))
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

    # --- analytics -----------------------------------------------------------------------------

    def test_evidence_is_numbered_from_1_without_gaps_and_summed_over_half_open_ranges(self, play):
        async def scenario(store, analytics):
            assert await analytics.head(HERE) == (0, 0)
            rows = [replace(RATING, quality=1 + n % 5, feedback_id=f"fb{n}") for n in range(30)]
            await asyncio.gather(
                *(write(store, lambda tx, one=one: tx.append(one)) for one in rows)
            )
            assert await analytics.head(HERE) == (30, 0)
            for after, upto in ((0, 30), (0, 1), (29, 30), (10, 20), (5, 5), (30, 99)):
                sums = await analytics.rating_sums(HERE, after, upto)
                assert sum(one.n for one in sums) == max(0, min(upto, 30) - after)

        play(scenario)

    def check_sums(self, root, ratings, outcomes, after, upto):
        """Holds the sums of rows against a plain computation; called by a property test."""

        async def scenario():
            store, analytics = self.open_pair(root)
            try:
                if ratings or outcomes:
                    await write(store, lambda tx: tx.append(*ratings, *outcomes))
                await write(store, lambda tx: tx.append(RATING, OUTCOME), workspace=THERE)
                return (
                    await analytics.rating_sums(HERE, after, upto),
                    await analytics.outcome_sums(HERE, after, upto),
                    await analytics.quality_sums(HERE, after, upto),
                )
            finally:
                await store.close()

        found = asyncio.run(scenario())
        rated, settled = ratings[after:upto], outcomes[after:upto]
        assert [astuple(one) for one in found[0]] == naive_ratings(rated)
        assert [astuple(one) for one in found[1]] == naive_outcomes(settled)
        assert [astuple(one) for one in found[2]] == naive_quality(rated)


def grouped(rows, *names):
    """Returns rows by the values of these fields, in order."""
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(getattr(row, name) for name in names)].append(row)
    return sorted(groups.items())


def naive_ratings(rows):
    """Returns RatingSums as tuples, by plain addition."""
    return [
        (
            *names,
            sum(one.sign for one in group),
            sum(one.sign * one.quality for one in group),
            sum(one.sign * one.quality**2 for one in group),
            sum(one.sign * one.correct for one in group),
            sum(one.sign * one.cost_nanousd for one in group),
            sum(one.sign * one.costed for one in group),
            sum(one.sign * one.latency_ms for one in group),
            sum(one.sign * one.timed for one in group),
        )
        for names, group in grouped(rows, "pattern", "provider", "model", "day")
    ]


def naive_quality(rows):
    """Returns QualitySums as tuples, by plain addition."""
    return [
        (
            *names,
            sum(one.sign for one in group),
            sum(one.sign * one.quality for one in group),
            sum(one.sign * one.quality**2 for one in group),
            sum(one.sign * one.correct for one in group),
        )
        for names, group in grouped(rows, "snapshot_id")
    ]


def naive_outcomes(rows):
    """Returns OutcomeSums as tuples, by plain addition."""
    sums = []
    names = ("agent_id", "recommendation_type", "agreed", "confident", "day")
    for values, group in grouped(rows, *names):
        done = [one for one in group if one.completed]
        earned = [one.second for one in done if one.points > 0]
        offsets = [(one.second % 86_400, one.points) for one in done]
        sums.append(
            (
                *values,
                len(group),
                len(done),
                sum(one.points for one in done),
                sum(one.points**2 for one in done),
                sum(one.quality for one in done),
                sum(one.quality**2 for one in done),
                sum(one.timely for one in done),
                sum(one.confidence_millis for one in done),
                sum(offset for offset, _ in offsets),
                sum(offset**2 for offset, _ in offsets),
                sum(offset * points for offset, points in offsets),
                min(earned, default=0),
                max(earned, default=0),
            )
        )
    return sums


async def raise_count(store: Store) -> int:
    """Adds one to a record by reading and writing it, and returns the new value."""

    async def work(tx: Any) -> int:
        known = await tx.get(CONVERSATIONS, "conversations")
        count = (known.completed if known else 0) + 1
        tx.put(CONVERSATIONS, ConversationCount(id="conversations", completed=count))
        return count

    return await store.transact(HERE, work)


async def read_count(tx: Any) -> int:
    """Reads it inside a transaction."""
    known = await tx.get(CONVERSATIONS, "conversations")
    return known.completed if known else 0
