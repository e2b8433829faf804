"""A pattern is stated only where it holds beyond chance, over everything that was tried."""

import random

import pytest

from shared.domain.learning.confidence import calibrations, elsewhere
from shared.domain.learning.config import LearningConfig
from shared.domain.learning.patterns import build_patterns, retired_patterns
from tests.unit.domain.learning.evidence import DAY, outcome, state_of

CONFIG = LearningConfig()


def patterns_of(*rows, config=CONFIG):
    found = build_patterns(state_of(outcomes=rows, config=config), config)
    return {one.key: one for one in found}


CONSENSUS = [
    outcome(agent="a", agreed=1, times=30),
    outcome(agent="b", agreed=1, times=30),
    outcome(agent="a", points=0, times=20),
    outcome(agent="b", points=0, times=20),
]


def test_no_evidence_holds_no_pattern():
    assert patterns_of() == {}
    assert patterns_of(outcome(completed=0, times=50)) == {}


def test_agreement_that_pays_is_a_consensus():
    found = patterns_of(*CONSENSUS)
    assert list(found) == ["consensus:t"]
    card = found["consensus:t"]
    assert (card.success_rate, card.base_rate) == (1.0, 0.6)
    assert (card.n, card.agents, card.agents_total) == (60, ("a", "b"), 2)
    assert card.low > card.base_rate
    assert card.strength == "very strong"
    assert card.words == (
        "Where agents agree on t, 100% of 60 were approved (with 95% certainty at least 95%, "
        "against 60% overall)."
    )


def test_agreement_that_does_not_pay_is_none():
    rows = [outcome(agreed=1, points=1, times=60), outcome(points=1, times=60)]
    assert patterns_of(*rows) == {}


def test_agreement_of_all_says_nothing():
    assert "consensus:t" not in patterns_of(outcome(agreed=1, times=100))


def test_expert_is_right_more_often_than_the_bar_and_the_others():
    found = patterns_of(outcome(times=40), outcome(agent="b", points=0, times=40))
    assert list(found) == ["expert:t:a"]
    card = found["expert:t:a"]
    assert card.base_rate == 0.75
    assert card.agents == ("a",)
    assert card.words.startswith(
        "a is an expert in t: 100% of 40 were approved (with 95% certainty at least 9"
    )


def test_single_agent_of_a_type_can_be_its_expert():
    assert list(patterns_of(outcome(times=40))) == ["expert:t:a"]


def test_where_all_are_good_none_stands_out():
    rows = [outcome(agent=name, times=49) for name in "abc"]
    rows += [outcome(agent=name, points=0) for name in "abc"]
    assert patterns_of(*rows) == {}


def test_right_three_times_in_four_is_no_expert():
    assert patterns_of(outcome(times=75), outcome(points=0, times=25)) == {}


def test_confidence_that_is_borne_out_is_a_pattern():
    rows = [
        outcome(confident=1, confidence_millis=900, times=60),
        outcome(points=0, confidence_millis=400, times=30),
        outcome(confidence_millis=400, times=10),
    ]
    found = patterns_of(*rows)
    assert list(found) == ["high_confidence:t"]
    assert found["high_confidence:t"].mean_confidence == 0.9
    assert found["high_confidence:t"].base_rate == 0.7


def test_confidence_that_promises_more_than_it_keeps_is_none():
    rows = [
        outcome(confident=1, confidence_millis=950, times=60),
        outcome(confident=1, points=0, confidence_millis=950, times=40),
        outcome(points=0, confidence_millis=400, times=100),
    ]
    assert patterns_of(*rows) == {}


def test_too_little_support_is_not_tried():
    assert patterns_of(outcome(times=9)) == {}
    loose = LearningConfig.model_validate({"patterns": {"min_support": 2, "expert_above": 0.2}})
    assert list(patterns_of(outcome(times=9), config=loose)) == ["expert:t:a"]


def test_types_are_judged_apart():
    other = [outcome(agent="c", kind="u", points=0, agreed=1, times=50)]
    assert list(patterns_of(*CONSENSUS, *other)) == ["consensus:t"]


def test_pattern_tells_when_it_was_first_and_last_confirmed():
    rows = [
        outcome(day=DAY, offset=3600, times=20),
        outcome(day=DAY + 2, offset=7200, times=20),
        outcome(day=DAY + 5, points=0),
    ]
    card = patterns_of(*rows)["expert:t:a"]
    assert card.first_confirmed == "2026-09-04T01:00:00.000000Z"
    assert card.last_confirmed == "2026-09-06T02:00:00.000000Z"


