"""Who rates honestly is left alone, who does not is found, and caps say what they leave out."""

import random
from datetime import timedelta

import pytest

from shared.domain.learning.config import RaterConfig
from shared.domain.learning.raters import (
    MEMORY,
    MODELS,
    NAMES,
    NEW_FOR_DAYS,
    Given,
    doubt_at,
    evidence_against,
    first,
    judge,
    pushes,
    value_of,
)
from shared.domain.times import day_number, from_text, to_text

CONFIG = RaterConfig()
START = "2026-03-01T08:00:00.000000Z"
TODAY = day_number(START)


def at(seconds):
    """Returns a moment after the start."""
    return to_text(from_text(START).replace(microsecond=0) + timedelta(seconds=seconds))


def after(
    values,
    *,
    models=("local/small",),
    expected=0.7,
    config=CONFIG,
    rater=None,
    every_s=600,
    start_s=0,
):
    """Returns the rater after ratings of these values in eighths, ten minutes apart."""
    rater = rater or first("ada", START)
    for number, value in enumerate(values):
        model = models[number % len(models)]
        rater = judge(
            rater, Given(model, value, expected, at(start_s + number * every_s)), config
        ).rater
    return rater


def honest(seed, count, *, expected=0.7, habit=0.0):
    """Returns values of one who finds answers right as often as expected, shifted by a habit."""
    draw = random.Random(seed)
    return [8 if draw.random() < expected + habit else 1 for _ in range(count)]


def test_a_rating_is_worth_its_correctness_and_its_score():
    assert value_of(1, is_correct=False) == 0
    assert value_of(5, is_correct=True) == 8
    assert value_of(3, is_correct=True) == 6


def test_a_newcomer_counts_in_full_and_is_one_until_ten_ratings_on_two_days():
    day = after(honest(1, 30))
    assert day.state == "new"
    verdict = judge(day, Given("local/small", 8, 0.7, at(86_400)), CONFIG)
    assert (verdict.rater.state, verdict.standing, verdict.reason) == ("proven", 4, "")
    assert judge(first("bob", START), Given("m", 8, 0.7, START), CONFIG).standing == 4


def test_without_judging_all_count_in_full():
    config = RaterConfig(judging=False)
    verdict = judge(first("ada", START), Given("m", 8, 0.7, START), config)
    assert (verdict.standing, verdict.rater) == (4, first("ada", START))


@pytest.mark.parametrize("habit", [-0.1, 0.0, 0.1])
def test_honest_raters_of_any_habit_are_left_alone(habit):
    raters = [after(honest(seed, 150, habit=habit), every_s=7200) for seed in range(40)]
    assert {one.state for one in raters} == {"proven"}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([8] * 120, "above"),
        ([0] * 60, "below"),
        ([3] * 120, "same rating"),
    ],
)
def test_who_always_says_the_same_is_doubted_and_counts_a_quarter(values, words):
    rater = after(values, every_s=7200)
    assert rater.state == "doubted"
    assert any(words in one for one in evidence_against(rater, CONFIG))
    assert judge(rater, Given("local/small", values[0], 0.7, at(10**6)), CONFIG).standing == 1


def test_always_the_best_is_no_doubt_where_nearly_all_answers_are_good():
    assert after([8] * 300, expected=0.95, every_s=7200).state == "proven"


def test_who_says_the_opposite_is_doubted():
    inverted = [9 - one for one in honest(3, 200)]
    assert after(inverted, every_s=7200).state == "doubted"


def test_who_favours_one_model_is_found_though_his_mean_is_as_expected():
    values = [8, 3, 3, 3] * 60
    rater = after(values, models=("a/x", "b/y", "c/z", "d/w"), expected=0.6, every_s=3600)
    assert rater.state == "doubted"
    assert evidence_against(rater, CONFIG)[0] == (
        "rates in a way that speaks for a/x and the other way of the rest, beyond chance"
    )


def test_honest_years_buy_no_right_to_cheat_and_honesty_wins_trust_back():
    trusted = after(honest(5, 400), every_s=7200)
    turned = after([0] * 60, rater=trusted, every_s=7200, start_s=10**7)
    assert turned.state == "doubted"
    back = after(honest(6, 100), rater=turned, every_s=7200, start_s=2 * 10**7)
    assert back.state == "proven"


def test_answers_of_which_little_is_known_are_held_against_nobody():
    rater = after([8] * 200, expected=None, every_s=7200)
    assert (rater.judged, rater.purses, rater.state) == (0, {}, "proven")


