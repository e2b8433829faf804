"""The policy changes only on proof, and then to the cheapest model whose value holds up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.decay import days_a_step
from shared.domain.learning.routing import RoutingPolicy, build_policy
from shared.domain.learning.state import fold
from tests.unit.domain.learning.evidence import DAY, rating, state_of

CONFIG = LearningConfig()
DEFAULT = ModelId("p", "default")


def policy_of(*rows, config=CONFIG):
    return build_policy(state_of(ratings=rows, config=config), config)


def only_row(*rows, config=CONFIG):
    return policy_of(*rows, config=config).by_pattern["code"]


def figures(row, model):
    return next(one for one in row.ranking if one.model == model)


def test_no_evidence_gives_no_rows():
    assert policy_of() == RoutingPolicy()


def test_ten_solid_ratings_are_high():
    assert figures(only_row(rating(times=10)), "m").tier == "HIGH"


@pytest.mark.parametrize(
    ("rows", "tier"),
    [
        ([rating(times=9)], "MEDIUM"),
        ([rating(times=5)], "MEDIUM"),
        ([rating(times=4)], "LOW"),
        ([rating(quality=4, times=10)], "MEDIUM"),
        ([rating(quality=3, times=50)], "LOW"),
        ([rating(times=45), rating(correct=0, times=5)], "HIGH"),
        ([rating(times=40), rating(correct=0, times=10)], "MEDIUM"),
        ([rating(times=30), rating(correct=0, times=20)], "LOW"),
        ([rating(quality=1, correct=0, times=50)], "LOW"),
    ],
)
def test_tiers_are_judged_by_lower_bounds(rows, tier):
    assert figures(only_row(*rows), "m").tier == tier


@given(
    st.lists(
        st.builds(
            rating,
            model=st.sampled_from("abc"),
            quality=st.integers(1, 5),
            correct=st.integers(0, 1),
            day=st.integers(DAY - 60, DAY),
        ),
        max_size=4,
    )
)
def test_below_the_thresholds_nothing_changes(rows):
    config = LearningConfig(default_model=DEFAULT)
    policy = policy_of(*rows, config=config)
    assert policy.choice("code") == DEFAULT
    assert all(row.choice is None for row in policy.rows)
    assert all(one.tier == "LOW" for row in policy.rows for one in row.ranking)


def test_low_row_says_what_it_misses():
    assert figures(only_row(rating(times=4)), "m").why == "LOW: 4.0 effective ratings of 5"
    assert "quality proves" in figures(only_row(rating(quality=2, times=20)), "m").why
    assert "correctness proves" in figures(only_row(rating(correct=0, times=20)), "m").why
    assert (
        only_row(rating()).why == "No model has proved itself in code yet, so the default answers."
    )


def test_cheapest_that_holds_up_is_chosen():
    row = only_row(
        rating(model="dear", cost_nanousd=9_000_000, times=300),
        rating(model="cheap", cost_nanousd=1_000_000, times=300),
        rating(model="middle", cost_nanousd=5_000_000, times=300),
    )
    assert [one.model for one in row.ranking] == ["cheap", "middle", "dear"]
    assert row.choice == ModelId("p", "cheap")
    assert row.why == (
        "p/cheap has shown the most in code: right in at least 99 of 100 answers, rated 4.9 of 5 "
        "or more (300 ratings, each with 80 % certainty); none that is nearly as good costs less."
    )


def test_what_a_cheaper_model_is_weighed_against_is_told_in_figures():
    row = only_row(
        rating(model="dear", cost_nanousd=9_000_000, times=300),
        rating(model="cheap", cost_nanousd=1_000_000, times=297),
        rating(model="cheap", cost_nanousd=1_000_000, times=3, correct=0, quality=1),
    )
    assert row.choice == ModelId("p", "cheap")
    assert row.why == (
        "Cheaper and about as good in code: p/cheap costs $1.00 per 1,000 answers against $9.00 "
        "and is right 99 times in 100, rated 5.0 of 5; the best, p/dear, always right, "
        "rated 5.0 of 5."
    )


def test_cheap_model_without_proof_does_not_displace_the_best():
    """Equal in the mean, but so few ratings that it may be worse by more than the margin."""
    row = only_row(
        rating(model="dear", cost_nanousd=9_000_000, times=300),
        rating(model="cheap", cost_nanousd=1_000_000, times=6),
    )
    assert row.choice == ModelId("p", "dear")
    assert not figures(row, "cheap").holds_up
    assert "may be" in figures(row, "cheap").why
    assert row.why == (
        "p/dear has shown the most in code: right in at least 99 of 100 answers, rated 4.9 of 5 or "
        "more (300 ratings, each with 80 % certainty); no other model has shown that it is "
        "nearly as good."
    )


def test_wider_margin_lets_the_cheap_model_hold_up():
    rows = [
        rating(model="dear", cost_nanousd=9_000_000, times=300),
        rating(model="cheap", cost_nanousd=1_000_000, times=6),
    ]
    config = LearningConfig(quality_margin=0.3)
    assert only_row(*rows, config=config).choice == ModelId("p", "cheap")


def test_clearly_worse_cheap_model_comes_after_those_that_hold_up():
    row = only_row(
        rating(model="good", cost_nanousd=9_000_000, times=300),
        rating(model="fair", cost_nanousd=1_000_000, quality=4, times=300),
        rating(model="bad", cost_nanousd=1_000, quality=2, correct=0, times=300),
    )
    assert [one.model for one in row.ranking] == ["good", "fair", "bad"]
    assert [one.tier for one in row.ranking] == ["HIGH", "MEDIUM", "LOW"]
    assert row.qualified == (ModelId("p", "good"), ModelId("p", "fair"))


def test_unknown_cost_counts_as_the_dearest():
    row = only_row(
        rating(model="a", cost_nanousd=None, times=300),
        rating(model="b", cost_nanousd=9_000_000, times=300),
    )
    assert row.choice == ModelId("p", "b")
    assert figures(row, "a").mean_cost_usd is None


def test_equal_costs_go_to_the_better_proven_then_to_the_first_name():
    better = [
        rating(model="a", times=290),
        rating(model="a", quality=4, times=10),
        rating(model="b", times=300),
    ]
    assert only_row(*better).choice == ModelId("p", "b")
    equal = [rating(model="b", times=300), rating(model="a", times=300)]
    assert only_row(*equal).choice == ModelId("p", "a")


def test_figures_are_means_in_their_units():
    row = only_row(
        rating(quality=5, cost_nanousd=2_000_000, times=2),
        rating(quality=2, correct=0, cost_nanousd=4_000_000, times=2),
    )
    found = figures(row, "m")
    assert (found.n, found.n_effective) == (4, 4)
    assert (found.mean_quality, found.correctness) == (3.5, 0.5)
    assert found.value == (0.5 + 2.5 / 4) / 2
    assert found.mean_cost_usd == pytest.approx(0.003)
    assert found.mean_latency_ms == 500
    assert found.quality_lower < 3.5
    assert found.correctness_lower < 0.5
    expected = (found.correctness_lower + (found.quality_lower - 1) / 4) / 2
    assert found.confidence == pytest.approx(expected, abs=1e-6)


def test_newer_ratings_outweigh_older_ones():
    rows = [rating(quality=5, day=DAY - 35, times=10), rating(quality=2, day=DAY, times=10)]
    found, old = figures(only_row(*rows), "m"), 2 ** (-35 / 30)
    assert found.mean_quality == pytest.approx((5 * old + 2) / (old + 1), abs=1e-6)
    assert found.n == 20
    assert found.n_effective == pytest.approx(10 * (old + 1) ** 2 / (old**2 + 1), abs=1e-6)


@given(st.integers(1, 4000))
def test_time_alone_changes_nothing(elapsed):
    """The same evidence, all of it some steps later; and beside another pattern's new one."""
    step = days_a_step(CONFIG.half_life_days)
    rows = [rating(times=10), rating(quality=3, day=DAY - 20, times=7)]
    moved = [row._replace(day=row.day + elapsed * step) for row in rows]
    now, then = figures(only_row(*rows), "m"), figures(only_row(*moved), "m")
    for name in ("n_effective", "mean_quality", "quality_lower", "correctness_lower", "value"):
        assert getattr(now, name) == pytest.approx(getattr(then, name), abs=2e-6)
    assert now.tier == then.tier
    later = policy_of(*rows, rating(pattern="math", day=DAY + elapsed))
    assert later.by_pattern["code"] == only_row(*rows)


