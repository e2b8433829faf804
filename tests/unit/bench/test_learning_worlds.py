"""Made-up worlds are the same for the same seed, and are what their kinds say."""

import statistics

import pytest

from bench.learning.worlds import KINDS, TESTED, Kind, compared, made


def test_a_world_is_that_of_its_seed():
    kind = Kind(models=3, patterns=4, prompts=50)
    assert made(kind, 7) == made(kind, 7)
    assert made(kind, 7) != made(kind, 8)


def test_outcomes_are_drawn_with_the_chances_that_are_told():
    one = made(Kind(models=4, prompts=10), 1)
    assert len(one.chances) == len(one.world.test) == TESTED
    for place in range(4):
        right = statistics.fmean(task.correct[place] for task in one.world.test)
        assert right == pytest.approx(statistics.fmean(row[place] for row in one.chances), abs=0.05)


def test_where_the_cheapest_has_a_niche_it_is_the_best_there_alone():
    one = made(Kind(prompts=10, niche=True), 3)
    prices = [price.cost_usd(100, 100) for price in one.world.prices]
    cheapest = prices.index(min(prices))
    for task, row in zip(one.world.test, one.chances, strict=True):
        assert (row[cheapest] == max(row)) == (task.pattern == "pattern-0")


def test_nothing_differs_where_that_is_said():
    assert all(len(set(row)) == 1 for row in made(KINDS["nothing differs"], 0).chances)


def test_full_information_is_played_beside_those_who_learn():
    kind = Kind(models=3, patterns=2, prompts=600, apart=1.5)
    found = compared(made(kind, 2), 2)
    assert found["full"][1] == 0
    assert found["ours"][0] == pytest.approx(found["full"][0], abs=0.05)
    assert all(found[who][1] > 0 for who in ("ours", "greedy", "thompson"))
