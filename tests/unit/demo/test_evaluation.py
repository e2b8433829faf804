"""The demo's own measurements, held against figures that can be worked out by hand."""

import random

import pytest

from demo.dataset import Prompt
from demo.evaluation import (
    Elimination,
    best_by_category,
    oracle,
    paired_bootstrap,
    rank_correlation,
    score,
    share,
    stratified,
    wilson,
)


def prompt(name="1", category="math", correct=(True, False), cost_usd=(0.002, 0.001)):
    return Prompt(name, category, "What is 1 + 1?", correct, (10, 10), cost_usd)


def test_score_takes_the_outcome_and_cost_of_the_chosen_model_only():
    prompts = [prompt(), prompt("2", correct=(False, True))]
    scores = score(prompts, [0, 0])
    assert scores.correct == (True, False)
    assert scores.accuracy == 0.5
    assert scores.usd_per_1000 == pytest.approx(2.0)


def test_score_needs_a_choice_for_every_prompt():
    with pytest.raises(ValueError, match="shorter"):
        score([prompt(), prompt("2")], [0])


def test_bootstrap_of_equal_figures_is_exactly_nothing():
    found = paired_bootstrap([1, 0, 1], [1, 0, 1], random.Random(1))
    assert (found.mean, found.low, found.high) == (0, 0, 0)


def test_bootstrap_of_a_constant_gain_has_no_spread():
    found = paired_bootstrap([0.0] * 50, [0.25] * 50, random.Random(1))
    assert (found.mean, found.low, found.high) == (0.25, 0.25, 0.25)


def test_bootstrap_interval_is_as_wide_as_the_normal_one():
    before, after = [0] * 400, [1] * 200 + [-1] * 200
    found = paired_bootstrap(before, after, random.Random(1))
    assert found.mean == 0
    assert found.high == pytest.approx(1.96 / 20, abs=0.015)
    assert found.low == pytest.approx(-1.96 / 20, abs=0.015)


def test_bootstrap_is_the_same_for_the_same_seed():
    values = [0, 1, 1, 0, 1], [1, 1, 0, 0, 1]
    one, other = (paired_bootstrap(*values, random.Random(7)) for _ in range(2))
    assert one == other


def test_bootstrap_refuses_what_is_not_paired():
    with pytest.raises(ValueError, match="shorter"):
        paired_bootstrap([1, 0], [1], random.Random(1))
    with pytest.raises(ValueError, match="nothing to compare"):
        paired_bootstrap([], [], random.Random(1))


def test_best_by_category_counts_right_answers_in_each():
    prompts = [
        prompt("1", "math", (True, False)),
        prompt("2", "law", (False, True)),
        prompt("3", "law", (True, True)),
    ]
    assert best_by_category(prompts) == {"math": 0, "law": 1}


@pytest.mark.parametrize(
    ("correct", "expected"),
    [((True, True), 1), ((True, False), 0), ((False, False), 1)],
    ids=["cheapest of the right", "the only right", "cheapest of the wrong"],
)
def test_oracle_is_the_cheapest_that_is_right(correct, expected):
    assert oracle(prompt(correct=correct)) == expected


def test_wilson_holds_the_share_and_says_nothing_without_evidence():
    assert wilson(0, 0) == (0, 1)
    low, high = wilson(8, 10, z=1.96)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)


def test_wilson_stays_within_0_and_1_at_the_ends():
    assert wilson(0, 5)[0] == pytest.approx(0, abs=1e-12)
    assert wilson(5, 5)[1] == pytest.approx(1, abs=1e-12)


def test_elimination_never_asks_a_model_the_same_prompt_twice():
    asking = Elimination(3, random.Random(1))
    drawn = [asking.draw(prompt()) for _ in range(4)]
    assert sorted(drawn[:3]) == [0, 1, 2]
    assert drawn[3] is None


def test_elimination_gives_up_only_what_is_clearly_behind_and_only_there():
    asking = Elimination(3, random.Random(1))
    for category in ("math", "law"):
        asking.draw(prompt(category, category))
    for number in range(40):
        asking.note("math", 0, correct=True)
        asking.note("math", 1, correct=number % 20 > 0)
        asking.note("math", 2, correct=number % 2 == 0)
    asking.give_up()
    assert asking.left["math"] == [0, 1]
    assert asking.left["law"] == [0, 1, 2]


def test_elimination_always_leaves_a_model():
    asking = Elimination(2, random.Random(1))
    asking.draw(prompt())
    for _ in range(100):
        asking.note("math", 0, correct=False)
        asking.note("math", 1, correct=False)
    asking.give_up()
    assert asking.left["math"] == [0, 1]


def test_elimination_draws_each_model_about_as_often():
    asking = Elimination(4, random.Random(1))
    drawn = [asking.draw(prompt(str(number))) for number in range(4000)]
    assert all(drawn.count(place) == pytest.approx(1000, abs=100) for place in range(4))


@pytest.mark.parametrize(
    ("xs", "ys", "rho"),
    [
        ([1, 2, 3], [10, 20, 400], 1),
        ([1, 2, 3], [3, 2, 1], -1),
        ([1, 1, 1], [1, 2, 3], 0),
        ([1, 2, 2, 4], [1, 3, 3, 9], 1),
    ],
    ids=["same order", "opposite", "no variation", "ties"],
)
def test_rank_correlation_reads_order_and_not_size(xs, ys, rho):
    assert rank_correlation(xs, ys) == pytest.approx(rho)


def test_share_of_nothing_is_zero():
    assert share([]) == 0
    assert share([True, False, True, True]) == 0.75


def test_stratified_takes_every_nth_of_each_group():
    prompts = [prompt(str(number), "math" if number < 5 else "law") for number in range(8)]
    chosen = stratified(prompts, 2, lambda one: one.category)
    assert [one.prompt_id for one in chosen] == ["0", "2", "4", "5", "7"]
