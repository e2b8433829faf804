"""The simulation plays the serving modules, and baselines behave as they are named."""

import random

import pytest

from shared.domain.learning.baselines import (
    Bandit,
    Uniform,
    best_by_pattern,
    best_single,
    cheapest,
    oracle,
)
from shared.domain.learning.config import LearningConfig, ModelId, TierRule
from shared.domain.learning.preference import NO_PREFERENCE, Preference
from shared.domain.learning.simulation import Task, Whetstone, World, frontier, measure, play
from shared.domain.learning.state import LearningState, fold
from shared.domain.models import Price

MODELS = tuple(ModelId("p", name) for name in ("cheap", "dear", "odd"))
PRICES = (Price(0.1, 0.1), Price(2.0, 2.0), Price(1.0, 1.0))
RIGHT = {"code": (0.3, 0.9, 0.5), "law": (0.6, 0.65, 0.9)}
BAR = TierRule(n=5, quality=1, correctness=0)
CONFIG = LearningConfig(
    high=BAR, medium=BAR, exploration_rate=1.0, default_model=MODELS[0], quality_margin=0.0
)
LAST = Preference(answer_worth_usd=10.0)


def tasks(count, seed):
    chance = random.Random(seed)
    made = []
    for number in range(count):
        pattern = ("code", "law")[number % 2]
        made.append(
            Task(
                pattern,
                f"prompt number {number}",
                100,
                tuple(int(chance.random() < share) for share in RIGHT[pattern]),
                (200, 200, 200),
                tuple(price.cost_usd(100, 200) for price in PRICES),
            )
        )
    return tuple(made)


WORLD = World(MODELS, PRICES, tasks(1200, 1), tasks(600, 2))


def played(learner, seed=0):
    order = random.Random(seed).sample(range(len(WORLD.train)), len(WORLD.train))
    return play(WORLD, learner, order, random.Random(seed + 1).random, every=100)


def test_it_learns_each_patterns_best_model_from_what_it_chose_alone():
    learner = Whetstone(WORLD, CONFIG, LAST)
    played(learner)
    assert learner.best(WORLD.test[0], LAST) == 1
    assert learner.best(WORLD.test[1], LAST) == 2
    assert sum(one.raw.n for one in learner.state.ratings.values()) == len(WORLD.train)


def test_the_same_seed_gives_the_same_game():
    assert played(Whetstone(WORLD, CONFIG)) == played(Whetstone(WORLD, CONFIG))


def test_its_regret_is_below_that_of_trying_everyone_and_flattens():
    ours, uniform = played(Whetstone(WORLD, CONFIG, LAST)), played(Uniform(WORLD))
    assert ours.regret[-1] < 0.6 * uniform.regret[-1]
    half = len(ours.regret) // 2
    assert ours.regret[-1] - ours.regret[half] < 0.6 * ours.regret[half]


def test_state_is_the_fold_of_what_was_noted():
    learner = Whetstone(WORLD, CONFIG)
    order = list(range(300))
    play(WORLD, learner, order, random.Random(3).random, every=70)
    again = Whetstone(WORLD, CONFIG)
    play(WORLD, again, order, random.Random(3).random, every=70)
    assert fold(LearningState.empty(CONFIG)).ratings == {}
    assert learner.state == again.state
    assert learner.policy == again.policy


def test_what_an_answer_is_worth_moves_cost_and_correctness_without_training():
    learner = Whetstone(WORLD, CONFIG, LAST)
    played(learner)
    poor, rich = frontier(WORLD.test, learner, [0.00001, 10.0])
    assert poor.cost_usd < rich.cost_usd
    assert poor.correct < rich.correct


def test_baselines_are_ordered_as_their_knowledge():
    regret = {
        name: played(learner).regret[-1]
        for name, learner in (
            ("cheapest", cheapest(WORLD)),
            ("single", best_single(WORLD)),
            ("pattern", best_by_pattern(WORLD)),
        )
    }
    assert regret["pattern"] == 0
    assert 0 < regret["single"] < regret["cheapest"]
    best, knowing = (measure(WORLD.test, one) for one in (best_by_pattern(WORLD), oracle(WORLD)))
    assert knowing.correct > best.correct
    assert knowing.cost_usd < best.cost_usd


def test_patterns_that_were_never_seen_go_to_the_best_of_all():
    unseen = WORLD.test[0]._replace(pattern="unseen")
    assert best_by_pattern(WORLD).best(unseen, LAST) == best_single(WORLD).best(unseen, LAST) == 1


@pytest.mark.parametrize("rate", [0.1, None])
def test_bandits_find_the_best_models_too(rate):
    learner = Bandit(WORLD, rate)
    played(learner)
    assert learner.best(WORLD.test[0], NO_PREFERENCE) == 1


def test_greedy_propensities_are_those_of_epsilon_greedy():
    learner, task = Bandit(WORLD, 0.3), WORLD.train[0]
    chance = random.Random(2)
    found = dict(learner.choose(task, chance.random) for _ in range(200))
    assert sum(found.values()) == pytest.approx(1)
