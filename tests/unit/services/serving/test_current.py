import asyncio
import logging
from dataclasses import replace

import pytest

from shared.errors import Unavailable
from shared.services.serving import current
from shared.services.serving.current import current_view
from tests.support.serving import (
    LARGE,
    MEDIUM,
    SMALL,
    make_current,
    point_at,
    snapshot,
    store_snapshot,
)
from tests.support.system import WORKSPACE, play


async def look(system, workspace=WORKSPACE):
    """Asks as a request does, and lets the look behind its back end."""
    view = await current_view(system.deps, workspace)
    looking = system.deps.snapshots_seen[workspace].looking
    if looking is not None:
        await asyncio.wait({looking})
    return view


class Failing:
    """A port of which every call fails while `broken`, and else is the real one's."""

    def __init__(self, real):
        self._real = real
        self.broken = True
        self.calls = []

    def __getattr__(self, name):
        async def call(*args, **options):
            self.calls.append(name)
            if self.broken:
                raise Unavailable("out of order")
            return await getattr(self._real, name)(*args, **options)

        return call


def test_without_a_snapshot_the_default_policy_is_current(tmp_path):
    async def scenario(system):
        view = await current_view(system.deps, WORKSPACE)
        assert view.snapshot_id is None
        assert view.models == (SMALL, MEDIUM, LARGE)
        assert view.policy.rows == ()

    play(tmp_path, scenario)


def test_the_first_request_is_answered_from_the_current_snapshot(tmp_path):
    async def scenario(system):
        name = await make_current(system, snapshot({"code": [MEDIUM]}))
        view = await current_view(system.deps, WORKSPACE)
        assert view.snapshot_id == name
        assert view.since == system.clock.now_text()
        assert view.policy.choice("code") == MEDIUM

    play(tmp_path, scenario)


def test_while_requests_come_a_new_snapshot_is_seen_within_two_seconds_and_nobody_waits(tmp_path):
    async def scenario(system):
        await look(system)
        name = await make_current(system, snapshot({"code": [MEDIUM]}))
        for _ in range(4):  # a request every half second
            system.clock.advance(0.5)
            seen = system.deps.snapshots_seen[WORKSPACE]
            before = seen.view
            view = await current_view(system.deps, WORKSPACE)
            assert view is before, "the request got what was there"
            if seen.looking is not None:
                await asyncio.wait({seen.looking})
        assert (await look(system)).snapshot_id == name

    play(tmp_path, scenario)


def test_after_a_pause_a_request_waits_for_one_look(tmp_path):
    async def scenario(system):
        await look(system)
        name = await make_current(system, snapshot({"code": [MEDIUM]}))
        system.clock.advance(2.1)
        views = await asyncio.gather(*(current_view(system.deps, WORKSPACE) for _ in range(5)))
        assert {view.snapshot_id for view in views} == {name}

    play(tmp_path, scenario)


def test_waiting_requests_share_one_look(tmp_path):
    async def scenario(system):
        store = Failing(system.store)
        store.broken = False
        deps = replace(system.deps, store=store)
        await asyncio.gather(*(current_view(deps, WORKSPACE) for _ in range(5)))
        assert store.calls.count("get") == 2, "the head and the settings, once"

    play(tmp_path, scenario)


def test_within_the_interval_the_store_is_not_asked(tmp_path):
    async def scenario(system):
        store = Failing(system.store)
        store.broken = False
        deps = replace(system.deps, store=store)
        await current_view(deps, WORKSPACE)
        store.calls.clear()
        system.clock.advance(0.9)
        for _ in range(20):
            await current_view(deps, WORKSPACE)
        assert store.calls == []

    play(tmp_path, scenario)


def test_rollback_is_seen_like_any_other_move(tmp_path):
    async def scenario(system):
        first = await make_current(system, snapshot({"code": [MEDIUM]}))
        await make_current(system, snapshot({"code": [LARGE]}))
        assert (await look(system)).policy.choice("code") == LARGE
        await point_at(system, first)
        system.clock.advance(3)
        assert (await look(system)).policy.choice("code") == MEDIUM
        await point_at(system, None)
        system.clock.advance(3)
        assert (await look(system)).snapshot_id is None

    play(tmp_path, scenario)