@given(st.permutations([rating(model=name, times=20 + place) for place, name in enumerate("abcd")]))
def test_policy_knows_no_order_of_the_evidence(rows):
    assert policy_of(*rows) == policy_of(*sorted(rows, key=lambda row: row.model))


def test_policy_does_not_depend_on_the_one_before():
    first = state_of(ratings=[rating(model="a", times=20)])
    both = fold(first, ratings=[rating(model="b", times=400, cost_nanousd=10)])
    assert build_policy(both, CONFIG) == policy_of(
        rating(model="b", times=400, cost_nanousd=10), rating(model="a", times=20)
    )


def test_ratings_that_were_taken_back_do_not_show():
    assert policy_of(rating(times=3), rating(times=3, sign=-1)) == RoutingPolicy()
    half = state_of(ratings=[rating(quality=5), rating(quality=4, sign=-1)])
    assert build_policy(half, CONFIG) == RoutingPolicy()


def test_same_model_of_two_providers_is_two_models():
    row = only_row(rating(provider="p", times=20), rating(provider="q", times=20))
    assert {one.id for one in row.ranking} == {ModelId("p", "m"), ModelId("q", "m")}


def test_policy_without_default_leaves_the_choice_open():
    assert policy_of(rating()).choice("code") is None
    assert policy_of(rating(times=20)).choice("poetry") is None


def test_lucky_few_are_not_the_best():
    """Six perfect ratings prove less than three hundred very good ones."""
    row = only_row(
        rating(model="steady", times=280),
        rating(model="steady", correct=0, quality=3, times=20),
        rating(model="lucky", times=6),
    )
    assert figures(row, "lucky").value > figures(row, "steady").value
    assert row.choice == ModelId("p", "steady")
