"""Decisions over the real store: what is written, by whom, and what a loser is told."""

import asyncio

import pytest

from shared.domain.access import IdempotencyKey
from shared.domain.entries import DECISIONS, ENTRIES, REVISIONS, revision_id
from shared.errors import Conflict, InvalidInput, NotAllowed, NotFound, Unavailable
from shared.messages.base import PageParams
from shared.messages.reviewing import Approve, Reject, RequestRevision, Retract
from shared.services import reviewing, submitting
from tests.support.entries import MODEL, revise, submit
from tests.support.system import WORKSPACE, caller, play

ADA = caller("ada", role="reviewer")
BOB = caller("bob", role="reviewer")
BOT = caller("key:bot", scopes=("review",))


async def approve(system, entry_id, who=ADA, key=None, **body):
    command = Approve(**body)
    return await reviewing.decide(
        system.deps, who, entry_id, command, key, verdict="approve", notes=command.notes
    )


async def reject(system, entry_id, who=ADA, reason="wrong", **body):
    command = Reject(reason=reason, **body)
    return await reviewing.decide(
        system.deps, who, entry_id, command, None, verdict="reject", notes=reason
    )


async def ask_again(system, entry_id, who=ADA):
    command = RequestRevision(notes="name the source")
    return await reviewing.decide(
        system.deps, who, entry_id, command, None, verdict="request_revision", notes=command.notes
    )


async def review_counters(system):
    return (await system.store.counters(WORKSPACE, "review"))["review"]


