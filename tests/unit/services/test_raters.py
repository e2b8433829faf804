"""Setting raters aside and putting them back leaves exactly their evidence out, and is told."""

import pytest

from shared.domain.feedback import FEEDBACK
from shared.domain.learning.config import LearningConfig, RaterConfig
from shared.domain.learning.raters import RATERS
from shared.domain.learning.state import LearningState, fold
from shared.domain.learning.state_json import to_json
from shared.domain.learning.sums import FULL_STANDING
from shared.domain.operations import ALERTS
from shared.domain.records import Order
from shared.errors import Conflict, InvalidInput, NotAllowed, NotFound
from shared.messages.access import ChangeSettings
from shared.messages.rating import JudgeRater, RatersPage, RecordFeedback
from shared.services import raters, rating
from shared.services.access import change_settings
from shared.services.alerting import acknowledge
from shared.services.deps import Options
from shared.services.rating_tokens import token_for
from shared.services.unit import settings_of
from tests.support.learning import ADMIN, rate, routed, rows
from tests.support.system import WORKSPACE, caller, play

WHY = JudgeRater(reason="A script.")
KEY = caller("key:a", scopes=("feedback",))


async def learned(system):
    """Returns what learning makes of the log now, apart from where it has read to."""
    upto, _ = await system.deps.analytics.head(WORKSPACE)
    sums = await system.deps.analytics.rating_sums(WORKSPACE, 0, upto)
    return to_json(fold(LearningState.empty(LearningConfig()), ratings=sums))


async def rated(system, user_id, count, *, quality=5, prefix="", **more):
    """Has somebody rate so many requests."""
    for number in range(count):
        name = f"req_{prefix}{user_id}_{number}"
        await routed(system, name, **more)
        await rate(system, name, quality=quality, user_id=user_id)


def test_setting_aside_leaves_out_all_of_one_rater_and_nothing_else(tmp_path):
    async def scenario(system):
        await rated(system, "ada", 3)
        honest = await learned(system)
        await rated(system, "eve", 250, quality=1)
        both = await learned(system)
        aside = await raters.set_aside(system.deps, ADMIN, "eve", WHY, None)
        assert (aside.state, aside.settled, aside.reason) == ("aside", True, "A script.")
        assert await learned(system) == honest
        again = await raters.set_aside(system.deps, ADMIN, "eve", WHY, None)
        assert (again, await learned(system)) == (aside, honest)
        await raters.put_back(system.deps, ADMIN, "eve", WHY, None)
        assert await learned(system) == both

    options = Options(learning=LearningConfig(raters=RaterConfig(per_burst=1000, per_day=1000)))
    play(tmp_path, scenario, options=options)


def test_ratings_of_one_set_aside_are_kept_and_the_answer_says_that_they_do_not_count(tmp_path):
    async def scenario(system):
        await rated(system, "eve", 1)
        await raters.set_aside(system.deps, ADMIN, "eve", WHY, None)
        honest = await learned(system)
        await routed(system, "req_late")
        answer = await rate(system, "req_late", user_id="eve")
        assert (answer.status, answer.counted) == ("recorded", False)
        assert answer.reason == "ratings of eve are set aside"
        assert await learned(system) == honest
        assert rows(system, "SELECT standing FROM evidence_ratings ORDER BY seq DESC LIMIT 1") == [
            (0,)
        ]

    play(tmp_path, scenario)


def test_changing_a_rating_that_is_set_aside_does_not_make_it_count_until_put_back(tmp_path):
    async def scenario(system):
        await rated(system, "eve", 1)
        await raters.set_aside(system.deps, ADMIN, "eve", WHY, None)
        empty = await learned(system)
        answer = await rate(system, "req_eve_0", quality=2, user_id="eve")
        assert (answer.counted, answer.replaced) == (False, True)
        assert await learned(system) == empty
        await raters.put_back(system.deps, ADMIN, "eve", WHY, None)
        upto, _ = await system.deps.analytics.head(WORKSPACE)
        sums = await system.deps.analytics.rating_sums(WORKSPACE, 0, upto)
        assert [(one.n, one.quality) for one in sums] == [(1, 2)]

    play(tmp_path, scenario)


