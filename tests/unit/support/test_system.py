"""The tests' own system: what it promises to every other test."""

from functions.submit.main import app as submit
from shared.messages.base import PageParams
from shared.services import submitting
from shared.services.unit import settings_of
from tests.support.system import WORKSPACE, caller, play

ENTRY = {"topic": "billing", "content": "Invoices can be reissued.", "confidence_score": 0.9}


def test_requests_pass_the_real_guard(tmp_path):
    async def scenario(system):
        nobody = await system.client(submit)
        machine = await system.client(submit, scopes=("submit",))
        other = await system.client(submit, scopes=("monitor",))
        person = await system.client(submit, role="reviewer")
        clients = (nobody, machine, other, person)
        return [(await one.post("/v1/entries", json=ENTRY)).status_code for one in clients]

    assert play(tmp_path, scenario) == [401, 202, 403, 202]


def test_draining_hands_events_to_registered_consumers_until_none_is_left(tmp_path):
    async def scenario(system):
        seen = []

        async def notify(event):
            seen.append(event)

        system.consumers["notify"] = notify
        http = await system.client(submit, scopes=("submit",))
        await http.post("/v1/entries", json=ENTRY)
        events = await system.drain()
        assert seen == events
        assert [event.type for event in events] == ["entry.submitted"]
        assert await system.drain() == []

    play(tmp_path, scenario)


def test_a_second_system_goes_on_from_the_first_ones_data(tmp_path):
    async def first(system):
        http = await system.client(submit, scopes=("submit",))
        return (await http.post("/v1/entries", json=ENTRY)).json()["entry_id"]

    entry_id = play(tmp_path, first)

    async def second(system):
        found = await submitting.view_entry(
            system.deps, caller(role="viewer"), entry_id, PageParams()
        )
        assert found.content == ENTRY["content"]

    play(tmp_path, second, seed=1)


def test_changed_settings_are_seen_at_once(tmp_path):
    async def scenario(system):
        assert not (await settings_of(system.deps, WORKSPACE)).read_only
        await system.change_settings(read_only=True)
        assert (await settings_of(system.deps, WORKSPACE)).read_only
        http = await system.client(submit, scopes=("submit",))
        assert (await http.post("/v1/entries", json=ENTRY)).status_code == 503

    play(tmp_path, scenario)
