"""What the operator wants of cost and quality decides at once, among proven models only."""

import pytest

from shared.domain.learning.config import LearningConfig, ModelId
from shared.domain.learning.decision import odds
from shared.domain.learning.preference import NO_PREFERENCE, Preference
from shared.domain.learning.routing import build_policy
from shared.errors import InvalidInput
from tests.unit.domain.learning.evidence import rating, state_of

GOOD, FAIR, POOR, NEW = (ModelId("p", name) for name in ("good", "fair", "poor", "new"))
ROWS = [
    rating(model="good", times=2000, quality=5),
    rating(model="fair", times=1800, quality=5),
    rating(model="fair", times=200, quality=2, correct=0),
    rating(model="poor", times=2000, quality=1, correct=0),
]
POLICY = build_policy(state_of(ratings=ROWS), LearningConfig())
COSTS = {GOOD: 0.010, FAIR: 0.001, POOR: 0.0001}
EVERYONE = (POOR, FAIR, GOOD)


def choice(preference, *, costs=COSTS, candidates=EVERYONE):
    return odds(
        POLICY, "code", candidates, exploration_rate=0.0, preference=preference, costs=costs
    ).greedy


def test_without_a_preference_the_snapshots_order_holds():
    assert not NO_PREFERENCE.asks
    assert choice(NO_PREFERENCE) == POLICY.choice("code")


@pytest.mark.parametrize(("worth", "expected"), [(100.0, GOOD), (1.0, GOOD), (0.01, FAIR)])
def test_a_dearer_model_is_taken_where_its_gain_is_worth_its_price(worth, expected):
    assert choice(Preference(answer_worth_usd=worth)) == expected


@pytest.mark.parametrize(("floor", "expected"), [(0.5, FAIR), (0.85, FAIR), (0.95, GOOD)])
def test_a_floor_takes_the_cheapest_that_proves_it(floor, expected):
    assert choice(Preference(quality_floor=floor)) == expected


GAIN = (
    "p/good scores at least 99 of 100 at $10.00 per 1,000 requests: the highest score, and "
    "where a perfect answer is worth $1, what a cheaper model saves is less."
)
SAVING = (
    "p/fair scores at least 90 of 100 at $1.00 per 1,000 requests; where a perfect answer "
    "is worth $0.01, 9 points more of p/good at $10.00 per 1,000 requests are not worth "
    "what they cost."
)
FLOOR = (
    "p/fair scores at least 90 of 100 at $1.00 per 1,000 requests: the cheapest that "
    "surely reaches the score of 85 of 100 that is asked for."
)


@pytest.mark.parametrize(
    ("floor", "told"),
    [
        (
            0.9,
            "scores at least 90.7 of 100 at $1.00 per 1,000 requests: the cheapest that surely ",
        ),
        (0.9, "reaches the score of 90.0 of 100 that is asked for."),
        (0.999, "No proven model surely reaches the score of 99.9 of 100 that is asked for; "),
    ],
)
def test_a_floor_is_told_as_it_is_and_apart_from_what_reaches_it(floor, told):
    rows = [rating(model="m", times=9060), rating(model="m", times=900, quality=1, correct=0)]
    policy = build_policy(state_of(ratings=rows), LearningConfig())
    found = odds(
        policy,
        "code",
        [ModelId("p", "m")],
        exploration_rate=0.0,
        preference=Preference(quality_floor=floor),
        costs={ModelId("p", "m"): 0.001},
    )
    assert told in found.reason


@pytest.mark.parametrize(
    ("preference", "told"),
    [
        (Preference(answer_worth_usd=1.0), GAIN),
        (Preference(answer_worth_usd=0.01), SAVING),
        (Preference(quality_floor=0.85), FLOOR),
    ],
)
def test_the_reason_says_which_figure_decided_and_what_it_was_weighed_against(preference, told):
    found = odds(POLICY, "code", EVERYONE, exploration_rate=0.0, preference=preference, costs=COSTS)
    assert found.reason == told