def test_who_says_what_is_expected_and_then_changes_it_all_is_judged_by_what_he_changes(tmp_path):
    async def scenario(system):
        for number in range(90):
            await routed(system, f"req_{number}", expected=0.8)
            await rate(system, f"req_{number}", 5 if number % 5 else 2, user_id="eve")
            system.clock.advance(60)
        system.clock.advance(days=1)
        answers = []
        for number in range(90):
            answers.append(await rate(system, f"req_{number}", 1, user_id="eve"))
            system.clock.advance(10)
        standings = [
            (await system.store.get(WORKSPACE, FEEDBACK, f"req_{number}:eve")).standing
            for number in range(90)
        ]
        eve = await system.store.get(WORKSPACE, RATERS, "eve")
        assert (eve.ratings, eve.state) == (90, "doubted")
        assert standings[:10] == [FULL_STANDING] * 10
        assert standings[20:40] == [1] * 20
        assert standings[40:60] == [0] * 20
        beyond = next(one for one in answers if not one.counted)
        assert beyond.replaced
        assert "ratings within" in beyond.reason

    play(tmp_path, scenario)


def test_a_rating_that_says_the_same_again_is_nothing_new_of_its_rater(tmp_path):
    async def scenario(system):
        await routed(system, expected=0.5)
        await rate(system, user_id="eve")
        known = await system.store.get(WORKSPACE, RATERS, "eve")
        for comment in ("good", "very good"):
            assert (await rate(system, user_id="eve", comment=comment)).counted
        assert await system.store.get(WORKSPACE, RATERS, "eve") == known

    play(tmp_path, scenario)


def test_a_rating_changed_before_it_is_taken_back_comes_back_as_it_is_then(
    tmp_path,
):
    async def scenario(system):
        await rated(system, "eve", 1)
        eve = await system.store.get(WORKSPACE, RATERS, "eve")

        async def die(tx):
            tx.put(RATERS, eve.model_copy(update={"state": "aside", "unsettled": True}))

        await system.store.transact(WORKSPACE, die)
        assert not (await rate(system, "req_eve_0", quality=2, user_id="eve")).counted
        await raters.look(system.deps, WORKSPACE)
        assert rows(system, "SELECT SUM(sign) FROM evidence_ratings WHERE standing > 0") == [(0,)]
        await raters.put_back(system.deps, ADMIN, "eve", WHY, None)
        upto, _ = await system.deps.analytics.head(WORKSPACE)
        sums = await system.deps.analytics.rating_sums(WORKSPACE, 0, upto)
        assert [(one.n, one.quality) for one in sums] == [(1, 2)]

    play(tmp_path, scenario)


def test_what_was_begun_is_finished_by_the_next_look(tmp_path):
    async def scenario(system):
        await rated(system, "eve", 5)
        eve = await system.store.get(WORKSPACE, RATERS, "eve")
        begun = eve.model_copy(update={"state": "aside", "unsettled": True})

        async def die(tx):
            tx.put(RATERS, begun)

        await system.store.transact(WORKSPACE, die)
        await raters.look(system.deps, WORKSPACE)
        assert not (await system.store.get(WORKSPACE, RATERS, "eve")).unsettled
        assert rows(system, "SELECT SUM(sign) FROM evidence_ratings") == [(0,)]
        await raters.look(system.deps, WORKSPACE)
        assert rows(system, "SELECT COUNT(*) FROM evidence_ratings") == [(10,)]

    play(tmp_path, scenario)


def test_each_step_is_in_the_audit_log(tmp_path):
    async def scenario(system):
        await rated(system, "eve", 2)
        await raters.set_aside(system.deps, ADMIN, "eve", WHY, None)
        await raters.put_back(system.deps, ADMIN, "eve", WHY, None)
        page = await system.store.audit_page(WORKSPACE, subject="eve")
        assert [one.action for one in reversed(page.items)] == [
            "rater.set_aside",
            "rater.evidence_taken_back",
            "rater.put_back",
            "rater.evidence_put_back",
        ]
        assert {one.actor for one in page.items} == {"ada"}

    play(tmp_path, scenario)


def test_who_never_rated_cannot_be_set_aside_nor_who_is_not_aside_be_put_back(tmp_path):
    async def scenario(system):
        with pytest.raises(NotFound, match="nobody called bob"):
            await raters.set_aside(system.deps, ADMIN, "bob", WHY, None)
        await rated(system, "ada", 1)
        with pytest.raises(Conflict, match="not set aside"):
            await raters.put_back(system.deps, ADMIN, "ada", WHY, None)

    play(tmp_path, scenario)


