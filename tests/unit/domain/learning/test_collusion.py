"""Raters are told apart by one another, so that who made the expectation is found all the same."""

import random

import pytest

from shared.domain.learning.collusion import Profile, Seen, found_together
from shared.domain.learning.config import RaterConfig

CONFIG = RaterConfig()
MODELS = {"a/x": 0.7, "b/y": 0.6, "c/z": 0.5}

HABITS = (
    lambda right, _: right,
    lambda right, draw: right or draw.random() < 0.25,
    lambda right, draw: right and draw.random() >= 0.15,
    lambda right, draw: right ^ (draw.random() < 0.15),
)
"""Exact, generous, strict and noisy."""


def profile(name, says, *, count=60, new=False, expected=None, seed=0):
    """Returns a rater who says of each answer what `says(model, right, draw)` does."""
    draw, seen = random.Random(f"{seed}:{name}"), {}
    for _ in range(count):
        model = draw.choice(sorted(MODELS))
        said = says(model, draw.random() < MODELS[model], draw)
        old, level = seen.get(model, Seen()), (expected or MODELS)[model]
        seen[model] = Seen(
            old.judged + 1,
            old.value + (1000 if said else 125),
            old.expected + round(1000 * (0.125 + 0.875 * level)),
        )
    return Profile(name, new, seen)


def crowd(people=40, **more):
    """Returns proven raters of all habits in equal parts."""
    return [
        profile(f"ok{n}", lambda _, right, draw, n=n: HABITS[n % 4](right, draw), **more)
        for n in range(people)
    ]


def promote(model, _right, _draw):
    """Says that the promoted model is right, and all others wrong."""
    return model == "b/y"


POISONED = {"a/x": 0.55, "b/y": 0.72, "c/z": 0.4}
"""What is expected where every fifth rating has promoted b/y from the first day on."""


@pytest.mark.parametrize("expected", [MODELS, POISONED])
def test_who_promoted_a_model_from_the_first_day_is_found_though_the_expectation_is_theirs(
    expected,
):
    hostile = [profile(f"bad{n}", promote, count=40, expected=expected) for n in range(10)]
    [push] = found_together([*crowd(expected=expected), *hostile], CONFIG)
    assert (push.model, push.direction, push.new) == ("b/y", "up", False)
    assert set(push.raters) == {f"bad{n}" for n in range(10)}
    assert push.others is not None
    assert push.mean > push.others
    assert push.gain > 4


def test_who_runs_a_model_down_is_found():
    hostile = [
        profile(f"bad{n}", lambda model, right, _: right and model != "a/x") for n in range(8)
    ]
    [push] = found_together([*crowd(), *hostile], CONFIG)
    assert (push.model, push.direction) == ("a/x", "down")
    assert {f"bad{n}" for n in range(8)} == set(push.raters)


def test_honest_raters_of_all_habits_are_said_to_push_nothing():
    for seed in range(12):
        assert found_together(crowd(seed=seed), CONFIG) == []
        assert found_together(crowd(seed=seed, expected=POISONED), CONFIG) == []
        fresh = [
            profile(
                f"new{n}",
                lambda _, right, draw, n=n: HABITS[n % 4](right, draw),
                new=True,
                count=4,
                seed=seed,
            )
            for n in range(60)
        ]
        assert found_together([*crowd(seed=seed), *fresh], CONFIG) == []


def test_sybils_of_three_ratings_each_are_found_together():
    sybils = [profile(f"sybil{n}", promote, count=3, new=True) for n in range(60)]
    pushes = found_together([*crowd(), *sybils], CONFIG)
    assert pushes
    assert all(one.new for one in pushes)
    named = {name for one in pushes for name in one.raters}
    assert len(named) > 30
    assert all(name.startswith("sybil") for name in named)


def test_a_model_that_changed_for_all_is_no_push():
    changed = dict.fromkeys(MODELS, 0.95)
    fresh = [profile(f"new{n}", lambda _, right, __: right, new=True, count=5, expected=changed)
             for n in range(40)]  # fmt: skip
    assert found_together([*crowd(expected=changed), *fresh], CONFIG) == []


def test_without_enough_proven_raters_a_push_is_not_certain():
    elsewhere = [
        one._replace(seen={name: seen for name, seen in one.seen.items() if name != "b/y"})
        for one in crowd()
    ]
    fresh = [profile(f"new{n}", promote, count=8, new=True) for n in range(20)]
    pushes = [one for one in found_together([*elsewhere, *fresh], CONFIG) if one.model == "b/y"]
    assert pushes
    assert {one.others for one in pushes} == {None}


def test_few_hostile_raters_are_left_to_the_tests_of_single_ones():
    hostile = [profile(f"bad{n}", promote) for n in range(2)]
    assert found_together([*crowd(), *hostile], CONFIG) == []


def test_what_most_raters_say_is_never_named():
    fans = [profile(f"fan{n}", promote) for n in range(30)]
    named = {name for one in found_together([*crowd(10), *fans], CONFIG) for name in one.raters}
    assert not {one.id for one in fans} <= named


def test_those_who_rate_nothing_else_are_found_by_the_model_alone():
    def only(name, says, count):
        draw = random.Random(name)
        values = [1000 if says(draw.random() < 0.6, draw) else 125 for _ in range(count)]
        return Profile(name, False, {"b/y": Seen(count, sum(values), count * 650)})

    fair = [only(f"ok{n}", HABITS[n % 4], 60) for n in range(40)]
    fans = [only(f"fan{n}", lambda *_: True, 60) for n in range(8)]
    [push] = found_together([*fair, *fans], CONFIG)
    assert set(push.raters) == {f"fan{n}" for n in range(8)}


def test_nobody_is_found_among_nobody():
    assert found_together([], CONFIG) == []
    assert found_together([Profile("ada", False, {"a/x": Seen()})] * 3, CONFIG) == []
