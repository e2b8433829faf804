"""What is put beside an entry: history, likes, and the record of whoever submitted it."""

import pytest

from shared.errors import NotFound
from shared.messages.reviewing import Approve, ClaimEntry, QueueParams, Reject, RequestRevision
from shared.services import claiming, review_item, review_search, reviewing, watching
from tests.support.entries import revise, submit, words
from tests.support.system import WORKSPACE, caller, play

ADA = caller("ada", role="reviewer")
TEXT = " ".join(f"word{at}" for at in range(40))


async def decide(system, entry_id, verdict):
    command = {
        "approve": Approve(),
        "reject": Reject(reason="no"),
        "request_revision": RequestRevision(notes="more"),
    }[verdict]
    await reviewing.decide(
        system.deps, ADA, entry_id, command, None, verdict=verdict, notes="because"
    )


def item(system, entry_id):
    return review_item.review_item(system.deps, ADA, entry_id)


def test_the_record_compares_stated_confidence_with_what_was_approved(tmp_path):
    async def scenario(system):
        for at in range(4):
            entry_id = await submit(system, at, confidence_score=0.95)
            await decide(system, entry_id, "approve" if at == 0 else "reject")
        await decide(system, await submit(system, 8, confidence_score=0.1), "approve")
        found = await item(system, await submit(system, 9, confidence_score=0.85))
        assert (found.record.all.approved, found.record.all.total) == (2, 5)
        assert found.record.at_this_confidence.approval_rate == 0.25
        assert found.record.bands[0].approved == 1

    play(tmp_path, scenario)


def test_the_record_is_the_submitters_own(tmp_path):
    async def scenario(system):
        await decide(system, await submit(system, 1, submitter="agent-b"), "reject")
        found = await item(system, await submit(system, 2, submitter="agent"))
        assert found.record.all.total == 0

    play(tmp_path, scenario)


def test_the_revision_before_is_shown_beside(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        assert (await item(system, entry_id)).previous is None
        await decide(system, entry_id, "request_revision")
        await revise(system, entry_id, 1)
        assert (await item(system, entry_id)).previous.content == words(0)

    play(tmp_path, scenario)


def test_likes_that_are_approved_come_first_and_rejected_ones_not_at_all(tmp_path):
    async def scenario(system):
        waiting = await submit(system, content=f"{TEXT} alpha")
        approved = await submit(system, content=f"{TEXT} beta one")
        rejected = await submit(system, content=f"{TEXT} gamma")
        await decide(system, approved, "approve")
        await decide(system, rejected, "reject")
        found = await item(system, await submit(system, content=f"{TEXT} delta"))
        assert [one.entry.id for one in found.near] == [approved, waiting]
        assert all(0.7 <= one.similarity <= 1 for one in found.near)

    play(tmp_path, scenario)


def test_the_claim_and_the_number_of_people_are_told(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await claiming.claim(system.deps, ADA, entry_id, ClaimEntry(), None)
        found = await item(system, entry_id)
        assert (found.claim.id, found.votes_needed) == ("ada", 1)
        await system.change_settings(two_approvals_above_risk=0.05)
        system.clock.advance(601)
        found = await item(system, entry_id)
        assert (found.claim, found.votes_needed) == (None, 2)

    play(tmp_path, scenario)


def test_a_blind_workspace_tells_no_record(tmp_path):
    async def scenario(system):
        await system.change_settings(blind_review=True)
        found = await item(system, await submit(system))
        assert (found.blind, found.record) == (True, None)

    play(tmp_path, scenario)


def test_an_entry_of_another_workspace_is_not_there(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        stranger = caller("ada", role="admin", workspace="another")
        with pytest.raises(NotFound):
            await review_item.review_item(system.deps, stranger, entry_id)

    play(tmp_path, scenario)


def search(system, text, *, names=True, **params):
    return review_search.search(system.deps, ADA, text, QueueParams(**params), names=names)


def test_a_search_needs_every_word_in_any_case_and_place(tmp_path):
    async def scenario(system):
        wanted = await submit(system, 1, topic="Refunds", tags=["Money"])
        await submit(system, 2, topic="Refunds")
        for text in ("refunds MONEY", wanted, "WORD1x3 refunds"):
            assert [one.entry_id for one in (await search(system, text)).items] == [wanted]
        assert (await search(system, "refunds nothing")).items == ()

    play(tmp_path, scenario)


def test_a_search_finds_no_names_where_the_review_is_blind(tmp_path):
    async def scenario(system):
        await submit(system, submitter="famous-agent")
        assert (await search(system, "famous")).items
        assert not (await search(system, "famous", names=False)).items

    play(tmp_path, scenario)


def test_a_search_walks_so_far_and_goes_on_from_there(tmp_path, monkeypatch):
    async def scenario(system):
        monkeypatch.setattr(review_search, "WALKED", 4)
        monkeypatch.setattr(review_search, "_STEP", 2)
        for at in range(6):
            await submit(system, at)
            system.clock.advance(1)
        first = await search(system, "word5x0", limit=1)
        assert (first.items, first.walked) == ((), 4)
        rest = await search(system, "word5x0", limit=1, cursor=first.next_cursor)
        assert len(rest.items) == 1

    play(tmp_path, scenario)


def test_the_most_urgent_comes_first_and_what_has_waited_overtakes(tmp_path):
    async def scenario(system):
        calm = await submit(system, 1, confidence_score=0.95)
        system.clock.advance(days=2)
        risky = await submit(system, 2, confidence_score=0.5)
        system.clock.advance(days=30)
        later = await submit(system, 3, confidence_score=0.5)
        page = await review_search.search(system.deps, ADA, "word", QueueParams(order="urgency"))
        assert [one.entry_id for one in page.items] == [risky, calm, later]

    play(tmp_path, scenario)


def test_what_happens_to_entries_is_told_in_order_and_without_tokens(tmp_path):
    async def scenario(system):
        assert await watching.newest(system.deps, WORKSPACE) == 0
        entry_id = await submit(system)
        place = await watching.newest(system.deps, WORKSPACE)
        await claiming.claim(system.deps, ADA, entry_id, ClaimEntry(seconds=60), None)
        await decide(system, entry_id, "approve")
        look = await watching.changes(system.deps, WORKSPACE, place)
        told = look.told
        assert [(one.kind, one.who) for one in told] == [("claimed", "ada"), ("decided", "ada")]
        assert told[0].until > system.clock.now_text()
        assert told[-1].place <= look.place == await watching.newest(system.deps, WORKSPACE)
        assert await watching.changes(system.deps, WORKSPACE, look.place) == watching.Look(
            (), look.place
        )

    play(tmp_path, scenario)


def test_nothing_is_told_of_another_workspace(tmp_path):
    async def scenario(system):
        await submit(system)
        assert await watching.changes(system.deps, "another", 0) == watching.Look((), 0)

    play(tmp_path, scenario)
