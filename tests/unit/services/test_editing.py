"""Edit, then approve: the reviewer's words under both names, decided in the same step."""

import pytest

from functions.publish.main import app as publish
from shared.domain.entries import DECISIONS, ENTRIES, REVISIONS, revision_id
from shared.errors import Conflict, NotAllowed
from shared.messages.reviewing import Approve, ClaimEntry, EditApprove
from shared.messages.submitting import SubmitEntry
from shared.services import claiming, editing, reviewing, submitting
from tests.support.entries import MODEL, revise, submit, words
from tests.support.system import WORKSPACE, caller, play

ADA, GRACE = caller("ada", role="reviewer"), caller("grace", role="reviewer")


async def edit(system, entry_id, who=ADA, content="Better words.", **more):
    entry = await system.store.get(WORKSPACE, ENTRIES, entry_id)
    fields = {"revision": entry.revision, "content_hash": entry.content_hash, **more}
    command = EditApprove(topic="billing", content=content, **fields)
    return await editing.edit_and_approve(system.deps, who, entry_id, command)


async def get(system, collection, id):
    return await system.store.get(WORKSPACE, collection, id)


def test_the_edit_is_a_revision_of_its_own_under_both_names(tmp_path):
    async def scenario(system):
        system.attach(publish)
        entry_id = await submit(system)
        answer = await edit(system, entry_id)
        assert (answer.revision, answer.state) == (2, "approved")
        entry = await get(system, ENTRIES, entry_id)
        assert (entry.submitter, entry.edited_by) == (MODEL.subject, "ada")
        before = await get(system, REVISIONS, revision_id(entry_id, 1))
        assert (before.content, before.state) == (words(0), "superseded")
        assert (await get(system, REVISIONS, revision_id(entry_id, 2))).edited_by == "ada"
        assert await get(system, DECISIONS, revision_id(entry_id, 1)) is None
        events = await system.drain()
        assert [one.type for one in events] == ["entry.submitted", "entry.approved"]
        assert (await system.index.search(WORKSPACE, "Better words", limit=5)).hits

    play(tmp_path, scenario)


def test_the_next_revision_of_the_submitter_bears_no_editor(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await edit(system, entry_id)
        await revise(system, entry_id, 3)
        assert (await get(system, ENTRIES, entry_id)).edited_by is None

    play(tmp_path, scenario)


def test_where_two_must_approve_the_edit_is_the_first_approval(tmp_path):
    async def scenario(system):
        await system.change_settings(two_approvals_above_risk=0.05)
        entry_id = await submit(system)
        await reviewing.decide(
            system.deps, GRACE, entry_id, Approve(), None, verdict="approve", notes=""
        )
        answer = await edit(system, entry_id)
        assert (answer.state, answer.votes, answer.votes_needed) == ("pending_approval", 1, 2)
        entry = await get(system, ENTRIES, entry_id)
        assert [one.id for one in entry.votes] == ["ada"], "approvals of other words do not count"

    play(tmp_path, scenario)


def test_an_edit_of_what_is_published_takes_its_place(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await reviewing.decide(
            system.deps, ADA, entry_id, Approve(), None, verdict="approve", notes=""
        )
        await revise(system, entry_id, 1)
        await edit(system, entry_id)
        entry = await get(system, ENTRIES, entry_id)
        assert (entry.revision, entry.published_revision) == (3, 3)
        assert (await get(system, REVISIONS, revision_id(entry_id, 1))).state == "superseded"

    play(tmp_path, scenario)


def test_the_submitter_does_not_edit_and_approve_the_own_entry(tmp_path):
    async def scenario(system):
        entry_id = await submit(system, submitter="ada")
        with pytest.raises(NotAllowed):
            await edit(system, entry_id)

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "seen", [{"revision": 2}, {"content_hash": "0" * 64}, {"content": words(0)}]
)
def test_what_has_moved_on_or_was_not_changed_is_a_conflict(tmp_path, seen):
    async def scenario(system):
        entry_id = await submit(system)
        with pytest.raises(Conflict):
            await edit(system, entry_id, **seen)
        assert (await get(system, ENTRIES, entry_id)).revision == 1

    play(tmp_path, scenario)


def test_what_is_nearly_like_an_edit_names_the_entry_as_its_near_duplicate(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        text = "A reissued invoice keeps its number while the customer gets the new one by mail."
        await edit(system, entry_id, content=text)
        command = SubmitEntry(topic="mail", content=f"{text} Today.", confidence_score=0.5)
        answer = await submitting.submit_entry(system.deps, MODEL, command, None)
        assert answer.near_duplicates == [entry_id]

    play(tmp_path, scenario)


def test_words_that_another_entry_has_are_refused_by_its_name(tmp_path):
    async def scenario(system):
        other = await submit(system, 5)
        entry_id = await submit(system)
        with pytest.raises(Conflict, match=other):
            await edit(system, entry_id, content=words(5))

    play(tmp_path, scenario)


def test_what_somebody_else_holds_is_not_edited(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await claiming.claim(system.deps, GRACE, entry_id, ClaimEntry(), None)
        with pytest.raises(Conflict, match="grace reviews"):
            await edit(system, entry_id)

    play(tmp_path, scenario)
