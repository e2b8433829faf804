"""A decision is the policy's best allowed model but for the exploration budget, with exact odds."""

import random
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.decision import decide, fallback_order
from shared.domain.learning.routing import RoutingPolicy, build_policy
from shared.errors import InvalidInput
from tests.unit.domain.learning.evidence import rating, state_of

A, B, C, D = (ModelId("p", name) for name in "abcd")
ROWS = [
    rating(model="a", times=300, cost_nanousd=900),
    rating(model="b", times=300, cost_nanousd=100),
    rating(model="c", quality=1, correct=0, times=300, cost_nanousd=1),
]
POLICY = build_policy(state_of(ratings=ROWS), LearningConfig(default_model=D))

candidate_lists = st.lists(st.sampled_from([A, B, C, D]), min_size=1, max_size=6)
rates = st.floats(0, 1)


def greedy(pattern, candidates, policy=POLICY):
    return decide(policy, pattern, candidates, u=0.0, exploration_rate=0.0)


def picked(choice):
    return ModelId(choice.provider, choice.model)


def test_policys_choice_is_taken_with_its_reason_and_confidence():
    choice = greedy("code", [A, B, C, D])
    assert picked(choice) == B
    assert not choice.explored
    assert choice.propensity == 1.0
    assert choice.reason == POLICY.by_pattern["code"].why
    assert choice.confidence == POLICY.by_pattern["code"].ranking[0].confidence > 0.9


def test_next_proven_model_stands_in_where_the_choice_is_not_allowed():
    choice = greedy("code", [C, A])
    assert picked(choice) == A
    assert (
        choice.reason
        == "p/a comes next: p/b, which would be chosen, is not allowed for this request."
    )


def test_default_answers_where_nothing_is_proven():
    for pattern, candidates in (("poetry", [A, D]), ("code", [C, D])):
        choice = greedy(pattern, candidates)
        assert picked(choice) == D
        assert choice.confidence == 0.0
        assert "configured default" in choice.reason


def test_first_candidate_answers_where_not_even_the_default_is_allowed():
    assert picked(greedy("poetry", [C, A])) == C
    assert picked(greedy("poetry", [A, C], RoutingPolicy())) == A


def test_no_candidate_is_refused():
    with pytest.raises(InvalidInput, match="max_cost"):
        greedy("code", [])


@pytest.mark.no_cover
@given(candidate_lists, rates, st.sampled_from(["code", "poetry"]))
def test_propensities_sum_to_one_over_the_candidates(candidates, rate, pattern):
    found = {}
    for step in range(250):
        choice = decide(POLICY, pattern, candidates, u=step / 250, exploration_rate=rate)
        found[picked(choice)] = choice.propensity
    if len(found) == len(set(candidates)):
        assert sum(found.values()) == pytest.approx(1)
    assert all(0 < propensity <= 1 for propensity in found.values())


@given(candidate_lists, st.fractions(Fraction(1, 100), 1), st.floats(0, 1, exclude_max=True))
def test_any_random_number_decides_for_a_candidate(candidates, rate, u):
    choice = decide(POLICY, "code", candidates, u=u, exploration_rate=float(rate))
    best = picked(greedy("code", candidates))
    least = float(rate) * 0.016 / len(set(candidates))
    assert picked(choice) in candidates
    assert choice.explored == (picked(choice) != best)
    assert choice.propensity >= least + (0 if choice.explored else 1 - float(rate)) - 1e-9


@pytest.mark.no_cover
def test_propensities_are_the_frequencies():
    chance, rounds = random.Random(11), 10_000
    seen, odds = Counter(), {}
    for _ in range(rounds):
        choice = decide(POLICY, "code", [A, B, C, D], u=chance.random(), exploration_rate=0.2)
        seen[picked(choice)] += 1
        odds[picked(choice)] = choice.propensity
    assert sum(odds.values()) == pytest.approx(1)
    assert odds[B] > 0.8
    assert odds[C] < odds[A], "what is proven bad is hardly tried again"
    for model, propensity in odds.items():
        error = (propensity * (1 - propensity) / rounds) ** 0.5
        assert abs(seen[model] / rounds - propensity) < 4 * error


def test_repeated_candidates_get_no_more_tries():
    once = decide(POLICY, "code", [A, B], u=0.999, exploration_rate=0.1)
    assert decide(POLICY, "code", [A, A, A, B, B], u=0.999, exploration_rate=0.1) == once


def test_without_exploration_chance_has_no_say():
    choices = {
        picked(decide(POLICY, "code", [A, B], u=u, exploration_rate=0)) for u in (0, 0.999999)
    }
    assert choices == {B}


def test_exploring_says_so():
    choice = decide(POLICY, "code", [A, B], u=0.999, exploration_rate=1.0)
    assert choice.explored
    assert choice.reason == "By chance (50 in 100 such requests): p/a gets a try."


def test_fallback_starts_with_the_decision_and_goes_down_the_ranking():
    assert fallback_order(POLICY, "code", [C, D, A, B], B) == [B, A, D, C]
    assert fallback_order(POLICY, "code", [C, D, A, B], C) == [C, B, A, D]
    assert fallback_order(POLICY, "poetry", [C, A], A) == [A, C]


@given(candidate_lists, st.sampled_from(["code", "poetry"]))
def test_fallback_tries_each_candidate_once(candidates, pattern):
    first = picked(greedy(pattern, candidates))
    order = fallback_order(POLICY, pattern, candidates, first)
    assert order[0] == first
    assert sorted(order) == sorted(set(candidates))
