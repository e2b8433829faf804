"""What older ratings count after a change: little and together; and the proof beside them."""

import operator

import pytest

from shared.domain.learning.config import DriftConfig, LearningConfig
from shared.domain.learning.decision import odds
from shared.domain.learning.epochs import Changed
from shared.domain.learning.figures import RatingKey
from shared.domain.learning.routing import build_policy
from shared.domain.learning.snapshot import build_snapshot
from shared.domain.learning.standings import standing
from shared.domain.learning.state import LearningState, fold, pooled, without_epochs
from shared.domain.learning.state_json import from_json, to_json
from tests.unit.domain.learning.evidence import DAY, rating, state_of

NAME = ("code", "p", "m")
CONFIG = LearningConfig()


def changed(**more):
    facts = {"epoch": 1, "place": 50, "day": DAY, "n": 0}
    sums = {"quality": 0, "quality_squared": 0, "correct": 0}
    found = {**facts, **sums, **more}
    return Changed(**{"since": found["epoch"], **found})


def after(change, *ratings):
    return fold(state_of(ratings=ratings), changes=[(NAME, change)])


def means(state):
    return standing(RatingKey(*NAME), pooled(state)[RatingKey(*NAME)])


def test_all_ratings_before_a_change_count_as_a_few_together():
    found = means(after(changed(), rating(times=1000, quality=4)))
    assert found.value.n == pytest.approx(CONFIG.drift.keep, rel=1e-6)
    assert found.quality.mean == pytest.approx(4)
    assert found.n == 1000


def test_fewer_than_those_are_kept_as_they_are():
    assert means(after(changed(), rating(times=5))).value.n == pytest.approx(5)


def test_ratings_of_the_new_epoch_count_in_full():
    old, new = rating(times=1000, correct=1), rating(times=8, correct=0, epoch=1)
    found = means(after(changed(), old, new))
    assert found.correctness.mean == pytest.approx(0.5, rel=1e-6)
    assert found.value.n == pytest.approx(16, rel=1e-6)


def test_what_proved_the_change_stands_beside_what_was_before():
    proof = changed(n=24, quality=48, quality_squared=96, correct=0)
    found = means(after(proof, rating(times=1000, correct=1)))
    assert found.correctness.mean == pytest.approx(0.25, rel=1e-6)
    assert found.value.n == pytest.approx(32, rel=1e-6)
    assert found.n == 1000


def test_neighbourhoods_share_what_is_kept():
    state = after(changed(), rating(times=500, cell="1"), rating(times=1500, cell="2"))
    ratings = without_epochs(state).ratings
    kept = [standing(key, one).value.n for key, one in sorted(ratings.items()) if key.cell]
    assert kept == pytest.approx([2, 6], rel=1e-6)


def test_other_models_are_left_alone():
    state = after(changed(), rating(times=1000), rating(model="n", times=1000))
    other = RatingKey("code", "p", "n")
    assert pooled(state)[other] == pooled(state_of(ratings=[rating(model="n", times=1000)]))[other]


def test_a_change_of_a_model_without_ratings_left_says_nothing():
    rows = rating(times=3), rating(times=3, sign=-1)
    assert pooled(after(changed(n=3, quality=9, quality_squared=27), *rows)) == {}


def test_logged_choices_count_as_little_as_the_ratings():
    state = after(changed(), rating(times=800, propensity=0.5, bundle=3))
    known = state.logged[RatingKey(*NAME)]
    kept = without_epochs(state).logged[RatingKey(*NAME)]
    assert kept.whole.weight / known.whole.weight == pytest.approx(0.01, rel=1e-6)
    squares = (one.bundles[3].weight ** 2 for one in (kept, known))
    assert operator.truediv(*squares) == pytest.approx(0.01, rel=1e-6)


def test_a_change_that_was_folded_already_is_passed_over():
    once = after(changed())
    again = fold(once, changes=[(NAME, changed(epoch=9))])
    assert (again.changes, again.changes_watermark) == (once.changes, 50)
    assert fold(once, changes=[(NAME, changed(epoch=2, place=51))]).changes[NAME].epoch == 2


