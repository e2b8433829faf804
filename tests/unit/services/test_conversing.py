import asyncio

import pytest

from shared.domain.access import IdempotencyKey
from shared.messages.rating import CompleteConversations
from shared.services.conversing import complete_conversations
from tests.support.learning import ADMIN
from tests.support.system import play


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


def test_racing_calls_ask_once_for_each_crossing(tmp_path):
    async def scenario(system):
        answers = await asyncio.gather(*(complete(system) for _ in range(50)))
        assert sum(one.run_requested for one in answers) == 5
        assert sorted(one.completed for one in answers) == list(range(1, 51))
        assert len(await asked(system)) == 5

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
