"""Many decisions in one request."""

import pytest

from shared.domain.access import IdempotencyKey
from shared.errors import InvalidInput, Unavailable
from shared.messages.reviewing import BulkDecide
from shared.services import review_bulk
from tests.support.entries import submit
from tests.support.system import WORKSPACE, caller, play

ADA = caller("ada", role="reviewer")
BOT = caller("key:bot", scopes=("review",))


async def bulk(system, items, who=ADA, key=None, reviewer=None):
    command = BulkDecide(decisions=items, reviewer=reviewer)
    return await review_bulk.decide_many(system.deps, who, command, key)


async def decisions(system):
    return (await system.store.counters(WORKSPACE, "review"))["review"].get("approve", 0)


def test_each_item_stands_or_falls_by_itself(tmp_path):
    async def scenario(system):
        ids = [await submit(system, number) for number in range(3)]
        items = [
            {"entry_id": ids[0], "verdict": "approve"},
            {"entry_id": "ent_none", "verdict": "approve"},
            {"entry_id": ids[1], "verdict": "reject"},
            {"entry_id": ids[1], "verdict": "reject", "notes": "wrong"},
            {"entry_id": ids[2], "verdict": "approve", "revision": 2},
            {"entry_id": ids[2], "verdict": "later"},
            "nonsense",
            {"entry_id": ids[2], "verdict": "request_revision", "notes": "source?"},
            {"entry_id": ids[2], "verdict": "approve", "reviewer": "bob"},
        ]
        answer = await bulk(system, items)
        codes = [one.problem.code if one.problem else one.decision.state for one in answer.items]
        assert codes == [
            "approved",
            "not_found",
            "invalid_input",
            "rejected",
            "conflict",
            "invalid_input",
            "invalid_input",
            "revision_requested",
            "not_allowed",
        ]
        assert [one.index for one in answer.items] == list(range(9))
        assert answer.items[2].problem.errors[0].pointer == "/notes"
        assert answer.items[6].entry_id is None
        assert (answer.succeeded, answer.failed) == (3, 6)

    play(tmp_path, scenario)


def test_two_hundred_decisions_are_two_hundred_changes(tmp_path):
    async def scenario(system):
        ids = [await submit(system, number) for number in range(200)]
        answer = await bulk(system, [{"entry_id": one, "verdict": "approve"} for one in ids])
        assert answer.succeeded == 200
        assert [one.entry_id for one in answer.items] == ids
        assert await decisions(system) == 200
        events = [event.subject for event in await system.drain() if "approved" in event.type]
        assert sorted(events) == sorted(ids)

    play(tmp_path, scenario)


def test_a_repeated_request_answers_as_it_did_and_goes_on_where_it_stopped(tmp_path):
    async def scenario(system):
        first, second = [await submit(system, number) for number in range(2)]
        items = [{"entry_id": one, "verdict": "approve"} for one in (first, second)]
        partly = await bulk(system, items[:1], key=IdempotencyKey("k", "f"))  # as if cut short
        key = IdempotencyKey("k", "f")
        whole = await bulk(system, items, key=key)
        assert whole.items[0] == partly.items[0]
        assert (whole.succeeded, key.replayed) == (2, False)
        again = IdempotencyKey("k", "f")
        assert await bulk(system, items, key=again) == whole
        assert again.replayed
        assert await decisions(system) == 2
        key = IdempotencyKey("l", "f")
        for replayed in (False, True):  # also where one of the items is refused
            left = [{"entry_id": "ent_none", "verdict": "approve"}]
            left.append({"entry_id": await submit(system, 9), "verdict": "approve"})
            assert (await bulk(system, left, key=key)).failed == 1
            assert key.replayed == replayed

    play(tmp_path, scenario)


def test_a_key_with_other_decisions_is_refused_and_decides_nothing(tmp_path):
    async def scenario(system):
        ids = [await submit(system, number) for number in range(3)]
        items = [{"entry_id": one, "verdict": "approve"} for one in ids]
        await bulk(system, items[:1], key=IdempotencyKey("k", "f"))
        with pytest.raises(InvalidInput, match="Idempotency-Key"):
            await bulk(system, items[1:], key=IdempotencyKey("k", "g"))
        assert await decisions(system) == 1

    play(tmp_path, scenario)


def test_a_read_only_workspace_refuses_the_request_as_a_whole(tmp_path):
    async def scenario(system):
        items = [{"entry_id": await submit(system), "verdict": "approve"}]
        await system.change_settings(read_only=True)
        with pytest.raises(Unavailable, match="read-only"):
            await bulk(system, items, key=IdempotencyKey("k", "f"))

    play(tmp_path, scenario)


def test_the_reviewer_of_the_request_decides_what_names_nobody(tmp_path):
    async def scenario(system):
        ids = [await submit(system, number) for number in range(2)]
        items = [
            {"entry_id": ids[0], "verdict": "approve"},
            {"entry_id": ids[1], "verdict": "approve", "reviewer": "bob"},
        ]
        answer = await bulk(system, items, who=BOT, reviewer="cyd")
        assert [one.decision.reviewer for one in answer.items] == ["cyd", "bob"]

    play(tmp_path, scenario)
