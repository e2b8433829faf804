"""Rollback of the knowledge: search shows again what an earlier version showed."""

import asyncio

import pytest

from functions.publish.main import app as publish_app
from shared.domain.entries import ENTRIES, REVISIONS, revision_id
from shared.errors import InvalidInput, Unavailable
from shared.messages.reviewing import Approve, Retract, RollBackKnowledge
from shared.services import auditing, knowledge, reviewing
from shared.services.rolling_back_knowledge import BATCH, roll_back_knowledge
from tests.support.entries import revise, submit
from tests.support.system import WORKSPACE, caller, play

ADA = caller("ada", role="reviewer")
GRACE = caller("grace", role="admin")


async def approve(system, entry_id):
    await reviewing.decide(system.deps, ADA, entry_id, Approve(), None, verdict="approve", notes="")
    await system.drain()


async def retract(system, entry_id):
    await reviewing.retract(system.deps, ADA, entry_id, Retract(reason="old"), None)
    await system.drain()


async def back(system, version, *, dry_run=False, drain=True):
    command = RollBackKnowledge(version=version, reason="bad source", dry_run=dry_run)
    answer = await roll_back_knowledge(system.deps, GRACE, command, None)
    if drain:
        await system.drain()
    return answer


async def shown(system):
    found = [await system.index.search(WORKSPACE, f"word{n}x0", limit=9) for n in (0, 1, 2, 9)]
    return sorted((hit.entry_id, hit.revision) for one in found for hit in one.hits)


async def history(system):
    """Returns three entries, and what search showed at each version that they made."""
    system.attach(publish_app)
    ids = [await submit(system, number) for number in range(3)]
    seen = {0: []}
    for number, entry_id in enumerate(ids, 1):
        await approve(system, entry_id)
        seen[number] = await shown(system)
    await revise(system, ids[0], 9)
    await approve(system, ids[0])
    seen[4] = await shown(system)
    await retract(system, ids[1])
    seen[5] = await shown(system)
    return ids, seen


@pytest.mark.parametrize("version", range(6))
def test_search_shows_what_any_earlier_version_showed(tmp_path, version):
    async def scenario(system):
        _, seen = await history(system)
        answer = await back(system, version)
        assert await shown(system) == seen[version]
        assert (await back(system, version, dry_run=True)).waiting == 0
        assert answer.from_version == 5
        assert (await knowledge.verify(system.deps, WORKSPACE)).ok
        assert (await auditing.verify_audit(system.deps, WORKSPACE)).ok

    play(tmp_path, scenario)


def test_versions_go_on_upwards_and_the_way_forward_again_is_another_rollback(tmp_path):
    async def scenario(system):
        _, seen = await history(system)
        await back(system, 1)
        assert await knowledge.catch_up(system.deps, WORKSPACE) > 5
        await back(system, 5)
        assert await shown(system) == seen[5]

    play(tmp_path, scenario)


def test_a_rollback_again_changes_nothing_and_leaves_no_record(tmp_path):
    async def scenario(system):
        await history(system)
        assert (await back(system, 2)).changes_total > 0
        before = await system.store.audit_chain(WORKSPACE, 0, 500)
        assert (await back(system, 2)).changes_total == 0
        assert await system.store.audit_chain(WORKSPACE, 0, 500) == before

    play(tmp_path, scenario)


def test_a_preview_tells_and_changes_nothing(tmp_path):
    async def scenario(system):
        ids, seen = await history(system)
        found = await back(system, 3, dry_run=True)
        told = {(one.entry_id, one.old_revision, one.new_revision) for one in found.changes}
        assert told == {(ids[0], 2, 1), (ids[1], None, 1)}
        assert (found.waiting, found.changes_total) == (2, 2)
        assert await shown(system) == seen[5]

    play(tmp_path, scenario)


def test_what_changed_is_on_record_with_who_and_why(tmp_path):
    async def scenario(system):
        ids, _ = await history(system)
        await back(system, 3)
        records = (await system.store.audit_page(WORKSPACE, actor="grace")).items
        assert [one.action for one in records] == [
            "knowledge.rolled_back",
            "entry.put_back",
            "entry.put_back",
        ]
        assert records[0].data == {"from_version": 5, "changes": 2, "reason": "bad source"}
        entry = await system.store.get(WORKSPACE, ENTRIES, ids[1])
        assert (entry.state, entry.published_revision) == ("approved", 1)
        states = [
            (await system.store.get(WORKSPACE, REVISIONS, revision_id(ids[0], number))).state
            for number in (1, 2)
        ]
        assert states == ["approved", "superseded"]

    play(tmp_path, scenario)


def test_until_it_is_published_the_answer_says_what_waits(tmp_path):
    async def scenario(system):
        await history(system)
        answer = await back(system, 0, drain=False)
        assert answer.waiting == answer.changes_total == 2
        await system.drain()
        assert (await back(system, 0)).waiting == 0

    play(tmp_path, scenario)


def test_a_rollback_that_was_broken_off_is_ended_by_the_next(tmp_path, monkeypatch):
    async def scenario(system):
        _, seen = await history(system)
        monkeypatch.setattr("shared.services.rolling_back_knowledge.BATCH", 1)
        real, calls = system.store.transact, []

        async def breaks(workspace, run):
            calls.append(workspace)
            if len(calls) == 2:
                raise Unavailable("broken off")
            return await real(workspace, run)

        with monkeypatch.context() as patched:
            patched.setattr(system.store, "transact", breaks)
            with pytest.raises(Unavailable):
                await back(system, 0, drain=False)
        await back(system, 0)
        assert await shown(system) == seen[0]

    play(tmp_path, scenario)


def test_two_rollbacks_at_once_leave_one_result(tmp_path):
    async def scenario(system):
        _, seen = await history(system)
        await asyncio.gather(*(back(system, 1, drain=False) for _ in range(3)))
        await system.drain()
        assert await shown(system) == seen[1]
        assert (await auditing.verify_audit(system.deps, WORKSPACE)).ok

    play(tmp_path, scenario)


def test_a_version_that_is_not_there_yet_is_refused(tmp_path):
    async def scenario(system):
        await history(system)
        with pytest.raises(InvalidInput, match="beyond the newest, 5"):
            await back(system, 6)

    play(tmp_path, scenario)


def test_more_entries_than_fit_a_transaction_are_taken_back_too(tmp_path):
    async def scenario(system):
        system.attach(publish_app)
        ids = [await submit(system, number) for number in range(BATCH + 3)]
        for entry_id in ids:
            await reviewing.decide(
                system.deps, ADA, entry_id, Approve(), None, verdict="approve", notes=""
            )
        await system.drain()
        assert (await back(system, 0)).changes_total == BATCH + 3
        assert (await back(system, 0, dry_run=True)).waiting == 0

    play(tmp_path, scenario)
