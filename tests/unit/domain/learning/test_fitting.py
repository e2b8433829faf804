"""Fits are those of the additive model, told group by group."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.cells import Observed
from shared.domain.learning.config import BeliefConfig, ModelId
from shared.domain.learning.fitting import (
    PRIOR_STRENGTH,
    backfitted,
    estimated_strength,
    of_models,
    pooled_variance,
)

CONFIG = BeliefConfig()
MODELS = [ModelId("p", name) for name in "abc"]

groups = st.dictionaries(
    st.tuples(st.sampled_from(["code", "law", "math"]), st.sampled_from(MODELS)),
    st.builds(
        Observed,
        st.floats(0.5, 1e5),
        st.floats(0, 1),
        st.just(0.2),
        st.none() | st.floats(1, 1000),
    ),
    min_size=1,
)


def least_squares(rows, rounds):
    """Returns the models' worth and the patterns' effects as the formula says, one by one."""
    weight, prior = CONFIG.prior_weight, CONFIG.prior_value
    n = math.fsum(one.n for _, one in rows)
    grand = (math.fsum(one.n * one.value for _, one in rows) + weight * prior) / (n + weight)
    models = {model: grand for (_, model), _ in rows}
    effects = {pattern: 0.0 for (pattern, _), _ in rows}
    for _ in range(rounds):
        for model in models:
            own = [(pattern, one) for (pattern, name), one in rows if name == model]
            left = math.fsum(one.n * (one.value - effects[pattern]) for pattern, one in own)
            models[model] = (left + weight * grand) / (sum(one.n for _, one in own) + weight)
        for pattern in effects:
            own = [(name, one) for (where, name), one in rows if where == pattern]
            left = math.fsum(one.n * (one.value - models[name]) for name, one in own)
            effects[pattern] = left / (sum(one.n for _, one in own) + 20)
    return models, effects


@given(groups)
def test_models_and_patterns_are_worth_what_is_left_of_the_ratings_by_the_others(found):
    rows = [(key, found[key]) for key in sorted(found)]
    fit = backfitted(rows, CONFIG)
    models, effects = least_squares(rows, 6)
    assert fit.models == pytest.approx(models, abs=1e-9)
    assert fit.effects == pytest.approx(effects, abs=1e-9)


def test_a_models_answers_are_as_long_as_all_of_known_length_are():
    a, b = MODELS[:2]
    rows = [
        (("code", a), Observed(10, 0.5, 0.2, 100.0)),
        (("code", b), Observed(10, 0.5, 0.2, None)),
        (("law", a), Observed(30, 0.5, 0.2, 300.0)),
        (("math", a), Observed(5, 0.5, 0.2, None)),
    ]
    seen = of_models(rows)
    assert (seen[a].n, seen[a].output_tokens) == (45, 250.0)
    assert (seen[b].n, seen[b].output_tokens) == (10, None)


def strength_of(rows):
    return estimated_strength(rows, backfitted(rows, CONFIG), pooled_variance(rows))


def tried(swing, sizes, seed=1, patterns=14):
    """Returns rows of models whose standing in a pattern is off by a normal of deviation `swing`.

    `sizes` gives the ratings of a pattern's models, best one first.
    """
    chance, rows = random.Random(seed), []
    for number in range(patterns):
        worth = {f"m{n}": 0.5 + 0.02 * n + chance.gauss(0, swing) for n in range(len(sizes))}
        ease = chance.gauss(0, 0.1)
        for n, name in zip(sizes, sorted(worth, key=lambda one: -worth[one]), strict=True):
            share = min(0.95, max(0.05, worth[name] + ease))
            right = sum(chance.random() < share for _ in range(n)) / n
            spread = right * (1 - right) + 0.25 / n
            rows.append(((f"p{number:02}", ModelId("p", name)), Observed(n, right, spread, None)))
    return sorted(rows)


EVEN, TAKEN = [60] * 8, [380, 40, 10, 10, 10, 10, 10, 10]


@pytest.mark.parametrize("sizes", [EVEN, TAKEN])
def test_strength_is_how_much_the_standing_differs_by_pattern(sizes):
    for swing, low, high in ((0.2, 4, 13), (0.1, 12, 30), (0.01, 90, 2000)):
        found = sorted(strength_of(tried(swing, sizes, seed)) for seed in range(9))
        assert low < found[4] <= high


def test_few_ratings_hardly_move_the_strength_from_what_is_thought():
    assert strength_of(tried(0.2, [2, 1], patterns=3)) == pytest.approx(PRIOR_STRENGTH, rel=0.05)


@pytest.mark.parametrize(("patterns", "sizes"), [(1, [700, 90, 31]), (9, [170])])
def test_one_pattern_or_one_model_says_nothing_of_the_strength(patterns, sizes):
    assert strength_of(tried(0.2, sizes, patterns=patterns)) == PRIOR_STRENGTH
