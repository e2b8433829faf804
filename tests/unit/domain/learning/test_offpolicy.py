"""Off-policy estimates are right on average, cover as they say, and refuse thin support."""

import random

import pytest

from shared.domain.learning.bundles import BUNDLES
from shared.domain.learning.config import LearningConfig, ModelId, OffPolicyConfig
from shared.domain.learning.offpolicy import compare
from shared.domain.learning.state import fold
from tests.unit.domain.learning.evidence import DAY, rating, state_of

MODELS = [ModelId("p", name) for name in "abcd"]
RIGHT = {"code": (0.9, 0.6, 0.5, 0.2), "math": (0.4, 0.8, 0.5, 0.3), "law": (0.5, 0.5, 0.7, 0.1)}
SHARES = {"code": 0.5, "math": 0.3, "law": 0.2}
ODDS = (0.55, 0.25, 0.15, 0.05)
COST = (4_000_000, 2_000_000, 1_000_000, 500_000)
BEST = {"code": 0, "math": 1, "law": 2}
CONFIG = OffPolicyConfig()


def always(place):
    return lambda pattern, cell: MODELS[place]


def best(pattern, cell):
    return MODELS[BEST[pattern]]


def logged(seed, requests, odds=ODDS, day=DAY):
    """Returns what is learned from requests that were routed by chance."""
    chance, counts = random.Random(seed), {}
    patterns, places = list(SHARES), range(len(MODELS))
    drawn = zip(
        chance.choices(patterns, list(SHARES.values()), k=requests),
        chance.choices(places, odds, k=requests),
        strict=True,
    )
    for pattern, place in drawn:
        right = int(chance.random() < RIGHT[pattern][place])
        kind = pattern, place, right, chance.randrange(BUNDLES)
        counts[kind] = counts.get(kind, 0) + 1
    return [
        rating(
            pattern,
            MODELS[place].model,
            correct=right,
            quality=5 if right else 2,
            cost_nanousd=COST[place],
            propensity=odds[place],
            times=count,
            day=day,
            bundle=bundle,
        )
        for (pattern, place, right, bundle), count in counts.items()
    ]


def logged_bundles(count):
    """Returns where so many sessions fall."""
    chance = random.Random(11)
    return [chance.randrange(BUNDLES) for _ in range(count)]


def truth(policy):
    return sum(SHARES[one] * RIGHT[one][MODELS.index(policy(one, ""))] for one in SHARES)


def test_intervals_cover_in_93_to_97_percent_of_500_logs_and_dr_is_the_better_estimate():
    covered, errors = {}, {}
    targets = {"current": truth(always(0)), "proposed": truth(best)}
    targets["difference"] = targets["proposed"] - targets["current"]
    for seed in range(500):
        found = compare(state_of(ratings=logged(seed, 1000)), always(0), best, CONFIG)
        for who, target in targets.items():
            for method in ("snips", "dr"):
                one = getattr(getattr(found, who).correctness, method)
                key = who, method
                covered[key] = covered.get(key, 0) + (one.low <= target <= one.high)
                errors[key] = errors.get(key, 0.0) + (one.mean - target) ** 2
    assert {key: 465 <= hits <= 485 for key, hits in covered.items()} == dict.fromkeys(
        covered, True
    ), covered
    assert errors["difference", "dr"] < errors["difference", "snips"]


def test_costs_and_quality_are_estimated_too():
    found = compare(state_of(ratings=logged(1, 4000)), always(0), always(2), CONFIG)
    assert found.current.cost_usd.dr.mean == pytest.approx(0.004, rel=0.01)
    assert found.proposed.cost_usd.snips.mean == pytest.approx(0.001, rel=0.01)
    assert found.difference.cost_usd.dr.mean == pytest.approx(-0.003, rel=0.05)
    quality = found.proposed.quality.dr
    assert quality.low < 2 + 3 * truth(always(2)) < quality.high
    gap, cost = found.difference.correctness.dr, found.difference.cost_usd.dr
    assert found.words == (
        "On the requests that were logged, the proposed policy would have been right in "
        f"{-100 * gap.mean:.1f} fewer of 100 requests than the current one (the ratings fit with "
        f"anything from {-100 * gap.low:.1f} fewer to {-100 * gap.high:.1f} fewer): worse. For "
        f"1,000 requests it would have cost ${-1000 * cost.mean:.3f} less (anything from "
        f"${-1000 * cost.low:.3f} less to ${-1000 * cost.high:.3f} less)."
    )
    assert found.figures()["words"] == found.words


