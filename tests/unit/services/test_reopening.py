"""Undo: a decision taken back in the open, soon, by whoever made it, once."""

import pytest

from functions.publish.main import app as publish
from shared.domain import review_stats
from shared.domain.entries import DECISIONS, ENTRIES, REVISIONS, revision_id
from shared.errors import Conflict, NotAllowed, NotFound, Unavailable
from shared.messages.reviewing import Approve, Reject
from shared.services import reopening, reviewing
from shared.services.auditing import verify_audit
from tests.support.entries import revise, submit
from tests.support.system import WORKSPACE, caller, play

ADA, GRACE = caller("ada", role="reviewer"), caller("grace", role="reviewer")


async def approve(system, entry_id, who=ADA):
    return await reviewing.decide(
        system.deps, who, entry_id, Approve(), None, verdict="approve", notes=""
    )


async def reject(system, entry_id, who=ADA):
    command = Reject(reason="no")
    return await reviewing.decide(
        system.deps, who, entry_id, command, None, verdict="reject", notes="no"
    )


def undo(system, entry_id, revision=1, who=ADA):
    return reopening.undo(system.deps, who, entry_id, revision)


async def get(system, collection, id):
    return await system.store.get(WORKSPACE, collection, id)


@pytest.mark.parametrize("decide", [approve, reject])
def test_what_was_decided_waits_again_with_the_same_words(tmp_path, decide):
    async def scenario(system):
        entry_id = await submit(system)
        before = await get(system, ENTRIES, entry_id)
        await decide(system, entry_id)
        answer = await undo(system, entry_id)
        entry = await get(system, ENTRIES, entry_id)
        assert (answer.revision, answer.state) == (2, "pending_approval")
        assert (entry.revision, entry.state) == (2, "pending_approval")
        assert entry.content_hash == before.content_hash
        assert entry.due_at == before.due_at
        assert entry.published_revision is None

    play(tmp_path, scenario)


def test_the_decision_stays_in_the_history_and_the_chain_holds(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        await undo(system, entry_id)
        decision = await get(system, DECISIONS, revision_id(entry_id, 1))
        revision = await get(system, REVISIONS, revision_id(entry_id, 1))
        assert decision.undone_at == system.clock.now_text()
        assert (decision.verdict, revision.state) == ("approve", "superseded")
        page = await system.store.audit_page(WORKSPACE, subject=entry_id)
        assert page.items[0].action == "entry.decision_undone"
        assert (await verify_audit(system.deps, WORKSPACE)).ok

    play(tmp_path, scenario)


def test_every_figure_is_what_it_was_before(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        await undo(system, entry_id)
        for prefix in ("decisions.", review_stats.TOTALS):
            for fields in (await system.store.counters(WORKSPACE, prefix)).values():
                assert {k: v for k, v in fields.items() if v} in ({}, {"pending_approval": 1})

    play(tmp_path, scenario)


def test_the_same_words_are_decided_anew_by_anyone(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        await undo(system, entry_id)
        await reject(system, entry_id, GRACE)
        assert (await get(system, ENTRIES, entry_id)).state == "rejected"
        with pytest.raises(Conflict):
            await approve(system, entry_id)

    play(tmp_path, scenario)


def test_what_was_published_meanwhile_is_taken_out(tmp_path):
    async def scenario(system):
        system.attach(publish)
        entry_id = await submit(system)
        await approve(system, entry_id)
        await system.drain()
        assert (await system.index.search(WORKSPACE, "word0x0", limit=5)).hits
        await undo(system, entry_id)
        events = await system.drain()
        assert [one.type for one in events] == ["entry.retracted"]
        assert not (await system.index.search(WORKSPACE, "word0x0", limit=5)).hits
        await approve(system, entry_id)
        await system.drain()
        assert (await system.index.search(WORKSPACE, "word0x0", limit=5)).hits

    play(tmp_path, scenario)


def test_what_was_published_before_is_published_again(tmp_path):
    async def scenario(system):
        system.attach(publish)
        entry_id = await submit(system)
        await approve(system, entry_id)
        await revise(system, entry_id, 1)
        await approve(system, entry_id)
        await system.drain()
        await undo(system, entry_id, revision=2)
        await system.drain()
        entry = await get(system, ENTRIES, entry_id)
        assert (entry.revision, entry.published_revision) == (3, 1)
        assert (await get(system, REVISIONS, revision_id(entry_id, 1))).state == "approved"
        assert (await system.index.search(WORKSPACE, "word0x0", limit=5)).hits
        assert not (await system.index.search(WORKSPACE, "word1x0", limit=5)).hits

    play(tmp_path, scenario)


def test_it_is_only_for_whoever_decided_and_only_once(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        with pytest.raises(NotAllowed):
            await undo(system, entry_id, who=GRACE)
        await undo(system, entry_id)
        with pytest.raises(Conflict):
            await undo(system, entry_id)

    play(tmp_path, scenario)


def test_after_a_moment_it_is_too_late(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        system.clock.advance(12.1)
        with pytest.raises(Conflict, match="too late"):
            await undo(system, entry_id)
        assert (await get(system, ENTRIES, entry_id)).state == "approved"

    play(tmp_path, scenario)


def test_what_has_moved_on_is_not_undone(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        await revise(system, entry_id, 1)
        with pytest.raises(Conflict, match="moved on"):
            await undo(system, entry_id)

    play(tmp_path, scenario)


def test_the_first_of_two_approvals_can_be_withdrawn(tmp_path):
    async def scenario(system):
        await system.change_settings(two_approvals_above_risk=0.05)
        entry_id = await submit(system)
        await approve(system, entry_id)
        answer = await undo(system, entry_id)
        assert (answer.revision, answer.state) == (1, "pending_approval")
        assert (await get(system, ENTRIES, entry_id)).votes == []
        with pytest.raises(Conflict, match="nothing of ada"):
            await undo(system, entry_id)

    play(tmp_path, scenario)


def test_undoing_the_second_approval_keeps_the_first(tmp_path):
    async def scenario(system):
        await system.change_settings(two_approvals_above_risk=0.05)
        entry_id = await submit(system)
        await approve(system, entry_id, GRACE)
        await approve(system, entry_id, ADA)
        await undo(system, entry_id)
        assert [one.id for one in (await get(system, ENTRIES, entry_id)).votes] == ["grace"]

    play(tmp_path, scenario)


def test_nothing_is_undone_where_nothing_is_or_nothing_may_change(tmp_path):
    async def scenario(system):
        with pytest.raises(NotFound):
            await undo(system, "ent_missing")
        entry_id = await submit(system)
        await approve(system, entry_id)
        other = caller("ada", role="admin", workspace="another")
        with pytest.raises(NotFound):
            await undo(system, entry_id, who=other)
        await system.change_settings(read_only=True)
        with pytest.raises(Unavailable):
            await undo(system, entry_id)

    play(tmp_path, scenario)