def test_a_model_of_unknown_cost_is_told_as_that():
    found = odds(
        POLICY,
        "code",
        EVERYONE,
        exploration_rate=0.0,
        preference=Preference(answer_worth_usd=0.01),
        costs={FAIR: 0.001, POOR: 0.01},
    )
    assert found.greedy == FAIR
    assert "9 points more of p/good (unknown cost) are not worth" in found.reason


def test_a_floor_that_nobody_reaches_takes_who_proves_the_most_and_says_so():
    found = odds(
        POLICY,
        "code",
        EVERYONE,
        exploration_rate=0.0,
        preference=Preference(quality_floor=1.0),
        costs=COSTS,
    )
    assert found.greedy == GOOD
    assert found.reason == (
        "No proven model surely reaches the score of 100 of 100 that is asked for; p/good scores "
        "at least 99 of 100."
    )


@pytest.mark.parametrize(
    ("candidates", "costs", "told"),
    [
        ((GOOD, POOR), COSTS, ": no other model that may answer has proved itself here."),
        (
            EVERYONE,
            {**COSTS, GOOD: 0.001},
            "highest score, and none of the proven models costs less.",
        ),
        ((FAIR, GOOD), {FAIR: 0.0001, GOOD: 0.0012}, "points more"),
    ],
)
def test_no_cheaper_model_is_spoken_of_where_there_is_none(candidates, costs, told):
    worth = Preference(answer_worth_usd=0.01)
    found = odds(POLICY, "code", candidates, exploration_rate=0.0, preference=worth, costs=costs)
    assert told in found.reason


def test_one_point_is_not_told_as_many():
    rows = [rating(model="a", times=2000), rating(model="b", times=1980)]
    rows.append(rating(model="b", times=20, quality=1, correct=0))
    policy = build_policy(state_of(ratings=rows), LearningConfig())
    models = a, b = ModelId("p", "a"), ModelId("p", "b")
    worth, costs = Preference(answer_worth_usd=0.01), {a: 0.01, b: 0.001}
    found = odds(policy, "code", models, exploration_rate=0.0, preference=worth, costs=costs)
    assert found.reason.endswith(
        "1 point more of p/a at $10.00 per 1,000 requests is not worth what it costs."
    )


def test_what_has_not_proved_itself_is_not_chosen_however_cheap():
    assert choice(Preference(answer_worth_usd=0.0001)) != POOR
    assert choice(Preference(quality_floor=0.0)) != POOR


def test_prices_may_change_at_any_time():
    wanted = Preference(answer_worth_usd=0.01)
    assert choice(wanted) == FAIR
    assert choice(wanted, costs={**COSTS, GOOD: 0.001}) == GOOD


def test_a_model_of_unknown_cost_counts_as_the_dearest():
    assert choice(Preference(answer_worth_usd=0.01), costs={FAIR: 0.001, POOR: 0.01}) == FAIR
    assert choice(Preference(quality_floor=0.5), costs={FAIR: 0.001}) == FAIR


def test_exploring_weighs_costs_too():
    def share(worth):
        preference = Preference(answer_worth_usd=worth)
        found = odds(
            POLICY, "law", EVERYONE, exploration_rate=1.0, preference=preference, costs=COSTS
        )
        return dict(zip(found.models, found.propensities, strict=True))

    assert share(0.02)[GOOD] < share(1000.0)[GOOD]


def test_a_new_model_gets_its_tries_from_the_prior():
    found = odds(POLICY, "code", (*EVERYONE, NEW), exploration_rate=0.2)
    tries = dict(zip(found.models, found.propensities, strict=True))
    assert tries[NEW] > 0.2 * 0.2
    assert tries[POOR] < 0.002
    assert sum(tries.values()) == pytest.approx(1)


def test_nobody_to_choose_from_is_refused():
    with pytest.raises(InvalidInput):
        choice(NO_PREFERENCE, candidates=())
