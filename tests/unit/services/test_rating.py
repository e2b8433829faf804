import asyncio

import pytest

from shared.config import Settings
from shared.domain.feedback import FEEDBACK
from shared.domain.learning.bundles import NO_BUNDLE, bundle_of
from shared.domain.learning.config import LearningConfig, RaterConfig
from shared.domain.learning.decay import rating_weight
from shared.domain.learning.raters import RATERS
from shared.domain.learning.state import LearningState, fold
from shared.domain.times import day_number
from shared.errors import Conflict, InvalidInput, NotFound, Unavailable
from shared.messages.rating import RecordFeedback
from shared.services import rating
from shared.services.deps import Options
from tests.support.learning import rate, routed, rows
from tests.support.system import WORKSPACE, caller, play

LOG = (
    "SELECT sign, day, quality, correct, cost_nanousd, costed, latency_ms, timed, pattern,"
    " provider, model, snapshot_id, feedback_id FROM evidence_ratings ORDER BY seq"
)


def test_what_was_rated_comes_from_the_routing_decision(tmp_path):
    async def scenario(system):
        await routed(system, pattern="math", model="large", provider="other", snapshot_id="snap_a")
        answer = await rate(system, quality=4)
        assert (answer.status, answer.replaced) == ("recorded", False)
        stored = await system.store.get(WORKSPACE, FEEDBACK, "req_1:ada")
        assert (stored.pattern, stored.provider, stored.model) == ("math", "other", "large")
        assert stored.rating.feedback_id == answer.feedback_id
        today = day_number(system.clock.now_text())
        place = ("math", "other", "large", "snap_a", answer.feedback_id)
        assert rows(system, LOG) == [(1, today, 4, 1, 2_000_000, 1, 700, 1, *place)]

    play(tmp_path, scenario)


def test_the_known_cost_goes_before_the_estimate(tmp_path):
    async def scenario(system):
        await routed(system, cost_usd=0.005, estimated_cost_usd=0.001)
        await rate(system)
        assert rows(system, "SELECT cost_nanousd FROM evidence_ratings") == [(5_000_000,)]

    play(tmp_path, scenario)


def test_an_unknown_cost_and_latency_count_for_nothing(tmp_path):
    async def scenario(system):
        await routed(system, estimated_cost_usd=None, latency_ms=None)
        await rate(system)
        [row] = rows(system, "SELECT cost_nanousd, costed, latency_ms, timed FROM evidence_ratings")
        assert row == (0, 0, 0, 0)

    play(tmp_path, scenario)


def test_a_second_rating_takes_the_first_back_as_it_was(tmp_path):
    async def scenario(system):
        await routed(system, cost_usd=None)
        first = await rate(system, quality=2, comment="wrong")
        system.clock.advance(days=3)
        await routed(system, cost_usd=0.009, latency_ms=1)
        second = await rate(system, quality=5)
        assert second.replaced
        log = rows(system, LOG)
        assert [row[0] for row in log] == [1, -1, 1]
        assert log[1][1:] == log[0][1:]
        assert log[2][1] == log[0][1] + 3
        assert log[2][2:8] == (5, 1, 9_000_000, 1, 1, 1)
        stored = await system.store.get(WORKSPACE, FEEDBACK, "req_1:ada")
        assert [one.feedback_id for one in stored.history] == [first.feedback_id]
        assert stored.history[0].comment == "wrong"
        assert stored.rating.quality_score == 5

    play(tmp_path, scenario)


def test_a_request_that_no_model_answered_cannot_be_rated(tmp_path):
    async def scenario(system):
        await routed(system, failed=True)
        with pytest.raises(Conflict, match="req_1"):
            await rate(system)
        assert rows(system, "SELECT COUNT(*) FROM evidence_ratings") == [(0,)]
        assert await system.store.get(WORKSPACE, FEEDBACK, "req_1:ada") is None
        assert await system.drain() == []

    play(tmp_path, scenario)


def test_the_newest_twenty_replaced_ratings_are_kept_and_all_leave_evidence(tmp_path):
    async def scenario(system):
        await routed(system)
        ids = [(await rate(system, quality=1 + at % 5)).feedback_id for at in range(25)]
        stored = await system.store.get(WORKSPACE, FEEDBACK, "req_1:ada")
        assert [one.feedback_id for one in stored.history] == ids[4:24]
        assert stored.rating.feedback_id == ids[24]
        assert rows(system, "SELECT COUNT(*), SUM(sign) FROM evidence_ratings") == [(49, 1)]

    play(tmp_path, scenario)


