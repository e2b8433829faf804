"""The fold is exact:

batches, order and take-backs leave no trace, and neither does a round trip.
"""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.learning.bundles import BUNDLES, NO_BUNDLE
from shared.domain.learning.config import LearningConfig
from shared.domain.learning.epochs import Changed
from shared.domain.learning.figures import (
    LoggedFigures,
    OutcomeKey,
    QualityFigures,
    RatingKey,
)
from shared.domain.learning.standings import standing
from shared.domain.learning.state import (
    SECONDS_PER_DAY,
    LearningState,
    combine,
    fold,
    pooled,
    without_epochs,
)
from shared.domain.learning.state_json import Kept, from_json, to_json, without_groups
from shared.domain.learning.sums import QualitySums, RatingSums
from shared.errors import CorruptData
from tests.unit.domain.learning.evidence import DAY, outcome, quality_of, rating, state_of

EMPTY = LearningState.empty(LearningConfig())

few = st.integers(0, 2)
days = st.integers(DAY - 400, DAY + 400)
ratings = st.builds(
    rating,
    pattern=st.sampled_from(["code", "math"]),
    model=st.sampled_from(["m", "n", "o"]),
    day=days,
    quality=st.integers(1, 5),
    correct=st.integers(0, 1),
    cost_nanousd=st.none() | st.integers(0, 10**10),
    times=st.integers(1, 1000),
    sign=st.sampled_from([1, 1, 1, -1]),
    cell=st.sampled_from(["", "1"]),
    propensity=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    output_tokens=st.none() | st.integers(0, 1000),
    standing=st.integers(1, 4),
    epoch=st.integers(0, 2),
    bundle=st.sampled_from([NO_BUNDLE, 0, 1, BUNDLES, 3 * BUNDLES + 1]),
)
outcomes = st.builds(
    outcome,
    agent=st.sampled_from(["a", "b"]),
    kind=st.sampled_from(["t", "u"]),
    points=few,
    completed=st.integers(0, 1),
    day=days,
    offset=st.integers(0, 86399),
    quality=st.integers(0, 1000),
    agreed=st.integers(0, 1),
    confident=st.integers(0, 1),
    times=st.integers(1, 50),
)
scores = st.builds(
    quality_of, st.lists(st.integers(1, 5), min_size=1, max_size=5), st.sampled_from(["", "snap_1"])
)
batches = st.tuples(
    st.lists(ratings, max_size=8), st.lists(outcomes, max_size=8), st.lists(scores, max_size=3)
)


GROUP = OutcomeKey("a", "t", 0, 0, 7, "ann")
"""Where `outcome()` is added."""


def folded(state, batch, watermark=0):
    return fold(
        state,
        ratings=batch[0],
        outcomes=batch[1],
        quality=batch[2],
        ratings_watermark=watermark,
        outcomes_watermark=watermark,
    )


KEYS = {"pattern", "provider", "model", "cell", "day", "standing", "epoch", "bundle"}


def negated(row):
    figures = {name: -getattr(row, name) for name in row._fields if name not in KEYS}
    return row._replace(**figures)


@given(batches, batches, batches)
def test_fold_leaves_no_trace_of_its_batches(first, second, third):
    stepwise = folded(folded(folded(EMPTY, first, 1), second, 2), third, 3)
    at_once = [one + two + three for one, two, three in zip(first, second, third, strict=True)]
    assert to_json(stepwise) == to_json(folded(EMPTY, at_once, 3))


@given(batches, st.randoms(use_true_random=False))
def test_fold_leaves_no_trace_of_the_order(batch, random):
    shuffled = [random.sample(part, len(part)) for part in batch]
    assert to_json(folded(EMPTY, shuffled)) == to_json(folded(EMPTY, batch))


@given(batches, st.lists(ratings, min_size=1, max_size=5))
def test_rows_taken_back_leave_no_trace(batch, mistaken):
    plain = folded(EMPTY, batch)
    with_mistakes = fold(plain, ratings=mistaken)
    corrected = fold(with_mistakes, ratings=[negated(row) for row in mistaken])
    assert to_json(replace(corrected, last_day=plain.last_day)) == to_json(plain)


def test_a_rating_of_half_standing_weighs_half_and_counts_once():
    full, half = state_of(ratings=[rating()]), state_of(ratings=[rating(standing=2)])
    key = RatingKey("code", "p", "m")
    assert half.ratings[key].raw == full.ratings[key].raw
    assert [2 * one for one in half.ratings[key].decayed] == list(full.ratings[key].decayed)
    assert 4 * half.ratings[key].squares.all == full.ratings[key].squares.all


