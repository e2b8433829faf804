"""Trust is earned slowly, lost by being wrong, and moves only with evidence."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.config import LearningConfig
from shared.domain.learning.state import fold
from shared.domain.learning.trust import ALL_TYPES, WEIGHTS, build_cards, neutral
from tests.unit.domain.learning.evidence import DAY, outcome, state_of

CONFIG = LearningConfig()
SCORES = ("accuracy", "consistency", "timeliness", "reliability", "overall")


def cards_of(*rows, config=CONFIG):
    found = build_cards(state_of(outcomes=rows, config=config), config)
    return {(one.agent_id, one.recommendation_type): one for one in found}


def card_of(*rows):
    return cards_of(*rows)["a", "t"]


outcomes = st.builds(
    outcome,
    points=st.integers(0, 2),
    completed=st.integers(0, 1),
    day=st.integers(DAY - 300, DAY),
    quality=st.integers(0, 1000),
    timely=st.integers(0, 1),
    agreed=st.integers(0, 1),
    confident=st.integers(0, 1),
    times=st.integers(1, 60),
)


def test_unknown_agent_is_neutral():
    card = neutral("x", "t")
    assert [getattr(card, name) for name in SCORES] == [0.5] * 5
    assert (card.boost, card.priority, card.disabled) == (0.0, "NORMAL", False)
    assert (card.approval_low, card.approval_high) == (0, 1)
    assert card.trend.direction == "stable"


@given(st.lists(outcomes, min_size=1, max_size=6))
def test_scores_and_boost_stay_within_their_ranges(rows):
    for card in cards_of(*rows).values():
        assert all(0 < getattr(card, name) < 1 for name in SCORES)
        assert -0.5 <= card.boost <= 0.5
        if card.approval_rate is not None:
            assert card.approval_low <= card.approval_rate <= card.approval_high


def test_partial_approval_counts_half():
    card = card_of(
        outcome(points=2, times=10), outcome(points=1, times=10), outcome(points=0, times=20)
    )
    assert card.approval_rate == 0.375
    assert card.n == 40


def test_little_evidence_says_little():
    boosts = [card_of(outcome(times=n)).boost for n in (1, 3, 10, 100)]
    assert boosts == sorted(boosts)
    assert boosts[0] < 0.1
    assert boosts[3] > 0.45


@pytest.mark.parametrize(
    ("points", "times", "priority"),
    [(2, 2, "NORMAL"), (2, 20, "CRITICAL"), (0, 2, "NORMAL"), (0, 20, "LOW"), (1, 50, "NORMAL")],
)
def test_priority_follows_the_boost(points, times, priority):
    assert card_of(outcome(points=points, times=times)).priority == priority


def test_agent_that_is_wrong_often_enough_is_disabled_however_prompt_it_is():
    card = card_of(outcome(points=0, times=20))
    assert card.timeliness > 0.8
    assert card.overall < 0.3
    assert card.disabled


def test_agent_is_not_disabled_on_little_evidence():
    config = LearningConfig.model_validate({"trust": {"prior_strength": 0.1}})
    few = cards_of(outcome(points=0, times=9), config=config)["a", "t"]
    assert few.overall < 0.3
    assert not few.disabled
    assert cards_of(outcome(points=0, times=10), config=config)["a", "t"].disabled


def test_disabled_agent_comes_back_by_being_right():
    state = state_of(outcomes=[outcome(points=0, day=DAY - 60, times=20)])
    assert build_cards(state, CONFIG)[0].disabled
    assert not build_cards(fold(state, outcomes=[outcome(times=20)]), CONFIG)[0].disabled


def test_disabled_agent_does_not_come_back_by_failing_again():
    """One more outcome makes the old ones count as nine: there still are more than ten of them."""
    state = fold(
        state_of(outcomes=[outcome(points=0, day=DAY - 60, times=12)]),
        outcomes=[outcome(points=0)],
    )
    card = build_cards(state, CONFIG)[0]
    assert card.n_effective < 10 < card.n
    assert card.disabled


def test_no_number_of_failures_makes_a_side_nothing():
    card = card_of(outcome(points=0, timely=0, times=10_000_000))
    assert card.accuracy == card.timeliness == 1e-6
    assert 0 < card.overall < 0.001


def test_a_disabled_agents_score_is_seen_to_be_below_the_bar():
    card = card_of(outcome(points=0, times=21), outcome(times=6))
    config = LearningConfig.model_validate({"trust": {"disable_below": card.overall + 0.0004}})
    bar = config.trust.disable_below
    found = cards_of(outcome(points=0, times=21), outcome(times=6), config=config)["a", "t"]
    told = float(found.why.split()[1])
    assert found.disabled
    assert round(told, 2) == round(bar, 2)
    assert told < bar


def test_consistency_falls_with_the_spread_of_quality():
    even = card_of(outcome(quality=600, times=40))
    uneven = card_of(outcome(quality=100, times=20), outcome(quality=900, times=20))
    assert even.consistency == pytest.approx((40 + 2.5) / 45, abs=1e-6)
    assert uneven.consistency == pytest.approx((0.2 * 40 + 2.5) / 45, abs=1e-6)
    assert even.mean_quality == 60
    assert uneven.mean_quality == 50


def test_timeliness_is_the_share_of_timely_ones():
    card = card_of(outcome(timely=1, times=30), outcome(timely=0, times=10))
    assert card.timeliness == pytest.approx((30 + 2.5) / 45, abs=1e-6)


def test_reliability_counts_what_was_left_out():
    card = card_of(outcome(times=30), outcome(completed=0, times=10))
    assert card.reliability == pytest.approx((30 + 2.5) / 45, abs=1e-6)
    assert (card.attempted, card.n) == (40, 30)


def test_agent_that_never_completes_loses_reliability_only():
    card = card_of(outcome(completed=0, times=30))
    assert card.reliability < 0.1
    assert card.approval_rate is None
    assert card.accuracy == 0.5
    assert card.overall < 0.5
    assert not card.disabled


def test_overall_of_equal_sides_is_that_side():
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    assert neutral("x").overall == 0.5


def test_every_agent_has_an_overall_card_and_one_per_type():
    cards = cards_of(
        outcome(kind="t", times=3),
        outcome(kind="u", points=0, agreed=1, times=5),
        outcome(agent="b", confident=1),
    )
    assert list(cards) == [("a", ALL_TYPES), ("a", "t"), ("a", "u"), ("b", ALL_TYPES), ("b", "t")]
    assert cards["a", ALL_TYPES].n == 8
    assert cards["a", ALL_TYPES].approval_rate == 3 / 8


def test_other_agents_do_not_matter():
    alone, beside = (
        cards_of(outcome(times=7)),
        cards_of(outcome(times=7), outcome(agent="b", points=0)),
    )
    assert beside["a", "t"] == alone["a", "t"]


@given(st.lists(outcomes, min_size=1, max_size=5), st.integers(1, 2000))
def test_time_alone_changes_no_trust(rows, elapsed):
    moved = [replace(row, day=row.day + elapsed) for row in rows]
    now, then = card_of(*rows), card_of(*moved)
    for name in (*SCORES, "boost", "n_effective"):
        assert getattr(now, name) == pytest.approx(getattr(then, name), abs=3e-6)


def history(shares, *, seed):
    """One outcome every half day, approved with the probability that `shares` has for its place."""
    chance, rows = random.Random(seed), []
    for place, share in enumerate(shares):
        points = 2 * (chance.random() < share)
        rows.append(outcome(points=points, day=DAY + place // 2, offset=40_000 * (place % 2)))
    return rows


def test_trend_is_seen_where_there_is_one():
    rising = [0.1 + 0.8 * place / 79 for place in range(80)]
    up, down = (
        card_of(*history(rising, seed=1)).trend,
        card_of(*history(rising[::-1], seed=1)).trend,
    )
    assert up.direction == "improving"
    assert down.direction == "declining"
    assert 0 < up.low < up.per_30_days < up.high
    assert up.per_30_days == pytest.approx(0.6, abs=0.3)
    assert up.p_value < 0.05


def test_level_agents_are_called_stable_nearly_always():
    moving = sum(
        card_of(*history([0.7] * 60, seed=seed)).trend.direction != "stable" for seed in range(200)
    )
    assert moving <= 22


def test_few_outcomes_have_no_trend():
    trend = card_of(*history([0, 0, 0, 0, 1, 1, 1, 1, 1], seed=1)).trend
    assert trend.direction == "stable"
    assert trend.per_30_days is None


def test_what_came_in_a_batch_has_no_trend_however_it_was_ordered():
    """Within minutes a rise would be one of millions in a month."""
    rows = [outcome(points=2 * (place > 20), offset=place) for place in range(40)]
    batch = card_of(*rows).trend
    assert (batch.direction, batch.per_30_days) == ("stable", None)
    over_days = card_of(*[replace(row, day=DAY + place) for place, row in enumerate(rows)]).trend
    assert over_days.direction == "improving"


def test_who_fails_where_others_fail_too_loses_less_trust():
    alone = state_of(outcomes=[outcome(times=20), outcome(points=0, times=10)])
    hard = state_of(outcomes=[outcome(times=20), outcome(points=0, times=10, ease=-600)])
    plain, eased = (build_cards(one, LearningConfig())[0] for one in (alone, hard))
    assert plain.approval_rate == eased.approval_rate
    assert eased.accuracy > plain.accuracy + 0.1
    assert eased.ease == -0.2
    assert "in workflows that were harder than usual by 20%" in eased.why
    assert "workflows" not in plain.why


def test_who_succeeds_where_everyone_does_earns_less():
    easy = state_of(outcomes=[outcome(times=20, ease=300)])
    plain = state_of(outcomes=[outcome(times=20)])
    accuracies = [build_cards(one, LearningConfig())[0].accuracy for one in (easy, plain)]
    assert accuracies[0] < accuracies[1]


def test_every_card_says_in_a_sentence_what_its_score_rests_on():
    state = state_of(
        outcomes=[outcome(agent="a", times=3), outcome(agent="b", points=0, quality=0, times=30)]
    )
    cards = {one.agent_id: one for one in build_cards(state, LearningConfig())}
    assert cards["a"].why.endswith("that is still little, so the score stays near neutral.")
    assert cards["b"].why.startswith("Trusted 0.")
    assert cards["b"].why.endswith("below 0.3, so it is disabled.")
    assert neutral("c").why.startswith("Neutral")


def test_the_overall_card_has_the_agents_calibration():
    state = state_of(
        outcomes=[
            outcome(confidence_millis=950, points=0, times=30),
            outcome(confidence_millis=950, times=30),
        ]
    )
    overall, of_type = build_cards(state, LearningConfig())
    assert overall.calibration.error == pytest.approx(0.45)
    assert overall.calibration.calibrated(0.95) < 0.6
    assert of_type.calibration.bands == ()