def test_after_many_changes_of_mind_only_the_last_rating_counts(tmp_path):
    async def scenario(system):
        await routed(system)
        for quality in (1, 5, 2, 4):
            await rate(system, quality=quality)
            system.clock.advance(days=40)
        last = day_number(system.clock.now_text()) - 40
        upto, _ = await system.deps.analytics.head(WORKSPACE)
        sums = await system.deps.analytics.rating_sums(WORKSPACE, 0, upto)
        standing = [one for one in sums if one.n]
        assert [(one.day, one.n, one.quality, one.correct) for one in standing] == [(last, 1, 4, 1)]
        assert all(one.quality == one.quality_squared == 0 for one in sums if not one.n)
        state = fold(LearningState.empty(LearningConfig()), ratings=sums)
        [kept] = state.ratings.values()
        assert kept.decayed.n == rating_weight(last, state.half_life_days)

    play(tmp_path, scenario)


def test_the_epoch_of_the_decision_is_in_the_evidence_and_a_take_back_repeats_the_old_one(tmp_path):
    async def scenario(system):
        await routed(system, epoch=1)
        await rate(system)
        await routed(system, epoch=2)
        await rate(system, quality=1)
        kept = "SELECT sign, quality, standing, epoch FROM evidence_ratings ORDER BY seq"
        assert rows(system, kept) == [(1, 5, 4, 1), (-1, 5, 4, 1), (1, 1, 4, 2)]

    play(tmp_path, scenario)


def test_two_users_ratings_both_stand(tmp_path):
    async def scenario(system):
        await routed(system)
        await rate(system, user_id="bob")
        answer = await rate(system, user_id="eve", quality=1)
        assert not answer.replaced
        assert rows(system, "SELECT SUM(sign) FROM evidence_ratings") == [(2,)]

    play(tmp_path, scenario)


def test_racing_ratings_of_one_user_leave_one_standing(tmp_path):
    async def scenario(system):
        await routed(system)
        answers = await asyncio.gather(*(rate(system, quality=1 + at % 5) for at in range(20)))
        assert sum(not one.replaced for one in answers) == 1
        [(n, quality)] = rows(system, "SELECT SUM(sign), SUM(sign * quality) FROM evidence_ratings")
        stored = await system.store.get(WORKSPACE, FEEDBACK, "req_1:ada")
        assert (n, quality) == (1, stored.rating.quality_score)
        assert len(stored.history) == 19

    play(tmp_path, scenario)


def test_of_many_ratings_that_one_sends_at_once_as_many_count_as_the_cap_says(tmp_path):
    async def scenario(system):
        await asyncio.gather(*(routed(system, f"req_{number}") for number in range(40)))
        answers = await asyncio.gather(*(rate(system, f"req_{number}") for number in range(40)))
        assert sum(one.counted for one in answers) == 6
        assert {one.reason for one in answers if not one.counted} == {
            "more than 6 ratings within 600 seconds"
        }
        assert (await system.store.get(WORKSPACE, RATERS, "ada")).ratings == 6

    options = Options(learning=LearningConfig(raters=RaterConfig(per_burst=6)))
    play(tmp_path, scenario, options=options)


def test_an_unknown_request_is_not_found_and_leaves_nothing(tmp_path):
    async def scenario(system):
        with pytest.raises(NotFound, match="req_1"):
            await rate(system)
        await routed(system, workspace="other")
        with pytest.raises(NotFound):
            await rate(system)
        assert rows(system, "SELECT COUNT(*) FROM evidence_ratings") == [(0,)]
        assert await system.drain() == []

    play(tmp_path, scenario)


def test_a_rating_is_audited_and_told(tmp_path):
    async def scenario(system):
        await routed(system)
        answer = await rate(system)
        [told] = await system.drain()
        assert (told.type, told.subject) == ("feedback.recorded", answer.feedback_id)
        assert told.data["request_id"] == "req_1"
        [record] = (await system.store.audit_page(WORKSPACE, action="feedback.recorded")).items
        assert (record.actor, record.subject) == ("ada", answer.feedback_id)

    play(tmp_path, scenario)


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_a_person_rates_only_in_their_own_name(tmp_path, role):
    async def scenario(system):
        await routed(system)
        own = RecordFeedback(request_id="req_1", quality_score=3, is_correct=True, user_id="bob")
        bob = caller("bob", role=role)
        assert not (await rating.record_feedback(system.deps, bob, own, None)).replaced
        with pytest.raises(InvalidInput) as refused:
            await rating.record_feedback(system.deps, caller("eve", role=role), own, None)
        assert refused.value.problems[0].pointer == "/user_id"

    play(tmp_path, scenario)


