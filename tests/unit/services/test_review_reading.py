"""The queue and the figures."""

import pytest

from shared.domain.entries import ENTRIES
from shared.errors import InvalidInput
from shared.messages.reviewing import Approve, ClaimEntry, QueueParams, Reject
from shared.services import calibrating, claiming, review_reading, reviewing
from shared.services.calibrating import RECORD_AGE_S
from tests.support.entries import MODEL, submit
from tests.support.system import WORKSPACE, caller, play

ADA = caller("ada", role="reviewer")


async def decide(system, entry_id, verdict="approve"):
    command = Approve() if verdict == "approve" else Reject(reason="no")
    await reviewing.decide(system.deps, ADA, entry_id, command, None, verdict=verdict, notes="so")


async def listed(system, **params):
    page = await review_reading.queue(system.deps, ADA, QueueParams(**params))
    return [item.entry_id for item in page.items]


async def fill(system):
    """Four entries, a minute apart."""
    ids = []
    for number, (topic, tags, confidence, submitter) in enumerate(
        [
            ("billing", ["a"], 0.5, "x"),
            ("billing", ["a", "b"], 0.9, "y"),
            ("login", ["b"], 0.7, "x"),
            ("login", [], 0.8, "y"),
        ]
    ):
        fields = {"topic": topic, "tags": tags, "confidence_score": confidence}
        ids.append(await submit(system, number, submitter=submitter, **fields))
        system.clock.advance(60)
    return ids


def test_the_queue_is_ordered_and_filtered(tmp_path):
    async def scenario(system):
        one, two, three, four = await fill(system)
        assert await listed(system) == [one, two, three, four]
        assert await listed(system, order="newest") == [four, three, two, one]
        assert await listed(system, order="confidence") == [two, four, three, one]
        assert await listed(system, topic="login") == [three, four]
        assert await listed(system, tag="b") == [two, three]
        assert await listed(system, submitter="x") == [one, three]
        assert await listed(system, min_confidence=0.8) == [two, four]
        assert await listed(system, topic="login", submitter="y", order="newest") == [four]
        assert await listed(system, topic="login", order="confidence") == [four, three]
        assert await listed(system, tag="a", min_confidence=0.6, order="confidence") == [two]
        await decide(system, two)
        assert await listed(system) == [one, three, four]
        assert await listed(system, state="approved") == [two]

    play(tmp_path, scenario)


@pytest.mark.parametrize("order", ["oldest", "newest", "confidence"])
def test_pages_give_each_entry_once(tmp_path, order):
    async def scenario(system):
        ids = await fill(system)
        seen, cursor, rounds = [], None, 0
        while rounds == 0 or cursor is not None:
            params = QueueParams(order=order, limit=3, cursor=cursor)
            page = await review_reading.queue(system.deps, ADA, params)
            assert page.pending_count == 4
            seen += [item.entry_id for item in page.items]
            cursor, rounds = page.next_cursor, rounds + 1
        assert (sorted(seen), rounds) == (sorted(ids), 2)

    play(tmp_path, scenario)


def test_a_page_of_long_entries_ends_early_and_goes_on(tmp_path, monkeypatch):
    async def scenario(system):
        ids = await fill(system)
        long = len((await system.store.get(WORKSPACE, ENTRIES, ids[0])).content) + len("ab{}")
        for room, sizes in ((2 * long + 1, [2, 2]), (1, [1, 1, 1, 1]), (4 * long, [4])):
            monkeypatch.setattr("shared.services.paging.MOST_CONTENT", room)
            seen, found, cursor = [], [], None
            while not seen or cursor is not None:
                params = QueueParams(limit=500, cursor=cursor)
                page = await review_reading.queue(system.deps, ADA, params)
                seen += [item.entry_id for item in page.items]
                found.append(len(page.items))
                assert page.looked_through is None
                cursor = page.next_cursor
            assert (seen, found) == (ids, sizes)

    play(tmp_path, scenario)


@pytest.mark.parametrize("more", [{"metadata": {"a": "m" * 600}}, {"tags": ["t" * 90] * 7}])
def test_a_page_has_room_for_all_that_submitters_say(tmp_path, monkeypatch, more):
    monkeypatch.setattr("shared.services.paging.MOST_CONTENT", 1500)

    async def scenario(system):
        for number in range(3):
            await submit(system, number, **more)
        page = await review_reading.queue(system.deps, ADA, QueueParams(limit=500))
        assert (len(page.items), page.next_cursor is None) == (2, False)

    play(tmp_path, scenario)


def test_a_cursor_belongs_to_its_list(tmp_path):
    async def scenario(system):
        await fill(system)
        page = await review_reading.queue(system.deps, ADA, QueueParams(limit=1))
        other = QueueParams(limit=1, cursor=page.next_cursor, topic="login")
        with pytest.raises(InvalidInput):
            await review_reading.queue(system.deps, ADA, other)

    play(tmp_path, scenario)