def test_the_same_policy_twice_makes_no_difference():
    found = compare(state_of(ratings=logged(2, 1000)), best, best, CONFIG)
    assert found.difference.correctness.dr.mean == 0
    assert found.difference.correctness.snips.high == pytest.approx(0)
    assert found.words == (
        "On the requests that were logged, the proposed policy would have been right exactly as "
        "often as the current one. For 1,000 requests it would have cost the same."
    )


@pytest.mark.parametrize("places", [(0, 1), (1, 0), (2, 2)])
def test_a_policy_is_told_alike_whatever_it_stands_beside(places):
    state = state_of(ratings=logged(3, 4000))
    one, two = (always(place) for place in places)
    told = compare(state, one, two, CONFIG)
    assert told.current == compare(state, one, one, CONFIG).proposed
    assert told.proposed == compare(state, two, best, CONFIG).current
    assert told.difference.quality == opposite(compare(state, two, one, CONFIG).difference.quality)


def opposite(gap):
    return gap.model_copy(
        update={
            name: one.model_copy(update={"mean": -one.mean, "low": -one.high, "high": -one.low})
            for name, one in (("snips", gap.snips), ("dr", gap.dr))
        }
    )


def test_a_difference_that_chance_explains_is_told_as_none():
    rows = [
        rating("code", "ab"[n % 2], correct=n // 2 % 2, propensity=0.5, bundle=bundle)
        for n, bundle in enumerate(logged_bundles(800))
    ]
    found = compare(state_of(ratings=rows), always(0), always(1), CONFIG)
    assert "fewer to " in found.words
    assert "more): no clear difference." in found.words


@pytest.mark.parametrize("days", [0, 400])
def test_the_age_of_the_log_does_not_change_what_it_says(days):
    found = compare(state_of(ratings=logged(3, 2000, day=DAY + days)), always(0), best, CONFIG)
    base = compare(state_of(ratings=logged(3, 2000)), always(0), best, CONFIG)
    assert found == base


def test_old_traffic_counts_less():
    young = logged(4, 1000)
    old = [
        rating("code", "a", correct=0, propensity=0.55, times=150, day=DAY - 300, bundle=bundle)
        for bundle in range(BUNDLES)
    ]
    state = state_of(ratings=[*young, *old])
    plain = compare(state_of(ratings=young), always(0), best, CONFIG)
    found = compare(state, always(0), best, CONFIG)
    assert found.current.correctness.snips.mean == pytest.approx(
        plain.current.correctness.snips.mean, abs=0.02
    )


def test_a_half_life_of_a_day_far_from_the_landmark_is_no_problem():
    config = LearningConfig(half_life_days=1)
    rows = logged(5, 2000, day=40_000)
    found = compare(state_of(ratings=rows, config=config), always(0), best, CONFIG)
    assert found.proposed.correctness.dr.mean == pytest.approx(truth(best), abs=0.06)


def test_what_chance_never_tried_is_refused():
    rows = [row for row in logged(6, 2000) if (row.pattern, row.model) != ("math", "b")]
    found = compare(state_of(ratings=rows), always(0), best, CONFIG)
    assert found.proposed.correctness is None
    assert "was ever tried by chance" in found.proposed.refused
    assert found.difference.refused == found.proposed.refused
    assert found.current.correctness is not None
    assert found.words.startswith(
        "How good the proposed policy would have been cannot be told. Only"
    )


def test_too_few_agreeing_choices_are_refused():
    found = compare(state_of(ratings=logged(7, 600)), always(0), always(3), CONFIG)
    assert found.proposed.effective < 50
    assert "Too few sessions" in found.proposed.refused


def test_ratings_without_a_probability_say_nothing():
    found = compare(state_of(ratings=[rating(times=500)]), always(0), best, CONFIG)
    assert found.current.refused == "No rating has a logged probability yet."


def test_an_open_policy_has_no_support():
    found = compare(state_of(ratings=logged(8, 500)), lambda pattern, cell: None, always(0), CONFIG)
    assert found.current.support == 0
    assert "current policy" in found.words


def test_costs_that_nobody_knows_are_left_open():
    rows = [
        rating("code", name, cost_nanousd=None, propensity=0.5, correct=right, bundle=bundle)
        for name in "ab"
        for right in (0, 1)
        for bundle in logged_bundles(200)
    ]
    found = compare(state_of(ratings=rows), always(0), always(1), CONFIG)
    assert found.current.cost_usd is None
    assert found.difference.cost_usd is None
    assert found.difference.correctness is not None


def test_take_backs_leave_no_trace_in_the_log():
    rows = logged(9, 300)
    state = state_of(ratings=rows)
    mistaken = rating("code", "a", propensity=0.05, bundle=3)
    back = rating("code", "a", propensity=0.05, bundle=3, sign=-1)
    assert fold(fold(state, ratings=[mistaken]), ratings=[back]).logged == state.logged


def in_sessions(seed, sessions, size):
    """Returns what sessions leave: all of one size, each either all right or all wrong."""
    chance = random.Random(seed)
    rows = []
    for _ in range(sessions):
        right, bundle = int(chance.random() < 0.6), chance.randrange(BUNDLES)
        for place in chance.choices(range(2), k=size):
            model = MODELS[place].model
            rows.append(rating("code", model, correct=right, propensity=0.5, bundle=bundle))
    return rows


def test_intervals_cover_where_requests_of_a_session_are_alike():
    covered = {"snips": 0, "dr": 0}
    for seed in range(300):
        state = state_of(ratings=in_sessions(seed, 100, 10))
        found = compare(state, always(0), always(1), OffPolicyConfig(min_effective=20))
        for method in covered:
            one = getattr(found.proposed.correctness, method)
            covered[method] += one.low <= 0.6 <= one.high
    assert all(276 <= hits <= 294 for hits in covered.values()), covered


def test_what_counts_is_how_many_sessions_there_are_not_how_many_requests():
    few, many = (
        compare(state_of(ratings=rows), always(0), always(1), CONFIG).proposed
        for rows in (in_sessions(1, 20, 50), in_sessions(1, 1000, 1))
    )
    assert few.effective < 40
    assert many.effective > 300
    assert few.refused.startswith("Too few sessions with rated requests")
    assert many.refused == ""


def test_ratings_whose_sessions_are_in_no_bundle_prove_nothing():
    rows = [rating("code", name, propensity=0.5, times=500) for name in "ab"]
    found = compare(state_of(ratings=rows), always(0), always(1), CONFIG)
    assert found.proposed.effective == 0
    assert found.proposed.refused


def test_an_estimate_beyond_what_a_figure_can_be_keeps_its_ends_in_order():
    """Wrong answers of no known probability, then rare choices that were right."""
    rows = [
        rating(model="a", correct=0, quality=1, times=100),
        *(rating(model="a", propensity=0.01, bundle=bundle) for bundle in range(30)),
        rating(model="b", propensity=0.99, correct=0, quality=1, times=30),
    ]
    found = compare(
        state_of(ratings=rows), always(0), always(1), OffPolicyConfig(min_effective=2)
    ).current
    assert [found.correctness.dr.mean, found.quality.dr.mean] == [1, 5]
    for one in (found.correctness, found.quality):
        assert all(each.low <= each.mean <= each.high for each in (one.snips, one.dr))
