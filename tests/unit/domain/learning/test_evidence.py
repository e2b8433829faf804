"""The figures beside a sentence say what they rest on, and what would undo a choice."""

import pytest

from shared.domain.learning.beliefs import Beliefs
from shared.domain.learning.config import LearningConfig, TierRule
from shared.domain.learning.evidence import evidence_of, ratings_needed, wrong_until_lost
from shared.domain.learning.snapshot import build_snapshot
from tests.unit.domain.learning.evidence import rating, state_of

CONFIG = LearningConfig()


def snapshot_of(*ratings, config=CONFIG):
    return build_snapshot(state_of(ratings=ratings, config=config), config)


def first(snapshot, pattern="code"):
    return snapshot.policy.by_pattern[pattern].ranking[0]


def test_shares_follow_the_ratings():
    snapshot = snapshot_of(rating(times=100), rating("math", times=290))
    share = evidence_of(first(snapshot), "code", snapshot).rests_on
    assert share.own == pytest.approx(0.5 + 0.5 * 100 / 400)
    assert share.elsewhere == pytest.approx(0.5 * 290 / 400)
    assert share.prior == pytest.approx(0.5 * 10 / 400)


def test_without_beliefs_nothing_is_said_of_what_they_rest_on():
    snapshot = snapshot_of(rating(times=100))
    bare = snapshot.policy.model_copy(update={"beliefs": Beliefs()})
    found = evidence_of(first(snapshot), "code", snapshot.model_copy(update={"policy": bare}))
    assert (found.rests_on, found.believed) == (None, 0.5)


def test_fewest_wrong_answers_that_undo_a_choice_are_found():
    snapshot = snapshot_of(rating(times=20))
    assert wrong_until_lost(first(snapshot), CONFIG) == 6
    lenient = LearningConfig(medium=TierRule(n=5, quality=1, correctness=0))
    assert wrong_until_lost(first(snapshot), lenient) is None


def test_ratings_needed_count_up_to_the_least_number():
    assert [ratings_needed(first(snapshot_of(rating(times=n))), CONFIG) for n in (1, 4, 5, 9)] == [
        4,
        1,
        0,
        0,
    ]


def test_many_wrong_answers_are_counted_exactly():
    for times in (40, 300):
        found = first(snapshot_of(rating(times=times)))
        wrong = wrong_until_lost(found, CONFIG)
        fewer, enough = (
            first(snapshot_of(rating(times=times), rating(correct=0, times=count)))
            for count in (wrong - 1, wrong)
        )
        assert enough.correctness_lower < CONFIG.medium.correctness <= fewer.correctness_lower