def test_where_no_change_stands_any_more_all_ratings_count_in_full():
    believed = after(changed(n=20), rating(times=1000), rating(times=30, epoch=1))
    taken_back = fold(believed, changes=[(NAME, changed(since=0, place=60, withdrawn=DAY))])
    plain = state_of(ratings=[rating(times=1030)])
    key = RatingKey(*NAME)
    assert pooled(taken_back)[key] == pooled(plain)[key]
    assert build_policy(taken_back, CONFIG).rows == build_policy(plain, CONFIG).rows
    assert build_policy(taken_back, CONFIG).shaken == ()


def test_where_the_last_change_is_none_the_one_before_it_is_the_last_again():
    rows = [rating(times=1000), rating(times=30, epoch=1), rating(times=30, epoch=2)]
    first = changed(n=20, quality=40, quality_squared=80)
    second = changed(epoch=2, place=60)
    again = first._replace(epoch=2, place=70)
    found = fold(after(first, *rows), changes=[(NAME, second), (NAME, again)])
    merged = [rating(times=1000), rating(times=60, epoch=1)]
    assert pooled(found) == pooled(after(first, *merged))


def test_a_withdrawn_change_keeps_its_number_for_what_is_decided_next():
    found = after(changed(since=0, withdrawn=DAY), rating(times=30))
    snapshot = build_snapshot(found, CONFIG)
    assert snapshot.epochs == {NAME: 1}
    (one,) = snapshot.changed
    assert (one.day, one.withdrawn) == (None, "2026-09-04")
    later = fold(
        found,
        ratings=[rating(times=500, epoch=1), rating(times=4, correct=0, epoch=2)],
        changes=[(NAME, changed(epoch=2, place=70))],
    )
    assert means(later).value.n == pytest.approx(12, rel=1e-6)


def test_changes_survive_a_round_trip():
    state = after(changed(n=24, quality=48, quality_squared=96), rating(epoch=1))
    assert from_json(to_json(state)) == state
    back = fold(state, changes=[(NAME, changed(since=0, place=60, withdrawn=DAY))])
    assert from_json(to_json(back)).changes == back.changes


def test_another_number_of_kept_ratings_needs_a_fold_from_the_start():
    state = LearningState.empty(CONFIG)
    assert state.fits(CONFIG)
    assert not state.fits(CONFIG.model_copy(update={"drift": DriftConfig(keep=2)}))


def test_a_model_that_fell_has_to_prove_itself_again():
    good = rating(times=100)
    proof = changed(n=20, quality=40, quality_squared=80, correct=0)
    (row,) = build_policy(after(proof, good), CONFIG).rows
    assert build_policy(state_of(ratings=[good]), CONFIG).rows[0].choice is not None
    assert (row.choice, row.ranking[0].tier) == (None, "LOW")


def test_where_a_change_is_new_more_requests_explore_unless_none_may():
    state = after(changed(), rating(times=50), rating(model="n", times=50))
    policy = build_policy(state, CONFIG)
    assert policy.shaken == ("code",)
    models = [row.id for row in policy.rows[0].ranking]
    greedy = [odds(policy, "code", models, exploration_rate=rate) for rate in (0.0, 0.05)]
    calm = odds(policy.model_copy(update={"shaken": ()}), "code", models, exploration_rate=0.05)
    assert greedy[0].propensities[0] == 1.0
    assert greedy[1].propensities[0] < calm.propensities[0]


def test_a_change_is_new_for_some_days_of_evidence_only():
    later = rating(model="n", day=DAY + CONFIG.drift.new_for_days + 1)
    assert build_policy(after(changed(), rating(), later), CONFIG).shaken == ()


def test_a_snapshot_says_which_models_changed_and_how_often():
    snapshot = build_snapshot(after(changed(epoch=2), rating()), CONFIG)
    assert snapshot.epochs == {NAME: 2}
    assert snapshot.changes_watermark == 50
