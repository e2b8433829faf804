"""What a page of the queue is told while it is open: nothing missed, nothing told twice."""

import asyncio
import json
import re

import pytest

from functions.console import queue_live
from shared.domain.audit import AuditEntry
from shared.services import watching
from tests.support.entries import submit
from tests.support.system import WORKSPACE, play
from tests.unit.functions.console.test_pages import browser


def playing(tmp_path, scenario):
    async def run(system):
        await scenario(system, await browser(system, subject="ada", role="reviewer"))

    play(tmp_path, run)


def test_the_stream_tells_what_happens_and_how_many_wait_and_then_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(queue_live, "LOOK_S", 0.001)

    async def scenario(system, http):
        entry_id = await submit(system, 1)
        stream = queue_live._stream(system.deps, WORKSPACE, None)
        async with asyncio.timeout(10):
            assert (await anext(stream)).count == 1
            await http.post(f"/queue/{entry_id}/claim")
            told = await anext(stream)
            assert (told.entry_id, told.kind, told.who) == (entry_id, "claimed", "ada")
            assert (await anext(stream)).count == 1
            await submit(system, 2)
            assert (await anext(stream)).kind == "new"
            assert (await anext(stream)).count == 2
            system.clock.advance(queue_live.STREAM_S)
            assert [one async for one in stream] == []

    playing(tmp_path, scenario)


async def streamed(http, monkeypatch, since=None, last_id=None):
    """Returns the kinds and ids of what a stream tells that ends after its first look."""
    monkeypatch.setattr(queue_live, "LOOK_S", 0.0)
    monkeypatch.setattr(queue_live, "STREAM_S", 0.0)
    params = {} if since is None else {"since": since}
    headers = {} if last_id is None else {"last-event-id": last_id}
    answer = await http.get("/queue/live", params=params, headers=headers)
    if answer.status_code != 200:
        return answer.status_code, answer.text
    told = [
        dict(line.split(": ", 1) for line in one.splitlines())
        for one in answer.text.split("\n\n")
        if one
    ]
    return [(json.loads(one["data"]).get("kind", one["event"]), int(one["id"])) for one in told]


def test_a_page_is_told_what_happened_since_it_was_made(tmp_path, monkeypatch):
    async def scenario(system, http):
        entry_id = await submit(system, 1)
        page = (await http.get("/queue")).text
        since = re.search(r'data-since="(\d+)"', page)[1]
        await http.post(f"/queue/{entry_id}/claim")
        told = await streamed(http, monkeypatch, since=since)
        place = await watching.newest(system.deps, WORKSPACE)
        assert told == [("waiting", int(since)), ("claimed", place), ("waiting", place)]

    playing(tmp_path, scenario)


def test_a_browser_that_comes_back_goes_on_behind_the_last_it_was_told(tmp_path, monkeypatch):
    async def scenario(system, http):
        await submit(system, 1)
        one = await watching.newest(system.deps, WORKSPACE)
        await submit(system, 2)
        two = await watching.newest(system.deps, WORKSPACE)
        told = await streamed(http, monkeypatch, since=0, last_id=str(one))
        assert told == [("waiting", one), ("new", two), ("waiting", two)]
        assert await streamed(http, monkeypatch, since=0, last_id=str(two)) == [("waiting", two)]
        assert await streamed(http, monkeypatch, since=two + 100) == [("waiting", two)]

    playing(tmp_path, scenario)


def test_a_page_that_is_far_behind_is_told_to_load_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "FAR_BEHIND", 2)

    async def scenario(system, http):
        for number in range(3):
            await submit(system, number)
        place = await watching.newest(system.deps, WORKSPACE)
        told = await streamed(http, monkeypatch, since=place - 3)
        assert told == [("missed", place), ("waiting", place)]
        assert "new" in dict(await streamed(http, monkeypatch, since=place - 2))

    playing(tmp_path, scenario)


def test_more_than_one_look_reads_is_told_without_a_pause(tmp_path, monkeypatch):
    monkeypatch.setattr(watching, "SEEN_AT_ONCE", 2)
    monkeypatch.setattr(queue_live, "LOOK_S", 3600.0)

    async def scenario(system, _):
        for number in range(3):
            await submit(system, number)
        stream = queue_live._stream(system.deps, WORKSPACE, 0)
        async with asyncio.timeout(10):
            told = [await anext(stream) for _ in range(6)]
        assert [one.event for one in told].count("entry") == 3
        await stream.aclose()

    playing(tmp_path, scenario)


def test_the_next_stream_goes_on_behind_what_is_no_change_of_an_entry(tmp_path, monkeypatch):
    async def scenario(system, http):
        await submit(system, 1)
        one = await watching.newest(system.deps, WORKSPACE)
        rated = AuditEntry("ada", "feedback.recorded", "fb_1", system.clock.now_text(), {})

        async def work(tx):
            tx.audit(rated)

        for place in range(one, one + 3):
            await system.store.transact(WORKSPACE, work)
            told = await streamed(http, monkeypatch, last_id=str(place))
            assert told == [("waiting", place), ("waiting", place + 1)]

    playing(tmp_path, scenario)


@pytest.mark.parametrize(
    ("since", "last_id", "field"),
    [
        ("-1", None, "since"),
        ("x", None, "since"),
        ("9" * 20, None, "since"),
        ("0", "x", "Last-Event-ID"),
        ("0", "", "Last-Event-ID"),
    ],
)
def test_a_place_that_is_none_is_refused(tmp_path, monkeypatch, since, last_id, field):
    async def scenario(_, http):
        status, text = await streamed(http, monkeypatch, since=since, last_id=last_id)
        assert (status, field in text) == (422, True)

    playing(tmp_path, scenario)
