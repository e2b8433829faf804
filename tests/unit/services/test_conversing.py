import asyncio

import pytest

from shared.domain.access import IdempotencyKey
from shared.domain.feedback import CONVERSATIONS
from shared.messages.rating import CompleteConversations
from shared.services.conversing import complete_conversations
from tests.support.learning import ADMIN
from tests.support.system import WORKSPACE, play


async def complete(system, count=1, key=None):
    command = CompleteConversations(count=count)
    return await complete_conversations(system.deps, ADMIN, command, key)


async def asked(system):
    return [one for one in await system.drain() if one.type == "learning.requested"]


def test_every_tenth_conversation_asks_for_a_run(tmp_path):
    async def scenario(system):
        answers = [await complete(system) for _ in range(20)]
        assert [one.completed for one in answers if one.run_requested] == [10, 20]
        assert (answers[8].next_run_in, answers[9].next_run_in) == (1, 10)
        assert [one.data["reason"] for one in await asked(system)] == ["conversations"] * 2

    play(tmp_path, scenario)


def test_how_many_is_the_workspaces_choice(tmp_path):
    async def scenario(system):
        await system.change_settings(runs_after_conversations=3)
        assert [(await complete(system)).run_requested for _ in range(4)] == [
            False,
            False,
            True,
            False,
        ]

    play(tmp_path, scenario)


def test_one_call_asks_at_most_once_however_far_it_goes(tmp_path):
    async def scenario(system):
        answer = await complete(system, 35)
        assert (answer.completed, answer.next_run_in, answer.run_requested) == (35, 5, True)
        assert len(await asked(system)) == 1
        assert not (await complete(system, 4)).run_requested
        assert (await complete(system, 1)).run_requested

    play(tmp_path, scenario)


def test_racing_calls_are_all_counted_and_never_ask_twice_for_the_same_multiple(tmp_path):
    async def scenario(system):
        answers = await asyncio.gather(*(complete(system) for _ in range(50)))
        assert all(1 <= one.completed <= 50 for one in answers)
        requests = [one.data["completed"] // 10 for one in await asked(system)]
        assert 1 <= len(requests) <= 5
        assert len(set(requests)) == len(requests)
        after = await complete(system)
        assert (after.completed, after.next_run_in, after.run_requested) == (51, 9, False)

    play(tmp_path, scenario)


@pytest.mark.parametrize("crowd", [10, 12, 19])
def test_a_crowd_that_passes_a_multiple_unseen_still_gets_its_run(tmp_path, crowd):
    async def scenario(system):
        await asyncio.gather(*(complete(system) for _ in range(crowd)))
        (request,) = await asked(system)
        assert request.data["reason"] == "conversations"
        assert request.data["completed"] >= 10

    play(tmp_path, scenario)


def test_counting_writes_no_record_that_others_wait_for_between_two_runs(tmp_path):
    async def scenario(system):
        marks = []
        for _ in range(21):
            await complete(system)
            marks.append(await system.store.get(WORKSPACE, CONVERSATIONS, "conversations"))
        assert marks[:9] == [None] * 9
        assert [one.completed for one in marks[9:]] == [10] * 10 + [20] * 2

    play(tmp_path, scenario)


def test_a_key_counts_once(tmp_path):
    async def scenario(system):
        first = await complete(system, 5, IdempotencyKey("k", "f"))
        assert await complete(system, 5, IdempotencyKey("k", "f")) == first
        assert (await complete(system)).completed == 6

    play(tmp_path, scenario)


@pytest.mark.parametrize("count", [0, -1, 1001, 1.5, "2", True])
def test_a_count_out_of_range_is_refused(count):
    with pytest.raises(ValueError, match="count"):
        CompleteConversations.model_validate({"count": count})