def test_raters_are_listed_by_state_page_by_page(tmp_path):
    async def scenario(system):
        for name in ("ada", "bob", "eve"):
            await rated(system, name, 1)
        await raters.set_aside(system.deps, ADMIN, "eve", WHY, None)
        first = await raters.list_raters(system.deps, ADMIN, RatersPage(limit=2))
        assert [one.rater_id for one in first.items] == ["ada", "bob"]
        rest = RatersPage(limit=2, cursor=first.next_cursor)
        assert [
            one.rater_id for one in (await raters.list_raters(system.deps, ADMIN, rest)).items
        ] == ["eve"]
        aside = await raters.list_raters(system.deps, ADMIN, RatersPage(state="aside"))
        assert [(one.rater_id, one.residual) for one in aside.items] == [("eve", None)]

    play(tmp_path, scenario)


def test_a_machine_that_names_nobody_rates_for_many_and_is_no_rater(tmp_path):
    async def scenario(system):
        for number in range(50):
            await routed(system, f"req_{number}")
            command = RecordFeedback(request_id=f"req_{number}", quality_score=5, is_correct=True)
            answer = await rating.record_feedback(system.deps, KEY, command, None)
            assert answer.counted
        assert (await raters.list_raters(system.deps, ADMIN, RatersPage())).items == []

    play(tmp_path, scenario)


def test_a_rating_beyond_the_burst_is_logged_counts_for_nothing_and_says_why(tmp_path):
    async def scenario(system):
        await rated(system, "eve", 2)
        await routed(system)
        answer = await rate(system, user_id="eve")
        assert (answer.counted, answer.reason) == (False, "more than 2 ratings within 600 seconds")
        assert rows(system, "SELECT SUM(standing > 0), COUNT(*) FROM evidence_ratings") == [(2, 3)]

    options = Options(learning=LearningConfig(raters=RaterConfig(per_burst=2)))
    play(tmp_path, scenario, options=options)


# --- what a look finds ----------------------------------------------------------------------------


async def crowd(system, count=12):
    """Has proven raters rate today as is expected of the answers."""
    for number in range(count):
        await rated(system, f"old{number}", 5, quality=5, expected=0.9)
        await rated(system, f"old{number}", 5, quality=5, prefix="b", expected=0.9)

        async def age(tx, name=f"old{number}"):
            known = await tx.get(RATERS, name)
            tx.put(RATERS, known.model_copy(update={"state": "proven", "days": 9}))

        await system.store.transact(WORKSPACE, age)


async def alerts(system):
    """Returns the alerts, oldest first."""
    page = await system.store.find(WORKSPACE, ALERTS, order=Order("raised_at"), limit=20)
    return [(one.rule, one.state) for one in page.items], page.items


def test_newcomers_who_push_together_are_set_aside_with_an_alert_that_shows_why(tmp_path):
    async def scenario(system):
        await crowd(system)
        honest = await learned(system)
        for number in range(6):
            await rated(system, f"new{number}", 4, quality=1, expected=0.9)
        await raters.look(system.deps, WORKSPACE)
        aside = await raters.list_raters(system.deps, ADMIN, RatersPage(state="aside"))
        assert sorted(one.rater_id for one in aside.items) == [f"new{n}" for n in range(6)]
        assert await learned(system) == honest
        told, [alert] = await alerts(system)
        assert told == [("raters_pushing", "open")]
        assert alert.summary == (
            "6 newcomers ran down local/small together, unlike all others; they were set aside"
        )
        assert alert.evidence["raters"] == [f"new{n}" for n in range(6)]
        await raters.look(system.deps, WORKSPACE)
        assert (await alerts(system))[0] == told, "nobody has looked at it"
        await acknowledge(system.deps, ADMIN, alert.id, None)
        await raters.look(system.deps, WORKSPACE)
        assert (await alerts(system))[0] == [("raters_pushing", "resolved")]

    play(tmp_path, scenario)


def test_where_few_people_rate_a_person_decides(tmp_path):
    async def scenario(system):
        await crowd(system, 3)
        for number in range(6):
            await rated(system, f"new{number}", 4, quality=1, expected=0.9)
        await raters.look(system.deps, WORKSPACE)
        aside = await raters.list_raters(system.deps, ADMIN, RatersPage(state="aside"))
        assert aside.items == []
        [alert] = (await alerts(system))[1]
        assert alert.summary.endswith("a person must decide")
        await raters.look(system.deps, WORKSPACE)
        assert (await alerts(system))[0] == [("raters_pushing", "open")]
        for number in range(6):
            await raters.set_aside(system.deps, ADMIN, f"new{number}", WHY, None)
        await raters.look(system.deps, WORKSPACE)
        assert (await alerts(system))[0] == [("raters_pushing", "resolved")]

    play(tmp_path, scenario)