@pytest.mark.parametrize(
    ("config", "every_s", "models", "words"),
    [
        (RaterConfig(per_burst=3), 1, ("m",), "more than 3 ratings within 600 seconds"),
        (RaterConfig(per_day=3), 3600, ("m",), "more than 3 ratings in a day"),
        (RaterConfig(per_model_day=3), 3600, ("m",), "more than 3 ratings of m in a day"),
    ],
)
def test_ratings_beyond_a_cap_count_for_nothing_and_say_so(config, every_s, models, words):
    rater = after([8] * 3, config=config, every_s=every_s, models=models)
    verdict = judge(rater, Given("m", 8, 0.7, at(3 * every_s)), config)
    assert (verdict.standing, verdict.reason) == (0, words)
    assert verdict.rater is rater
    later = judge(verdict.rater, Given("m", 8, 0.7, at(86_400)), config)
    assert later.standing > 0


def test_the_cap_of_one_model_leaves_room_for_another():
    config = RaterConfig(per_model_day=3)
    rater = after([8] * 3, models=("m",), config=config, every_s=3600)
    assert judge(rater, Given("n", 8, 0.7, at(10_000)), config).standing == 4


def test_as_many_count_as_the_caps_say_whatever_comes_beyond_them():
    config = RaterConfig(per_burst=3, per_day=5)
    rater, counted = first("ada", START), []
    for second in range(0, 1500, 60):
        verdict = judge(rater, Given("m", 8, 0.7, at(second)), config)
        rater = verdict.rater
        counted += [second] if verdict.standing else []
    assert counted == [0, 60, 120, 600, 660]
    assert (rater.ratings, rater.days, rater.last_rated_at) == (5, 1, at(660))


def test_ratings_that_come_out_of_order_at_midnight_are_of_one_day_and_one_cap():
    config = RaterConfig(per_day=5)
    midnight = 86_400 - from_text(START).hour * 3600
    rater = after([8] * 3, config=config, every_s=60)
    standings = []
    for number in range(12):
        verdict = judge(rater, Given("m", 8, 0.7, at(midnight - number % 2)), config)
        rater = verdict.rater
        standings.append(verdict.standing > 0)
    assert standings == [True] * 5 + [False] * 7
    assert rater.days == 2


def test_a_day_and_a_burst_that_a_wrong_clock_began_are_over_when_it_is_right_again():
    config = RaterConfig(per_day=3, per_burst=3)
    ahead = judge(first("ada", START), Given("m", 8, 0.7, at(30 * 86_400)), config).rater
    full = ahead.model_copy(update={"today": {"m": 3}, "burst": 3})
    assert judge(full, Given("m", 8, 0.7, at(0)), config).standing > 0


def test_ratings_of_one_set_aside_count_for_nothing():
    aside = first("ada", START).model_copy(update={"state": "aside"})
    verdict = judge(aside, Given("m", 8, 0.7, START), CONFIG)
    assert (verdict.standing, verdict.reason) == (0, "ratings of ada are set aside")
    assert verdict.rater is aside


def test_who_was_put_back_by_a_person_counts_in_full():
    back = first("ada", START).model_copy(update={"trusted": True})
    assert judge(after([0] * 100, rater=back), Given("m", 0, 0.7, at(9)), CONFIG).standing == 4


def test_a_record_stays_small_however_many_models_are_rated():
    names = tuple(f"local/m{number}" for number in range(100))
    rater = after([8] * 150, models=names, every_s=300, config=RaterConfig(per_burst=1000))
    assert len(rater.purses) == 3 + 2 * MODELS
    assert len(rater.today) <= NAMES + 1
    assert sum(rater.today.values()) == 150
    assert len(rater.seen) == NAMES


def test_what_is_remembered_of_a_rater_fades_and_stays_bounded():
    rater = after([8] * (MEMORY + 1), every_s=7200, expected=0.5)
    [seen] = rater.seen.values()
    assert seen.judged == (MEMORY + 1) // 2
    assert (seen.value, seen.expected) == ((MEMORY + 1) * 500, (MEMORY + 1) * 250)


def test_doubt_comes_later_where_fewer_false_ones_are_wanted():
    assert doubt_at(RaterConfig(doubt_after=100_000)) > doubt_at(CONFIG)


def test_who_is_set_aside_put_back_or_long_gone_is_not_looked_at():
    crowd = [after(honest(seed, 60), every_s=7200) for seed in range(12)]
    crowd = [one.model_copy(update={"id": f"old{n}"}) for n, one in enumerate(crowd)]
    sybils = [after([0] * 5, every_s=60) for _ in range(12)]
    sybils = [one.model_copy(update={"id": f"new{n}"}) for n, one in enumerate(sybils)]
    assert [one.direction for one in pushes([*crowd, *sybils], TODAY, CONFIG)] == ["down"]
    assert pushes([*crowd, *sybils], TODAY + NEW_FOR_DAYS, CONFIG) == []
    for update in ({"trusted": True}, {"state": "aside"}):
        left = [one.model_copy(update=update) for one in sybils]
        assert pushes([*crowd, *left], TODAY, CONFIG) == []