def test_a_machine_rates_in_its_users_names(tmp_path):
    async def scenario(system):
        await routed(system)
        command = RecordFeedback(
            request_id="req_1", quality_score=3, is_correct=True, user_id="bob"
        )
        machine = caller("key:1", scopes=("feedback",))
        await rating.record_feedback(system.deps, machine, command, None)
        assert await system.store.get(WORKSPACE, FEEDBACK, "req_1:bob")

    play(tmp_path, scenario)


def test_nothing_is_rated_while_the_workspace_is_read_only(tmp_path):
    async def scenario(system):
        await routed(system)
        await system.change_settings(read_only=True)
        with pytest.raises(Unavailable):
            await rate(system)
        assert await system.store.get(WORKSPACE, FEEDBACK, "req_1:ada") is None

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quality_score", 0),
        ("quality_score", 6),
        ("quality_score", 4.0),
        ("quality_score", "4"),
        ("quality_score", True),
        ("is_correct", 1),
        ("is_correct", None),
        ("request_id", ""),
        ("user_id", "a\x00b"),
        ("comment", "x" * 4001),
        ("colour", "red"),
    ],
)
def test_a_wrong_field_is_refused_by_name(field, value):
    good = {"request_id": "req_1", "quality_score": 4, "is_correct": True}
    RecordFeedback.model_validate(good)
    with pytest.raises(ValueError, match=field):
        RecordFeedback.model_validate({**good, field: value})


def test_a_first_rating_is_logged_by_the_revision_that_decided(tmp_path, caplog):
    async def scenario(system):
        await routed(system, revision="whetstone-serve-00002-abc")
        system.clock.advance(seconds=90)
        with caplog.at_level("INFO", logger="whetstone.feedback"):
            await rate(system, quality=4)
            await rate(system, quality=1)
        [line] = [one for one in caplog.records if one.message == "feedback.rated"]
        assert (line.routed_by, line.quality_score) == ("whetstone-serve-00002-abc", 4)
        assert line.age_s == pytest.approx(90, abs=1)

    play(tmp_path, scenario)


def test_a_rating_is_not_logged_where_no_revision_is_judged_by_it(tmp_path, caplog):
    async def scenario(system):
        await routed(system)
        with caplog.at_level("INFO", logger="whetstone.feedback"):
            await rate(system, quality=4)
        assert not [one for one in caplog.records if one.message == "feedback.rated"]

    play(tmp_path, scenario)


def test_a_decision_names_the_revision_that_google_cloud_says_it_runs_in(monkeypatch):
    monkeypatch.setenv("K_REVISION", "whetstone-serve-00002-abc")
    assert Settings().revision == "whetstone-serve-00002-abc"
    monkeypatch.delenv("K_REVISION")
    assert Settings().revision == ""


async def bundles(system):
    log = await system.deps.evidence_log.rows(WORKSPACE, "ratings", 0, 100)
    return [row.evidence.bundle for row in log]


def test_ratings_of_a_session_fall_into_its_bundle_whoever_names_it(tmp_path):
    async def scenario(system):
        await routed(system, "req_1", session_id="talk")
        await routed(system, "req_2")
        await rate(system, "req_1")
        await rate(system, "req_2", session_id="talk")
        await rate(system, "req_1", session_id="another")
        expected = bundle_of("session:talk", 0)
        assert await bundles(system) == [expected, expected, expected, expected]

    play(tmp_path, scenario)


def test_a_request_of_no_session_falls_by_itself_with_all_its_ratings(tmp_path):
    async def scenario(system):
        await routed(system)
        for person in ("ada", "bob"):
            await rate(system, user_id=person)
        assert await bundles(system) == [bundle_of("req_1", 0)] * 2

    play(tmp_path, scenario)


def test_what_was_not_drawn_is_in_no_bundle(tmp_path):
    async def scenario(system):
        await routed(system, propensity=0.0, session_id="talk")
        await rate(system)
        assert await bundles(system) == [NO_BUNDLE]

    play(tmp_path, scenario)


def test_sessions_are_looked_at_as_thinly_as_the_decision_says(tmp_path):
    async def scenario(system):
        talks = [f"talk{number}" for number in range(40)]
        for number, talk in enumerate(talks):
            await routed(system, f"req_{number}", session_id=talk, thinned=1)
            await rate(system, f"req_{number}")
        expected = [bundle_of(f"session:{talk}", 1) for talk in talks]
        assert await bundles(system) == expected
        assert 0 < sum(one != NO_BUNDLE for one in expected) < 20

    play(tmp_path, scenario)