def test_an_item_shows_what_a_reviewer_needs(tmp_path):
    async def scenario(system):
        await system.change_settings(two_approvals_above_risk=0.5)
        text = "one two three four five six seven eight nine ten eleven twelve"
        first = await submit(system, content=text, topic="a")
        system.clock.advance(1)
        second = await submit(system, content=text, topic="b", confidence_score=0.2)
        await decide(system, second)
        await claiming.claim(system.deps, ADA, first, ClaimEntry(seconds=60), None)
        params = QueueParams()
        held, near = (await review_reading.queue(system.deps, ADA, params)).items
        assert (held.claim.reviewer, held.content, held.risk) == ("ada", text, 0.1)
        assert (near.claim, near.near_duplicates, near.risk) == (None, [first], 0.8)
        assert [(vote.reviewer, vote.notes) for vote in near.votes] == [("ada", "so")]
        system.clock.advance(60)
        held, _ = (await review_reading.queue(system.deps, ADA, params)).items
        assert held.claim is None

    play(tmp_path, scenario)


def test_figures_before_the_first_decision(tmp_path):
    async def scenario(system):
        await fill(system)
        found = await review_reading.stats(system.deps, ADA)
        assert (found.pending, found.total_processed, found.approval_rate) == (4, 0, 0.0)
        assert found.median_seconds_to_decision is None
        assert (found.per_day, found.per_submitter) == ([], [])

    play(tmp_path, scenario)


def test_figures_count_decisions_by_kind_day_and_submitter(tmp_path):
    async def scenario(system):
        one, two, three, four = await fill(system)
        await decide(system, one)
        await decide(system, two, "reject")
        system.clock.advance(days=1)
        await decide(system, three)
        found = await review_reading.stats(system.deps, ADA)
        assert (found.approved, found.rejected, found.pending) == (2, 1, 1)
        assert (found.revision_requested, found.total_processed) == (0, 3)
        assert found.approval_rate == pytest.approx(2 / 3)
        assert [(day.day, day.approved, day.rejected) for day in found.per_day] == [
            ("2026-01-01", 1, 1),
            ("2026-01-02", 1, 0),
        ]
        assert [(who.submitter, who.approval_rate) for who in found.per_submitter] == [
            ("x", 1.0),
            ("y", 0.0),
        ]
        assert found.median_seconds_to_decision == pytest.approx(240, rel=0.1)
        assert found.p90_seconds_to_decision == pytest.approx(86_520, rel=0.1)
        assert await listed(system) == [four]

    play(tmp_path, scenario)


def test_days_and_submitters_shown_are_bounded(tmp_path):
    async def scenario(system):
        for number in range(103):
            submitter = f"agent-{number:03d}"
            await decide(system, await submit(system, number, submitter=submitter))
            system.clock.advance(days=1)
        await decide(system, await submit(system, 200, submitter="agent-102"))
        found = await review_reading.stats(system.deps, ADA)
        assert found.approved == 104
        assert len(found.per_day) == 90
        assert found.per_day[-1].day == system.clock.now_text()[:10]
        assert len(found.per_submitter) == 100
        assert found.per_submitter[0].submitter == "agent-102"

    play(tmp_path, scenario)


def test_figures_are_a_workspaces_own(tmp_path):
    async def scenario(system):
        await decide(system, await submit(system))
        other = caller("ada", role="reviewer", workspace="other")
        found = await review_reading.stats(system.deps, other)
        assert (found.total_processed, found.pending, found.per_submitter) == (0, 0, [])
        assert (await review_reading.queue(system.deps, other, QueueParams())).items == []

    play(tmp_path, scenario)


def test_reading_reads_no_entries_for_figures(tmp_path, monkeypatch):
    async def scenario(system):
        await decide(system, await submit(system))

        async def refuse(*args, **options):
            raise AssertionError("figures must not scan")

        for name in ("find", "get", "get_many", "count"):
            monkeypatch.setattr(system.store, name, refuse)
        assert (await review_reading.stats(system.deps, MODEL)).approved == 1

    play(tmp_path, scenario)


def test_who_overstates_comes_as_the_doubtful_one_that_it_is(tmp_path):
    async def scenario(system):
        for number in range(20):
            entry_id = await submit(system, number, submitter="boaster", confidence_score=0.9)
            await decide(system, entry_id, "reject")
        system.clock.advance(RECORD_AGE_S)
        sound = await submit(system, 50, submitter="sound", confidence_score=0.9)
        boast = await submit(system, 51, submitter="boaster", confidence_score=0.9)
        assert await listed(system, order="urgency") == [boast, sound]
        entry = await system.store.get(WORKSPACE, ENTRIES, boast)
        assert entry.calibrated_confidence == 0.18
        assert entry.risk == 0.82
        assert (await system.store.get(WORKSPACE, ENTRIES, sound)).risk == 0.1

    play(tmp_path, scenario)


def test_a_submitters_record_is_read_once_a_minute(tmp_path, monkeypatch):
    async def scenario(system):
        read = []
        counter = type(system.store).counter

        async def counted(store, workspace, name):
            read.append(name)
            return await counter(store, workspace, name)

        monkeypatch.setattr(type(system.store), "counter", counted)
        monkeypatch.setattr(calibrating, "RECORDS_KEPT", 2)
        for number, submitter in enumerate("aabbab"):
            await submit(system, number, submitter=submitter)
        assert read == ["decisions.submitter:a", "decisions.submitter:b"]
        system.clock.advance(RECORD_AGE_S)
        await submit(system, 10, submitter="b")
        assert len(read) == 3
        await submit(system, 11, submitter="c")
        kept = [name[-1] for _, name in system.deps.records_seen]
        assert kept == ["b", "c"]

    play(tmp_path, scenario)