def test_many_agents_are_counted_and_twenty_are_named():
    rows = [outcome(agent=f"{number:02d}", agreed=1, times=4) for number in range(30)]
    card = patterns_of(*rows, outcome(agent="x", points=0, times=80))["consensus:t"]
    assert card.agents_total == 30
    assert card.agents == tuple(f"{number:02d}" for number in range(20))


@pytest.mark.parametrize(
    ("right", "wrong", "strength"),
    [(165, 35, "weak"), (180, 20, "moderate"), (200, 0, "strong")],
)
def test_strength_is_how_far_the_lower_bound_is_above_the_base(right, wrong, strength):
    rows = (
        [outcome(times=right), outcome(points=0, times=wrong)] if wrong else [outcome(times=right)]
    )
    assert patterns_of(*rows)["expert:t:a"].strength == strength


def test_noise_yields_few_patterns():
    """A hundred agents right as often as a coin and at the bar:

    hardly any may be called an expert.
    """
    chance, named = random.Random(5), 0
    for _ in range(20):
        rows = []
        for number in range(50):
            right = sum(chance.random() < 0.75 for _ in range(40))
            rows.append(outcome(agent=f"{number}", times=right))
            rows.append(outcome(agent=f"{number}", points=0, times=40 - right))
        named += len(patterns_of(*rows))
    assert named <= 6


def test_real_experts_are_found_among_many():
    chance, rows = random.Random(6), []
    for number in range(50):
        share = 0.97 if number < 5 else 0.6
        right = sum(chance.random() < share for _ in range(60))
        rows.append(outcome(agent=f"{number:02d}", times=right))
        rows.append(outcome(agent=f"{number:02d}", points=0, times=60 - right))
    assert set(patterns_of(*rows)) == {f"expert:t:{number:02d}" for number in range(5)}


def test_a_pattern_on_little_more_than_it_takes_is_new_and_says_so():
    [few] = patterns_of(outcome(times=15)).values()
    [many] = patterns_of(outcome(times=40)).values()
    assert (few.state, many.state) == ("new", "confirmed")
    assert few.words.endswith("It is new: little more was seen than it takes.")


def test_a_pattern_whose_rate_is_falling_is_weakening():
    rows = [outcome(day=DAY + day, offset=at, times=1) for day in range(30) for at in range(40)]
    rows += [outcome(day=DAY + day, offset=500, points=0, times=day // 5) for day in range(30)]
    [card] = patterns_of(*rows).values()
    assert card.state == "weakening"
    assert card.trend.high is not None
    assert card.trend.high < 0
    assert card.words.endswith("It is weakening: the rate is falling.")


def test_what_held_over_all_and_no_longer_counts_is_retired():
    rows = [outcome(times=400), outcome(day=DAY + 200, points=1, times=15)]
    state = state_of(outcomes=rows)
    holding = build_patterns(state, CONFIG)
    [retired] = retired_patterns(state, CONFIG, holding)
    assert holding == []
    assert (retired.key, retired.state) == ("expert:t:a", "retired")
    assert retired.words.endswith("It is retired: it no longer holds over what counts today.")


def test_what_holds_is_not_retired():
    state = state_of(outcomes=CONSENSUS)
    assert retired_patterns(state, CONFIG, build_patterns(state, CONFIG)) == []


def test_confidence_is_read_through_what_it_was_worth_in_other_types():
    boaster = [outcome(agent="b", kind="u", confidence_millis=950, points=0, times=60)]
    rows = [
        outcome(agent="a", confident=1, confidence_millis=900, times=60),
        outcome(agent="b", confident=1, confidence_millis=950, points=0, times=40),
        outcome(agent="c", confidence_millis=400, points=0, times=40),
    ]
    assert "high_confidence:t" not in patterns_of(*rows)
    found = patterns_of(*rows, *boaster)["high_confidence:t"]
    assert found.agents == ("a",)


def test_an_agents_own_type_does_not_teach_what_its_confidence_is_worth_there():
    rows = [outcome(confidence_millis=950, points=0, times=50), outcome(kind="u", times=5)]
    state = state_of(outcomes=rows)
    curves = elsewhere(state.outcomes, {})
    assert [one.stated for one in curves["a", "t"].bands] == [0.7]
    assert [one.stated for one in curves["a", "u"].bands] == [0.95]
    assert calibrations(state.outcomes, {})["a"].calibrated(0.95) < 0.25