@pytest.mark.parametrize("damage", ["missing", "changed", "unknown"])
def test_a_snapshot_that_cannot_be_read_leaves_the_one_before(tmp_path, caplog, damage):
    async def scenario(system):
        good = await make_current(system, snapshot({"code": [MEDIUM]}))
        await look(system)
        bad = await store_snapshot(system, snapshot({"code": [LARGE]}))
        key = f"{WORKSPACE}/snapshots/{bad}.json"
        if damage == "missing":
            await system.deps.blobs.delete(key)
        elif damage == "changed":
            await system.deps.blobs.put(key, b'{"schema_version":1}', if_generation=None)
        await point_at(system, "snap_nowhere" if damage == "unknown" else bad)
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                system.clock.advance(3)
                view = await look(system)
                assert view.snapshot_id == good
                assert view.policy.choice("code") == MEDIUM
                assert view.unreadable_id == ("snap_nowhere" if damage == "unknown" else bad)
        logged = [one for one in caplog.records if one.message == "snapshot.unreadable"]
        assert len(logged) == 1, "said once, not at each look"
        await point_at(system, good)
        system.clock.advance(3)
        assert (await look(system)).unreadable_id is None

    play(tmp_path, scenario)


def test_a_first_snapshot_that_cannot_be_read_leaves_the_default_policy(tmp_path):
    async def scenario(system):
        await point_at(system, "snap_nowhere")
        view = await current_view(system.deps, WORKSPACE)
        assert (view.snapshot_id, view.unreadable_id) == (None, "snap_nowhere")

    play(tmp_path, scenario)


def test_while_the_store_is_down_the_last_view_is_served_and_looks_keep_their_distance(tmp_path):
    async def scenario(system):
        name = await make_current(system, snapshot({"code": [MEDIUM]}))
        store = Failing(system.store)
        store.broken = False
        deps = replace(system.deps, store=store)
        await current_view(deps, WORKSPACE)
        store.broken = True
        store.calls.clear()
        system.clock.advance(60)
        for _ in range(10):
            assert (await current_view(deps, WORKSPACE)).snapshot_id == name
        assert len(store.calls) == 1
        system.clock.advance(1)
        await current_view(deps, WORKSPACE)
        assert len(store.calls) == 2
        store.broken = False
        system.clock.advance(1)
        await current_view(deps, WORKSPACE)
        assert deps.snapshots_seen[WORKSPACE].seen_at_s == system.clock.monotonic_s()

    play(tmp_path, scenario)


def test_without_any_view_a_store_that_is_down_is_an_error(tmp_path):
    async def scenario(system):
        deps = replace(system.deps, store=Failing(system.store))
        with pytest.raises(Unavailable):
            await current_view(deps, WORKSPACE)

    play(tmp_path, scenario)


def test_the_workspace_unused_longest_is_forgotten_first(tmp_path, monkeypatch):
    monkeypatch.setattr(current, "MAX_WORKSPACES", 2)

    async def scenario(system):
        for workspace in ("one", "two", "one", "three"):
            await current_view(system.deps, workspace)
        assert list(system.deps.snapshots_seen) == ["one", "three"]

    play(tmp_path, scenario)


def test_each_workspace_has_its_own_snapshot(tmp_path):
    async def scenario(system):
        mine = await make_current(system, snapshot({"code": [MEDIUM]}))
        theirs = await make_current(system, snapshot({"code": [LARGE]}), workspace="other")
        assert (await current_view(system.deps, WORKSPACE)).snapshot_id == mine
        assert (await current_view(system.deps, "other")).snapshot_id == theirs

    play(tmp_path, scenario)


def test_the_snapshot_of_another_workspace_is_not_served_even_where_the_pointer_names_it(tmp_path):
    async def scenario(system):
        theirs = await make_current(system, snapshot({"code": [LARGE]}), workspace="other")
        await point_at(system, theirs)
        assert (await current_view(system.deps, WORKSPACE)).snapshot_id is None

    play(tmp_path, scenario)