def test_a_decision_writes_record_history_audit_and_event_together(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        system.clock.advance(90)
        answer = await approve(system, entry_id, notes="fine")
        entry = await system.store.get(WORKSPACE, ENTRIES, entry_id)
        record_id = revision_id(entry_id, 1)
        decision = await system.store.get(WORKSPACE, DECISIONS, record_id)
        history = await system.store.get(WORKSPACE, REVISIONS, record_id)
        assert (answer.state, answer.decided_at) == ("approved", decision.decided_at)
        assert (entry.state, entry.published_revision) == ("approved", 1)
        assert (decision.seconds_to_decision, history.state) == (90.0, "approved")
        (audit,) = (await system.store.audit_page(WORKSPACE, action="entry.approved")).items
        assert (audit.actor, audit.subject) == ("ada", entry_id)
        assert audit.data["reviewer"] == "ada"
        assert audit.data["notes"] == "fine"
        event = (await system.drain())[-1]
        assert (event.type, event.subject) == ("entry.approved", entry_id)
        assert event.data["revision"] == 1

    play(tmp_path, scenario)


def test_a_refused_decision_leaves_nothing_behind(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await system.drain()
        before = await system.store.audit_chain(WORKSPACE, 0, 100)
        with pytest.raises(Conflict):
            await approve(system, entry_id, revision=2)
        assert await system.store.audit_chain(WORKSPACE, 0, 100) == before
        assert await system.drain() == []
        assert await review_counters(system) == {"pending_approval": 1}

    play(tmp_path, scenario)


def test_a_machine_acts_for_the_reviewer_it_names_and_stays_the_actor(tmp_path):
    async def scenario(system):
        answer = await approve(system, await submit(system), BOT, reviewer="cyd")
        assert answer.reviewer == "cyd"
        (audit,) = (await system.store.audit_page(WORKSPACE, action="entry.approved")).items
        assert (audit.actor, audit.data["reviewer"]) == ("key:bot", "cyd")

    play(tmp_path, scenario)


def test_without_a_name_the_credential_reviews(tmp_path):
    async def scenario(system):
        assert (await approve(system, await submit(system), BOT)).reviewer == "key:bot"

    play(tmp_path, scenario)


def test_a_person_reviews_as_nobody_else():
    assert reviewing.reviewer_of(ADA, "ada") == "ada"
    with pytest.raises(NotAllowed) as error:
        reviewing.reviewer_of(ADA, "bob")
    assert [problem.pointer for problem in error.value.problems] == ["/reviewer"]


@pytest.mark.parametrize("named", ["key:model", "writer"])
def test_no_machine_decides_for_the_submitter(tmp_path, named):
    async def scenario(system):
        entry_id = await submit(system, submitter="writer")
        with pytest.raises(NotAllowed):
            await approve(system, entry_id, BOT, reviewer=named)
        with pytest.raises(NotAllowed):
            await approve(system, entry_id, caller(named, role="reviewer"))

    play(tmp_path, scenario)


def test_the_late_one_is_shown_the_winners_decision(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        won = await approve(system, entry_id, notes="fine")
        with pytest.raises(Conflict) as error:
            await reject(system, entry_id, BOB)
        shown = error.value.facts["decision"]
        assert (shown["reviewer"], shown["verdict"], shown["notes"]) == ("ada", "approve", "fine")
        assert shown["decided_at"] == won.decided_at

    play(tmp_path, scenario)


def test_a_decision_on_an_earlier_revision_is_shown_that_ones_decision(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await ask_again(system, entry_id)
        await revise(system, entry_id, 1)
        with pytest.raises(Conflict) as error:
            await approve(system, entry_id, BOB, revision=1)
        assert error.value.facts["decision"]["verdict"] == "request_revision"
        assert error.value.facts["revision"] == 2
        assert (await approve(system, entry_id, BOB, revision=2)).state == "approved"

    play(tmp_path, scenario)


def test_a_new_approved_revision_supersedes_the_old_one(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        await revise(system, entry_id, 1)
        entry = await system.store.get(WORKSPACE, ENTRIES, entry_id)
        assert (entry.state, entry.published_revision) == ("pending_approval", 1)
        await approve(system, entry_id, BOB)
        view = await submitting.view_entry(system.deps, ADA, entry_id, PageParams())
        assert [(one.revision, one.state) for one in view.revisions] == [
            (1, "superseded"),
            (2, "approved"),
        ]
        assert [one.reviewer for one in view.decisions] == ["ada", "bob"]
        assert view.published_revision == 2

    play(tmp_path, scenario)


def test_a_rejected_new_revision_leaves_the_old_one_in_force(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        await revise(system, entry_id, 1)
        await reject(system, entry_id, BOB)
        view = await submitting.view_entry(system.deps, ADA, entry_id, PageParams())
        assert [(one.revision, one.state) for one in view.revisions] == [
            (1, "approved"),
            (2, "rejected"),
        ]
        assert view.published_revision == 1

    play(tmp_path, scenario)


async def revised_four_times(system):
    """Returns an entry of which the fifth revision waits."""
    entry_id = await submit(system)
    for revision in range(1, 5):
        await ask_again(system, entry_id)
        await revise(system, entry_id, revision)
    return entry_id


def test_history_comes_in_pages_the_newest_first(tmp_path):
    async def scenario(system):
        entry_id = await revised_four_times(system)
        found, cursor = [], None
        while cursor is not None or not found:
            page = PageParams(limit=2, cursor=cursor)
            view = await submitting.view_entry(system.deps, ADA, entry_id, page)
            assert view.revision == 5
            numbers = [one.revision for one in view.revisions]
            found.append((numbers, [one.revision for one in view.decisions]))
            cursor = view.next_cursor
        assert found == [([4, 5], [4]), ([2, 3], [2, 3]), ([1], [1])]

    play(tmp_path, scenario)


def test_a_page_of_history_ends_where_its_revisions_are_very_long(tmp_path, monkeypatch):
    async def scenario(system):
        entry_id = await revised_four_times(system)
        monkeypatch.setattr("shared.services.paging.MOST_CONTENT", 1)
        view = await submitting.view_entry(system.deps, ADA, entry_id, PageParams())
        assert [one.revision for one in view.revisions] == [5]
        assert (view.decisions, view.next_cursor) == ([], "5")

    play(tmp_path, scenario)


@pytest.mark.parametrize("cursor", ["1", "6", "-1", "x", "", "٣", "2.0"])
def test_a_cursor_of_another_list_is_refused_by_name(tmp_path, cursor):
    async def scenario(system):
        entry_id = await revised_four_times(system)
        with pytest.raises(InvalidInput, match=r"\?cursor"):
            await submitting.view_entry(system.deps, ADA, entry_id, PageParams(cursor=cursor))

    play(tmp_path, scenario)


def test_a_risky_entry_needs_two_people(tmp_path):
    async def scenario(system):
        await system.change_settings(two_approvals_above_risk=0.5)
        entry_id = await submit(system, confidence_score=0.2)
        first = await approve(system, entry_id)
        assert (first.state, first.decided_at) == ("pending_approval", None)
        assert (first.votes, first.votes_needed) == (1, 2)
        with pytest.raises(Conflict):
            await approve(system, entry_id)
        assert [event.type for event in await system.drain()] == ["entry.submitted"]
        second = await approve(system, entry_id, BOB)
        assert (second.state, second.votes, second.votes_needed) == ("approved", 2, 2)
        decision = await system.store.get(WORKSPACE, DECISIONS, revision_id(entry_id, 1))
        assert decision.reviewers == ["ada", "bob"]
        assert [event.type for event in await system.drain()] == ["entry.approved"]
        actions = [one.action for one in await system.store.audit_chain(WORKSPACE, 0, 10)]
        assert actions == ["entry.submitted", "entry.approval_counted", "entry.approved"]
        assert (await review_counters(system))["pending_approval"] == 0

    play(tmp_path, scenario)


def test_two_people_at_once_are_two_people(tmp_path):
    async def scenario(system):
        await system.change_settings(two_approvals_above_risk=0.5)
        entry_id = await submit(system, confidence_score=0.2)
        answers = await asyncio.gather(
            approve(system, entry_id, ADA), approve(system, entry_id, BOB)
        )
        assert sorted(one.state for one in answers) == ["approved", "pending_approval"]

    play(tmp_path, scenario)


def test_counters_say_how_many_entries_are_in_each_state(tmp_path):
    async def scenario(system):
        ids = [await submit(system, number) for number in range(4)]
        await approve(system, ids[0])
        await reject(system, ids[1])
        await ask_again(system, ids[2])
        await reviewing.retract(system.deps, ADA, ids[0], Retract(reason="old"), None)
        found = await review_counters(system)
        states = ("pending_approval", "approved", "rejected", "revision_requested", "retracted")
        assert [found[state] for state in states] == [1, 0, 1, 1, 1]
        assert [found[verdict] for verdict in ("approve", "reject", "request_revision")] == [1] * 3

    play(tmp_path, scenario)


def test_the_same_key_decides_once_and_answers_the_same(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        first = await approve(system, entry_id, key=IdempotencyKey("k", "body"))
        again = IdempotencyKey("k", "body")
        assert await approve(system, entry_id, key=again) == first
        assert again.replayed
        with pytest.raises(InvalidInput):
            await approve(system, entry_id, key=IdempotencyKey("k", "another body"))
        assert (await review_counters(system))["approve"] == 1

    play(tmp_path, scenario)


def test_retracting_takes_the_entry_back_and_says_why(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        await system.drain()
        command = Retract(reason="the rule has changed")
        done = await reviewing.retract(system.deps, BOB, entry_id, command, None)
        assert (done.state, done.revision, done.reviewer) == ("retracted", 1, "bob")
        history = await system.store.get(WORKSPACE, REVISIONS, revision_id(entry_id, 1))
        assert history.state == "retracted"
        (event,) = await system.drain()
        assert (event.type, event.data["reason"]) == ("entry.retracted", "the rule has changed")
        with pytest.raises(Conflict):
            await reviewing.retract(system.deps, BOB, entry_id, command, None)

    play(tmp_path, scenario)


def test_the_submitter_may_withdraw_what_is_published(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await approve(system, entry_id)
        done = await reviewing.retract(system.deps, MODEL, entry_id, Retract(reason="wrong"), None)
        assert done.reviewer == "key:model"

    play(tmp_path, scenario)


def test_what_is_not_there_is_not_found(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        elsewhere = caller("ada", role="reviewer", workspace="other")
        for who, what in ((ADA, "ent_none"), (elsewhere, entry_id)):
            with pytest.raises(NotFound):
                await approve(system, what, who)
            with pytest.raises(NotFound):
                await reviewing.retract(system.deps, who, what, Retract(reason="x"), None)

    play(tmp_path, scenario)


def test_a_read_only_workspace_decides_nothing(tmp_path):
    async def scenario(system):
        entry_id = await submit(system)
        await system.change_settings(read_only=True)
        with pytest.raises(Unavailable):
            await approve(system, entry_id)
        with pytest.raises(Unavailable):
            await reviewing.retract(system.deps, ADA, entry_id, Retract(reason="x"), None)

    play(tmp_path, scenario)
