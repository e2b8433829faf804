"""The contract of stores: questions, pages and counts."""

import random

import pytest

from shared.domain.access import API_KEYS, WORKSPACES, Workspace
from shared.domain.entries import (
    ENTRIES,
)
from shared.domain.records import Filter, Order
from shared.domain.times import to_text
from shared.errors import InvalidInput
from tests.contract.store_records import HERE, NOW, THERE, Suite, all_pages, entry, puts, write


class QuerySuite(Suite):
    """The contract of stores: questions, pages and counts."""

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