def test_logged_choices_weigh_by_the_standing_of_their_rating_too():
    full = state_of(ratings=[rating(propensity=0.5)])
    half = state_of(ratings=[rating(propensity=0.5, standing=2)])
    key = RatingKey("code", "p", "m")
    assert [2 * one for one in half.logged[key].whole] == list(full.logged[key].whole)


def test_a_session_in_a_bundle_counts_there_for_those_left_out():
    thin = state_of(ratings=[rating(propensity=0.5, bundle=2 * BUNDLES + 7)])
    whole, bundles = thin.logged[RatingKey("code", "p", "m")]
    assert bundles == {7: LoggedFigures._make(4 * one for one in whole)}


def test_ratings_of_no_bundle_and_ratings_without_odds_are_in_none():
    rows = [rating(propensity=0.5), rating(model="n", bundle=3)]
    assert [one.bundles for one in state_of(ratings=rows).logged.values()] == [{}]


def test_a_bundle_that_comes_to_nothing_vanishes():
    stays, goes = (rating(propensity=0.5, bundle=bundle) for bundle in (1, 2))
    plain = state_of(ratings=[stays])
    taken_back = fold(fold(plain, ratings=[goes]), ratings=[negated(goes)])
    assert to_json(taken_back) == to_json(plain)


def test_means_lean_to_those_of_more_standing_and_two_halves_are_worth_less_than_two():
    state = state_of(ratings=[rating(quality=5, times=4), rating(quality=1, standing=1, times=4)])
    [found] = [standing(key, one) for key, one in state.ratings.items()]
    assert found.quality.mean == pytest.approx((4 * 5 + 1) / 5)
    assert found.quality.n == pytest.approx(5**2 / (4 + 4 / 16))


@given(batches)
def test_epochs_are_kept_apart_and_read_together(batch):
    state = folded(EMPTY, batch)
    plain = folded(EMPTY, [[row._replace(epoch=0) for row in batch[0]], *batch[1:]])
    assert without_epochs(state) == plain
    assert without_epochs(plain) is plain
    wholes = {key: one for key, one in pooled(state).items() if not one.is_nothing}
    assert wholes == {key: one for key, one in pooled(plain).items() if not one.is_nothing}


def test_one_epoch_of_a_model_can_be_told_from_the_other():
    state = state_of(ratings=[rating(quality=5), rating(quality=1, epoch=1)])
    first, second = RatingKey("code", "p", "m"), RatingKey("code", "p", "m", epoch=1)
    assert [state.ratings[key].raw.quality for key in (first, second)] == [5, 1]
    assert pooled(state) == {first: combine(state.ratings[first], state.ratings[second])}


def test_group_that_comes_to_nothing_vanishes():
    state = state_of(ratings=[rating(day=DAY - 90, times=3)])
    assert fold(state, ratings=[rating(day=DAY - 90, times=3, sign=-1)]).ratings == {}


def test_take_back_may_come_before_its_row():
    early = state_of(ratings=[rating(sign=-1)])
    assert early.ratings[RatingKey("code", "p", "m")].raw.n == -1
    assert fold(early, ratings=[rating()]).ratings == {}


def test_take_back_under_another_figure_is_not_forgotten():
    state = state_of(ratings=[rating(quality=5), rating(quality=4, sign=-1)])
    assert state.ratings[RatingKey("code", "p", "m")].raw.quality == 1


def test_snapshot_whose_ratings_come_to_nothing_vanishes():
    minus = replace(quality_of([5]), n=-1, quality=-5, quality_squared=-25, correct=-1)
    assert fold(EMPTY, quality=[quality_of([5]), minus]).quality == {}
    assert fold(EMPTY, quality=[quality_of([5, 2])]).quality == {
        "snap_1": QualityFigures(2, 7, 29, 1)
    }


@given(batches, batches)
def test_a_state_is_spelled_alike_from_the_lines_of_the_one_before(first, second):
    data = to_json(folded(EMPTY, first, 7))
    before = Kept(from_json(data), data)
    after = folded(before.state, second, 8)
    assert to_json(after, before) == to_json(after)


def test_only_groups_that_evidence_came_to_are_spelled_anew():
    data = to_json(state_of(ratings=[rating(), rating(model="n")], outcomes=[outcome()]))
    marked = data.replace(b'"code","p","m"', b'"code","p","M"')
    before = Kept(from_json(data), marked)
    after = fold(before.state, ratings=[rating(model="n")])
    assert to_json(after, before) == to_json(after).replace(b'"p","m"', b'"p","M"')


@given(batches, st.integers(-200, 400), st.sampled_from([1.0, 30.0]))
def test_sums_of_any_size_survive_their_bytes(batch, later, half_life):
    """With a half-life of a day squared weights pass 256 bits 96 days after the landmark."""
    config = LearningConfig(half_life_days=half_life)
    moved = [row._replace(day=row.day + later) for row in batch[0]]
    state = state_of(ratings=moved, config=config)
    data = to_json(state)
    assert from_json(data) == state
    assert to_json(from_json(data)) == data


