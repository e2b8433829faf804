"""The bounds are the textbook's, and a regression on words finds what words tell."""

import math

import numpy as np
import pytest

from bench.learning.ceilings import least_regret, ridge, words
from shared.domain.learning.config import ModelId
from shared.domain.learning.simulation import Task, World
from shared.domain.models import Price


def world(rows):
    tasks = tuple(
        Task(pattern, prompt, 10, correct, (10, 10), (0.1, 0.2))
        for pattern, prompt, correct in rows
    )
    models = ModelId("p", "a"), ModelId("p", "b")
    return World(models, (Price(1, 1), Price(1, 1)), tasks, tasks)


def bound(one, best, requests):
    divergence = one * math.log(one / best) + (1 - one) * math.log((1 - one) / (1 - best))
    return math.log(requests) * (best - one) / divergence


def test_the_least_regret_is_that_of_two_coins():
    half, quarter = [(1, 1), (0, 1), (1, 1), (0, 0)], [(1, 0), (0, 1), (0, 0), (0, 0)]
    first = [("x", "", correct) for correct in half]
    assert least_regret(world(first)) == pytest.approx((bound(0.5, 0.75, 4),) * 2)
    both = [*first, *(("y", "", correct) for correct in quarter)]
    alone, by_pattern = least_regret(world(both))
    assert alone == pytest.approx(bound(3 / 8, 4 / 8, 8))
    assert by_pattern == pytest.approx(bound(0.5, 0.75, 4))


def test_models_that_are_never_or_always_right_are_told_apart_in_time():
    never = [("x", "", (0, 1)), ("x", "", (0, 0))]
    bound = math.log(2) * 0.5 / math.log(2)
    assert least_regret(world(never)) == pytest.approx((bound, bound))
    assert least_regret(world([("x", "", (0, 1)), ("x", "", (1, 1))])) == (0.0, 0.0)


def test_words_that_tell_are_found():
    prompts = ["the prime numbers", "the red apples"] * 50
    (rows,) = words(world([("x", prompt, (1, 0)) for prompt in prompts]).train)
    (weak, strong) = ridge(rows, np.array([0.2, -0.2] * 50), (1.0, 1e6))
    assert rows[:2] @ weak == pytest.approx([0.2, -0.2], abs=0.01)
    assert rows[:2] @ strong == pytest.approx([0, 0], abs=0.01)
