import pytest

from shared.adapters.bus_inprocess import Retries
from shared.errors import NotFound, Unavailable
from shared.messages.events import Event
from shared.messages.watching import ReplayLetters
from shared.services.dead_letters import list_dead_letters, replay_dead_letters
from tests.support.system import WORKSPACE, caller, play

ADA = caller("ada", role="admin")


async def given_up(system, number=1, workspace=WORKSPACE):
    event = Event(
        event_id=f"evt_{number}",
        type="entry.submitted",
        workspace=workspace,
        occurred_at=system.clock.now_text(),
        subject=f"ent_{number}",
    )
    await system.bus.bury("notify", event, 5, "no answer")


async def ids(system):
    return [one.id for one in await list_dead_letters(system.deps, ADA)]


def test_dead_letters_say_what_was_tried_and_why_it_failed(tmp_path):
    async def scenario(system):
        await given_up(system)
        await given_up(system, 2, workspace="other")
        (one,) = await list_dead_letters(system.deps, ADA)
        assert (one.consumer, one.event_type, one.subject) == ("notify", "entry.submitted", "ent_1")
        assert (one.attempts, one.last_error) == (5, "no answer")

    play(tmp_path, scenario)


def test_a_replay_delivers_again_and_is_on_record(tmp_path):
    async def scenario(system):
        seen = []

        async def consumer(event):
            seen.append(event.event_id)

        system.consumers["notify"] = consumer
        await given_up(system)
        letters = await ids(system)
        answer = await replay_dead_letters(system.deps, ADA, ReplayLetters(ids=letters))
        assert answer.replayed == 1
        await system.bus.retry_due()
        assert seen == ["evt_1"]
        assert await ids(system) == []
        (record,) = (await system.store.audit_page(WORKSPACE)).items
        assert (record.action, record.actor, record.data) == (
            "dead_letters.replayed",
            "ada",
            {"ids": letters},
        )

    play(tmp_path, scenario, retries=Retries())


def test_letters_of_other_workspaces_cannot_be_replayed(tmp_path):
    async def scenario(system):
        await given_up(system)
        await given_up(system, 2, workspace="other")
        (theirs,) = [one.id for one in await system.bus.dead_letters("other")]
        with pytest.raises(NotFound):
            await replay_dead_letters(
                system.deps, ADA, ReplayLetters(ids=[*await ids(system), theirs])
            )
        assert len(await system.bus.dead_letters()) == 2
        assert (await system.store.audit_page(WORKSPACE)).items == []

    play(tmp_path, scenario)


def test_nothing_is_replayed_where_nothing_may_change(tmp_path):
    async def scenario(system):
        await given_up(system)
        await system.change_settings(read_only=True)
        with pytest.raises(Unavailable):
            await replay_dead_letters(system.deps, ADA, ReplayLetters(ids=await ids(system)))

    play(tmp_path, scenario)
