"""A policy is worth what its choices have shown; a fall counts when it is large and real."""

import random

import pytest

from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.evaluation import Evaluation, PolicyFigures, regression
from shared.domain.learning.routing import RoutingPolicy, build_policy
from tests.unit.domain.learning.evidence import DAY, quality_of, rating, state_of

CONFIG = LearningConfig()
ROWS = [
    rating("code", "a", times=300, cost_nanousd=9_000_000),
    rating("code", "b", times=300, cost_nanousd=1_000_000),
    rating("math", "a", times=150, cost_nanousd=9_000_000),
    rating("math", "b", quality=2, correct=0, times=50, cost_nanousd=1_000_000),
]
STATE = state_of(ratings=ROWS)
LEARNED = build_policy(STATE, CONFIG)


def default_policy(model):
    return RoutingPolicy(default_model=ModelId("p", model))


def test_figures_are_weighted_by_the_traffic():
    found = Evaluation(STATE).of(default_policy("b"))
    assert found.quality.mean == pytest.approx(0.75 * 5 + 0.25 * 2)
    assert found.correctness.mean == pytest.approx(0.75)
    assert found.cost_usd == pytest.approx(0.001)
    assert (found.coverage, found.cost_coverage) == (1, 1)
    assert (found.patterns, found.chosen) == (2, 0)


def test_learned_policy_is_better_than_either_model_alone():
    learned = Evaluation(STATE).of(LEARNED)
    dear, cheap = (
        Evaluation(STATE).of(default_policy("a")),
        Evaluation(STATE).of(default_policy("b")),
    )
    assert learned.quality.mean == dear.quality.mean > cheap.quality.mean
    assert learned.cost_usd == pytest.approx(0.75 * 0.001 + 0.25 * 0.009)
    assert learned.cost_usd < dear.cost_usd
    assert learned.chosen == 2


def test_without_a_policy_the_traffic_counts_as_it_was_routed():
    found = Evaluation(STATE).of(None)
    assert found.quality.mean == pytest.approx((750 * 5 + 50 * 2) / 800, abs=1e-6)
    assert found == Evaluation(STATE).of(RoutingPolicy())


def test_traffic_whose_model_was_never_rated_is_not_guessed():
    state = state_of(ratings=[rating("code", "a", times=30), rating("math", "b", times=10)])
    found = Evaluation(state).of(default_policy("a"))
    assert found.coverage == 0.75
    assert found.quality.mean == 5
    assert Evaluation(state).of(default_policy("z")).quality is None
    assert Evaluation(state).of(default_policy("z")).coverage == 0


def test_unknown_costs_are_left_out_and_said_so():
    state = state_of(
        ratings=[rating("code", "a", times=30), rating("math", "a", cost_nanousd=None, times=10)]
    )
    found = Evaluation(state).of(default_policy("a"))
    assert found.cost_usd == pytest.approx(0.001)
    assert (found.coverage, found.cost_coverage) == (1, 0.75)
    free = state_of(ratings=[rating(model="a", cost_nanousd=None)])
    unknown = Evaluation(free).of(default_policy("a"))
    assert unknown.cost_usd is None


def test_recent_traffic_weighs_more():
    state = state_of(
        ratings=[
            rating("code", "a", day=DAY - 35, times=10),
            rating("math", "a", quality=2, correct=0, times=10),
        ]
    )
    old = 2 ** (-35 / 30)
    mean = (5 * old + 2) / (old + 1)
    assert Evaluation(state).of(None).quality.mean == pytest.approx(mean, abs=1e-6)


def test_interval_holds_the_mean_and_narrows_with_evidence():
    def width(times):
        state = state_of(ratings=[rating(times=times), rating(quality=3, times=times)])
        found = Evaluation(state).of(None).quality
        assert found.low < found.mean < found.high
        return found.high - found.low

    assert width(100) < width(10) / 2


def test_intervals_stay_within_what_a_rating_can_say():
    best = Evaluation(state_of(ratings=[rating(times=2)])).of(None)
    assert (best.quality.high, best.correctness.high) == (5, 1)
    assert best.quality.low < 5
    worst = Evaluation(state_of(ratings=[rating(quality=1, correct=0, times=2)])).of(None)
    assert (worst.quality.low, worst.correctness.low) == (1, 0)
    assert worst.correctness.high > 0


def test_no_evidence_has_no_figures():
    assert Evaluation(state_of()).of(LEARNED) == PolicyFigures()


def test_figures_are_json():
    document = Evaluation(STATE).of(LEARNED).figures()
    assert document["quality"].keys() == {"mean", "low", "high"}
    assert document["coverage"] == 1


def drawn(mean_shift, n, seed):
    chance = random.Random(seed)
    shares = [0.1, 0.1, 0.2, 0.3, 0.3]
    if mean_shift:
        shares = [0.35, 0.25, 0.2, 0.1, 0.1]
    return quality_of(chance.choices([1, 2, 3, 4, 5], shares, k=n))


def test_large_and_real_fall_is_a_regression():
    found = regression(drawn(0, 200, 1), drawn(1, 200, 2), CONFIG)
    assert found.fell
    assert found.drop > 0.10
    assert found.p_value < 0.01
    assert "a real fall of more than 10%" in found.words


def test_large_fall_that_may_be_chance_is_none():
    before = quality_of([5, 5, 5, 5, 1] * 4)
    after = quality_of([5, 5, 4, 1, 1] * 4)
    found = regression(before, after, CONFIG)
    assert found.drop > 0.10
    assert not found.fell
    assert found.words.endswith("a large fall, but it may be chance.")


def test_real_but_small_fall_is_none():
    before, after = quality_of([5] * 400 + [4] * 100), quality_of([5] * 300 + [4] * 200)
    found = regression(before, after, CONFIG)
    assert found.p_value < 0.01
    assert not found.fell
    assert found.words.endswith("no fall of more than 10%.")


def test_rise_is_no_regression():
    found = regression(quality_of([2] * 50), quality_of([5] * 50), CONFIG)
    assert not found.fell
    assert found.drop < 0


@pytest.mark.parametrize(("n_before", "n_after"), [(0, 0), (19, 500), (500, 19), (500, 0)])
def test_too_few_ratings_are_said_to_be_that(n_before, n_after):
    found = regression(quality_of([5] * n_before), quality_of([1] * n_after), CONFIG)
    assert not found.fell
    assert found.words.startswith("Too few ratings to tell")
    assert (found.n_before, found.n_after) == (n_before, n_after)
    assert found.before == (5 if n_before else None)


def test_unchanged_quality_raises_few_alarms():
    alarms = sum(
        regression(drawn(0, 60, seed), drawn(0, 60, seed + 5000), CONFIG).fell
        for seed in range(600)
    )
    assert alarms <= 14