@given(batches)
def test_state_survives_its_bytes(batch):
    state = folded(EMPTY, batch, 7)
    assert from_json(to_json(state)) == state
    assert to_json(from_json(to_json(state))) == to_json(state)


def test_state_with_huge_weights_survives_its_bytes():
    config = LearningConfig(half_life_days=1)
    state = state_of(ratings=[rating(day=60_000)], outcomes=[outcome(day=60_000)], config=config)
    assert max(state.ratings[RatingKey("code", "p", "m")].squares).bit_length() > 14_300
    assert from_json(to_json(state)) == state


def test_fold_leaves_the_state_before_as_it_was():
    before = state_of(ratings=[rating()], outcomes=[outcome()])
    kept = to_json(before)
    fold(before, ratings=[rating()], outcomes=[outcome()], quality=[quality_of([1])])
    assert to_json(before) == kept


def test_times_are_sums_of_seconds_since_1970():
    state = state_of(
        outcomes=[outcome(day=10, offset=5, points=2), outcome(day=12, offset=7, points=1)]
    )
    x = [10 * SECONDS_PER_DAY + 5, 12 * SECONDS_PER_DAY + 7]
    evidence = state.outcomes[GROUP]
    assert evidence.raw.time == sum(x)
    assert evidence.raw.time_squared == sum(one * one for one in x)
    assert evidence.raw.time_points == 2 * x[0] + x[1]
    assert (evidence.first_second, evidence.last_second) == tuple(x)


def test_time_of_an_outcome_without_points_confirms_nothing():
    evidence = state_of(outcomes=[outcome(points=0)]).outcomes[GROUP]
    assert (evidence.first_second, evidence.last_second) == (0, 0)


def test_left_out_recommendation_counts_as_attempted_only():
    evidence = state_of(outcomes=[outcome(completed=0)]).outcomes[GROUP]
    assert evidence.raw == (1, *[0] * 11)


def test_last_day_is_that_of_the_newest_evidence():
    assert EMPTY.last_day is None
    assert state_of(ratings=[rating(day=5)], outcomes=[outcome(day=9)]).last_day == 9
    assert fold(state_of(ratings=[rating(day=9)]), ratings=[rating(day=5)]).last_day == 9


def test_watermarks_never_go_back():
    state = fold(EMPTY, ratings_watermark=5, outcomes_watermark=9)
    again = fold(state, ratings_watermark=3)
    assert (again.ratings_watermark, again.outcomes_watermark) == (5, 9)


def test_state_of_another_half_life_does_not_fit():
    assert EMPTY.fits(LearningConfig(exploration_rate=0.5))
    assert not EMPTY.fits(LearningConfig(half_life_days=7))


@pytest.mark.parametrize(
    ("line", "damage"),
    [
        (0, lambda rest: rest | {"format": 0}),
        (0, lambda rest: {key: rest[key] for key in rest if key != "quality"}),
        (0, lambda _: []),
        (0, lambda rest: rest | {"groups": [0, 1]}),
        (0, lambda rest: rest | {"groups": [0, 1, 2]}),
        (0, lambda rest: rest | {"groups": [0, 2, 0]}),
        (1, lambda outcomes: outcomes[:-3]),
        (2, lambda _: ["code"]),
        (2, lambda _: 5),
        (2, lambda _: []),
    ],
)
def test_damaged_state_is_refused(line, damage):
    lines = to_json(state_of(ratings=[rating()], outcomes=[outcome()])).split(b"\n")
    lines[line] = json.dumps(damage(json.loads(lines[line]))).encode()
    with pytest.raises(CorruptData, match="rebuild it"):
        from_json(b"\n".join(lines))


@pytest.mark.parametrize("data", [b"", b"{", b"\xff"])
def test_bytes_that_are_no_json_are_refused(data):
    for read in (from_json, without_groups):
        with pytest.raises(CorruptData):
            read(data)


def test_what_is_read_without_groups_is_the_state_but_for_them():
    state = fold(
        state_of(ratings=[rating()], outcomes=[outcome()]),
        quality=[QualitySums("snap_1", 2, 9, 41, 2)],
        changes=[(("code", "p", "m"), Changed(1, 1, 7, DAY, 20, 60, 200, 9))],
        ratings_watermark=2,
    )
    none = {"ratings": {}, "logged": {}, "outcomes": {}}
    assert without_groups(to_json(state)) == replace(state, **none) != state


def test_rows_of_equal_group_and_day_add_up():
    one = state_of(ratings=[rating(times=2), rating(times=3)])
    assert one.ratings == state_of(ratings=[rating(times=5)]).ratings
    assert isinstance(rating(), RatingSums)
