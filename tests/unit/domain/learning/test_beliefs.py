"""Beliefs lean on the level above, and go over to their own ratings as those come."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.beliefs import Beliefs, Seen, build_beliefs
from shared.domain.learning.cells import Observed
from shared.domain.learning.config import BeliefConfig, LearningConfig, ModelId
from shared.domain.learning.routing import build_policy
from tests.unit.domain.learning.evidence import rating, state_of

CONFIG = BeliefConfig()
A, B, C = (ModelId("p", name) for name in "abc")


def seen(n, value, tokens=None):
    return Observed(n, value, 0.2, tokens)


class Learned:
    """Beliefs after these ratings, asked for as a routing table asks for them."""

    def __init__(self, groups, cells=(), config=CONFIG):
        self._groups = groups
        self.beliefs = build_beliefs(groups, dict(cells), config)

    def of(self, pattern, cell, model):
        one = self._groups.get((pattern, model))
        own = one and Seen(one.n, one.value, one.output_tokens)
        return self.beliefs.moved(self.beliefs.of(pattern, model, own), cell, model)


groups = st.dictionaries(
    st.tuples(st.sampled_from(["code", "math", "law"]), st.sampled_from([A, B, C])),
    st.builds(seen, st.floats(0.5, 1e5), st.floats(0, 1), st.none() | st.floats(1, 1000)),
    min_size=1,
)


def test_without_ratings_the_prior_is_believed_of_every_model():
    beliefs = Learned({})
    assert beliefs.beliefs == Beliefs()
    assert beliefs.of("code", "", A) == beliefs.of("math", "3", B)
    assert beliefs.of("code", "", A).value == 0.5


@given(groups)
def test_values_stay_between_0_and_1_and_spreads_shrink_below_the_priors(given_groups):
    learned = Learned(given_groups)
    between = math.sqrt(learned.beliefs.variance / learned.beliefs.strength)
    for pattern, model in given_groups:
        one = learned.of(pattern, "", model)
        assert 0 <= one.value <= 1
        assert 0 < one.spread <= math.hypot(learned.beliefs.spread, between) + 1e-6


@given(groups)
def test_the_order_of_the_evidence_leaves_no_trace(given_groups):
    turned = dict(reversed(list(given_groups.items())))
    assert build_beliefs(turned, {}, CONFIG) == build_beliefs(given_groups, {}, CONFIG)


def test_much_evidence_is_believed_as_it_is():
    beliefs = Learned({("code", A): seen(1e7, 0.83), ("code", B): seen(50, 0.2)})
    assert beliefs.of("code", "", A).value == pytest.approx(0.83, abs=0.001)
    assert beliefs.of("code", "", A).spread < 0.001


def test_little_evidence_hardly_moves_a_model_from_its_standing_elsewhere():
    known = {("code", A): seen(2000, 0.9), ("code", B): seen(2000, 0.4)}
    known[("math", B)] = seen(2000, 0.4)
    lucky = Learned({**known, ("math", A): seen(3, 0.0)})
    assert lucky.of("math", "", A).value > 0.8
    proven = Learned({**known, ("math", A): seen(3000, 0.1)})
    assert proven.of("math", "", A).value < 0.2


def test_a_hard_pattern_is_hard_for_a_model_that_was_not_tried_there():
    known = {(pattern, A): seen(500, 0.9) for pattern in ("code", "data")}
    known |= {(pattern, B): seen(500, 0.8) for pattern in ("code", "data")}
    beliefs = Learned({**known, ("law", A): seen(500, 0.4)})
    assert beliefs.of("law", "", B).value < beliefs.of("code", "", B).value - 0.2
    assert beliefs.of("law", "", B).spread > beliefs.of("code", "", B).spread


def two_patterns(n, words, figures):
    """Returns the ratings of A by pattern, and by pattern and neighbourhood."""
    cells = {
        (pattern, cell, A): seen(n, value)
        for pattern in ("code", "math")
        for cell, value in (("words", words), ("figures", figures))
    }
    return {(pattern, A): seen(2 * n, (words + figures) / 2) for pattern in ("code", "math")}, cells


def test_a_neighbourhood_starts_from_its_pattern_and_needs_evidence_of_its_own():
    few = Learned(*two_patterns(1, 1.0, 0.0))
    many = Learned(*two_patterns(5000, 0.9, 0.3))
    whole = few.of("code", "", A).value
    assert few.of("code", "words", A).value == pytest.approx(whole, abs=0.05)
    assert many.of("code", "words", A).value == pytest.approx(0.9, abs=0.01)
    assert many.of("code", "figures", A).value == pytest.approx(0.3, abs=0.01)
    assert many.of("code", "mixed", A) == many.of("code", "", A)


def test_what_a_neighbourhood_does_is_learned_over_all_patterns():
    beliefs = Learned(*two_patterns(5000, 0.9, 0.3))
    assert beliefs.of("law", "words", A).value > beliefs.of("law", "", A).value + 0.2


def test_a_model_that_was_not_tried_in_a_neighbourhood_is_moved_as_all_are():
    groups, cells = two_patterns(5000, 0.9, 0.3)
    groups["code", B] = seen(5000, 0.5)
    beliefs = Learned(groups, cells)
    assert beliefs.of("code", "figures", B).value < beliefs.of("code", "", B).value - 0.2


def test_answers_of_a_neighbourhood_are_as_long_as_they_were_against_the_patterns():
    groups = {("code", A): seen(2000, 0.5, 200.0)}
    cells = {("code", "words", A): seen(1000, 0.5, 100.0)}
    cells["code", "figures", A] = seen(1000, 0.5, 300.0)
    beliefs = Learned(groups, cells)
    assert beliefs.of("code", "words", A).output_tokens == pytest.approx(105, abs=1)
    assert beliefs.of("code", "figures", A).output_tokens == pytest.approx(295, abs=1)
    assert beliefs.of("code", "", A).output_tokens == pytest.approx(200, abs=1)


def test_strength_is_estimated_from_how_much_patterns_differ():
    alike = {(f"p{n}", model): seen(400, 0.6) for n in range(8) for model in (A, B, C)}
    apart = {
        (f"p{n}", model): seen(400, 0.2 + 0.6 * ((n * 7 + place * 5) % 4) / 3)
        for n in range(8)
        for place, model in enumerate((A, B, C))
    }
    assert build_beliefs(alike, {}, CONFIG).strength == 2000
    assert build_beliefs(apart, {}, CONFIG).strength < 20
    assert build_beliefs({("code", A): seen(5, 1.0)}, {}, CONFIG).strength == 100
    assert build_beliefs(apart, {}, BeliefConfig(strength=70)).strength == 70


def test_where_patterns_differ_much_a_model_that_is_new_to_one_is_left_more_open():
    def spread(swing):
        """How unsure B is in the last pattern, after as many ratings either way."""
        groups = {
            (f"p{n}", model): seen(200, 0.6 + swing * (-1) ** (n // 2 + n * place))
            for n in range(8)
            for place, model in enumerate((A, B))
        }
        groups["p7", B] = seen(2, 0.6)
        return Learned(groups).of("p7", "", B).spread

    assert spread(0.3) > 2 * spread(0.02)


def test_answers_of_a_new_pattern_are_thought_as_long_as_the_models_elsewhere():
    beliefs = Learned({("code", A): seen(100, 0.5, 300.0), ("math", A): seen(1, 0.5, 900.0)})
    assert beliefs.of("law", "", A).output_tokens == pytest.approx(306, abs=1)
    assert beliefs.of("code", "", A).output_tokens == pytest.approx(300, abs=1)
    assert 306 < beliefs.of("math", "", A).output_tokens < 450
    assert beliefs.of("code", "", B).output_tokens is None


def test_policy_carries_beliefs_of_patterns_and_neighbourhoods():
    rows = [
        rating(model="a", times=40, cell="words"),
        rating(model="a", times=40, correct=0, quality=1),
    ]
    policy = build_policy(state_of(ratings=rows), LearningConfig())
    assert [one.cell for one in policy.beliefs.cells] == ["words"]
    whole, cell = (policy.belief("code", where, A).value for where in ("", "words"))
    assert cell > whole
    assert policy.by_pattern["code"].ranking[0].n == 80


def test_a_neighbourhood_whose_pattern_comes_to_nothing_is_passed_over():
    rows = [rating(model="a", cell="1"), rating(model="a", cell="2", sign=-1)]
    assert build_policy(state_of(ratings=rows), LearningConfig()).beliefs == Beliefs()


def test_spread_of_the_prior_is_that_of_its_weight():
    config = BeliefConfig(prior_weight=25)
    assert build_beliefs({}, {}, config).spread == pytest.approx(math.sqrt(0.25 / 25))
