"""Revising an entry over HTTP: after which decisions, against what, and one of many at once."""

import asyncio

import pytest

from functions.submit.main import app
from shared.domain.entries import DECISIONS, ENTRIES, REVISIONS
from shared.messages.reviewing import Reviewed
from shared.services import reviewing
from tests.e2e.test_submit import ENTRY, left_behind, with_http
from tests.support.system import WORKSPACE, caller


async def set_state(system, entry_id, state):
    entry = await system.store.get(WORKSPACE, ENTRIES, entry_id)

    async def write(tx):
        tx.put(ENTRIES, entry.model_copy(update={"state": state}))

    await system.store.transact(WORKSPACE, write)


@pytest.mark.parametrize("state", ["revision_requested", "approved"])
def test_a_revision_follows_a_request_or_an_approval(tmp_path, state):
    async def scenario(system, http):
        entry_id = (await http.post("/v1/entries", json=ENTRY)).json()["entry_id"]
        await set_state(system, entry_id, state)
        body = {**ENTRY, "content": "Better.", "expected_revision": 1}
        response = await http.put(f"/v1/entries/{entry_id}", json=body)
        assert response.status_code == 202
        answer = response.json()
        assert (answer["entry_id"], answer["revision"]) == (entry_id, 2)
        assert (answer["state"], answer["near_duplicates"]) == ("pending_approval", [])
        read = (await http.get(f"/v1/entries/{entry_id}")).json()
        assert [one["content"] for one in read["revisions"]] == [ENTRY["content"], "Better."]
        assert [one["state"] for one in read["revisions"]] == [state, "pending_approval"]
        types = [item.event.data["revision"] for item in await system.store.outbox(9)]
        assert types == [1, 2]

    with_http(tmp_path, scenario)


def test_what_is_published_can_be_revised_again_after_a_revision_was_rejected(tmp_path):
    async def scenario(system, http):
        entry_id = (await http.post("/v1/entries", json=ENTRY)).json()["entry_id"]
        reviewer = caller("ada", role="reviewer")

        async def decided(verdict):
            command = Reviewed.model_validate({})
            await reviewing.decide(
                system.deps, reviewer, entry_id, command, None, verdict=verdict, notes="n"
            )

        async def revised(content):
            return await http.put(f"/v1/entries/{entry_id}", json={**ENTRY, "content": content})

        await decided("approve")
        assert (await revised("a worse text")).status_code == 202
        await decided("reject")
        again = await revised("a better text")
        assert (again.status_code, again.json()["revision"]) == (202, 3)
        totals = await system.store.counter(WORKSPACE, "review")
        assert (totals["pending_approval"], totals.get("rejected", 0)) == (1, 0)
        await decided("approve")
        seen = (await http.get(f"/v1/entries/{entry_id}")).json()
        assert seen["published_revision"] == 3
        assert [one["state"] for one in seen["revisions"]] == ["superseded", "rejected", "approved"]

    with_http(tmp_path, scenario)


@pytest.mark.parametrize("state", ["pending_approval", "rejected", "retracted"])
def test_no_revision_in_another_state(tmp_path, state):
    async def scenario(system, http):
        entry_id = (await http.post("/v1/entries", json=ENTRY)).json()["entry_id"]
        await set_state(system, entry_id, state)
        before = await left_behind(system)
        response = await http.put(f"/v1/entries/{entry_id}", json={**ENTRY, "content": "Better."})
        assert (response.status_code, response.json()["state"]) == (409, state)
        assert await left_behind(system) == before

    with_http(tmp_path, scenario)


def test_a_revision_names_what_it_replaces_and_says_something_new(tmp_path):
    async def scenario(system, http):
        first = (await http.post("/v1/entries", json=ENTRY)).json()["entry_id"]
        other = {**ENTRY, "content": "Something else."}
        second = (await http.post("/v1/entries", json=other)).json()["entry_id"]
        await set_state(system, first, "revision_requested")
        path = f"/v1/entries/{first}"
        stale = await http.put(path, json={**ENTRY, "content": "B.", "expected_revision": 2})
        assert (stale.status_code, stale.json()["revision"]) == (409, 1)
        same = await http.put(path, json=ENTRY)
        assert same.status_code == 409
        taken = await http.put(path, json=other)
        assert (taken.status_code, taken.json()["entry_id"]) == (409, second)
        bad = await http.put(path, json={**ENTRY, "expected_revision": 0})
        assert bad.json()["errors"][0]["pointer"] == "/expected_revision"
        missing = await http.put("/v1/entries/ent_none", json=ENTRY)
        assert missing.status_code == 404
        stranger = await system.client(app, scopes=("submit",), workspace="other")
        assert (await stranger.put(path, json={**ENTRY, "content": "B."})).status_code == 404

    with_http(tmp_path, scenario)


def test_of_many_revisions_at_once_one_is_taken(tmp_path):
    async def scenario(system, http):
        entry_id = (await http.post("/v1/entries", json=ENTRY)).json()["entry_id"]
        await set_state(system, entry_id, "revision_requested")
        answers = await asyncio.gather(
            *(
                http.put(f"/v1/entries/{entry_id}", json={**ENTRY, "content": f"Better {n}."})
                for n in range(16)
            )
        )
        assert sorted(one.status_code for one in answers) == [202] + [409] * 15
        assert await system.store.count(WORKSPACE, REVISIONS, at_most=9) == 1
        assert await system.store.count(WORKSPACE, DECISIONS, at_most=9) == 0

    with_http(tmp_path, scenario)