def test_the_doubted_are_told_and_set_aside_only_where_that_is_asked(tmp_path):
    async def scenario(system):
        await crowd(system, 10)
        for number in range(40):
            system.clock.advance(seconds=7200)
            await rated(system, "eve", 1, quality=1, prefix=f"{number}", expected=0.9)
        await raters.look(system.deps, WORKSPACE)
        told, [alert] = await alerts(system)
        assert told == [("raters_doubted", "open")]
        assert "eve" in alert.summary
        asked = system.deps.options.learning.raters.set_aside == "all"
        [eve] = [
            one
            for one in (await raters.list_raters(system.deps, ADMIN, RatersPage())).items
            if one.rater_id == "eve"
        ]
        assert eve.state == ("aside" if asked else "doubted")
        if asked:
            await raters.look(system.deps, WORKSPACE)
            assert (await alerts(system))[0] == [("raters_doubted", "resolved")]

    for name in ("pushes", "all"):
        config = LearningConfig(raters=RaterConfig(set_aside=name))
        play(tmp_path / name, scenario, options=Options(learning=config))


def test_a_small_honest_team_with_one_who_likes_everything_still_learns(tmp_path):
    async def scenario(system):
        for day in range(6):
            system.clock.advance(days=1)
            for number, name in enumerate(("ada", "bob", "cyd", "dan", "eve")):
                quality = 5 if name == "eve" or (day + number) % 4 else 2
                await rated(system, name, 2, quality=quality, prefix=f"{day}", expected=0.75)
            await raters.look(system.deps, WORKSPACE)
        upto, _ = await system.deps.analytics.head(WORKSPACE)
        sums = await system.deps.analytics.rating_sums(WORKSPACE, 0, upto)
        assert sum(one.n for one in sums) == 60
        assert (await alerts(system))[0] == []
        states = (await raters.list_raters(system.deps, ADMIN, RatersPage())).items
        assert {one.state for one in states} == {"proven"}

    play(tmp_path, scenario)


# --- tokens ---------------------------------------------------------------------------------------


async def with_tokens(system):
    """Turns rating tokens on."""
    await change_settings(system.deps, ADMIN, ChangeSettings(rating_tokens=True), None)


def test_an_answer_is_rated_once_with_its_token_and_not_without(tmp_path):
    async def scenario(system):
        await with_tokens(system)
        settings = await settings_of(system.deps, WORKSPACE)
        one, other = await routed(system), await routed(system, "req_2")
        token = token_for(system.deps, settings, WORKSPACE, one)
        with pytest.raises(InvalidInput) as missing:
            await rate(system)
        assert missing.value.problems[0].pointer == "/rating_token"
        foreign = token_for(system.deps, settings, "elsewhere", one)
        for wrong in ("", "x", "9.x", token[:-1] + "A", f"9{token}", foreign, "é.é"):
            with pytest.raises(NotAllowed, match="not that of this request"):
                await rate(system, rating_token=wrong)
        with pytest.raises(NotAllowed, match="not that of this request"):
            await rate(system, other.id, rating_token=token)
        assert rows(system, "SELECT * FROM evidence_ratings") == []
        assert (await rate(system, rating_token=token)).counted
        with pytest.raises(NotAllowed, match="was used"):
            await rate(system, rating_token=token, user_id="sybil")
        assert rows(system, "SELECT COUNT(*) FROM evidence_ratings") == [(1,)]
        assert await system.store.get(WORKSPACE, FEEDBACK, "req_1:sybil") is None

    play(tmp_path, scenario)


def test_a_token_is_good_for_a_week(tmp_path):
    async def scenario(system):
        await with_tokens(system)
        settings = await settings_of(system.deps, WORKSPACE)
        token = token_for(system.deps, settings, WORKSPACE, await routed(system))
        system.clock.advance(days=7)
        with pytest.raises(NotAllowed, match="has expired"):
            await rate(system, rating_token=token)

    play(tmp_path, scenario)


def test_without_the_setting_there_is_no_token_and_none_is_asked_for(tmp_path):
    async def scenario(system):
        settings = await settings_of(system.deps, WORKSPACE)
        assert token_for(system.deps, settings, WORKSPACE, await routed(system)) is None
        assert (await rate(system, rating_token="anything")).counted

    play(tmp_path, scenario)
