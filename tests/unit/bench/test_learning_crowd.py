"""The measurement of votes: points with ties, baselines, and one set held to its aim."""

import statistics

import pytest

from bench.learning.crowd import DATA, interval, points, read
from bench.learning.crowd_baselines import dawid_skene, majority, trust_weighted
from shared.domain.learning.crowd import Vote, aggregate

VOTES = [
    Vote("i", "good", "a"),
    Vote("i", "bad", "b"),
    Vote("i", "worse", "b"),
    Vote("j", "good", "b"),
    Vote("j", "bad", "a"),
    Vote("k", "good", "a"),
    Vote("k", "worse", "b"),
]
TRUTH = {"i": "a", "j": "b", "k": "a"}


def test_a_tie_gives_each_label_on_top_an_equal_share():
    assert points(majority(VOTES), TRUTH) == [0.0, 0.5, 0.5]


def test_votes_weighed_by_trust_follow_who_was_right_on_what_was_revealed():
    scores = trust_weighted(VOTES * 3, TRUTH, {"j", "k"})
    assert points(scores, TRUTH) == [1.0, 1.0, 1.0]


def test_items_without_votes_are_left_out_of_the_truth():
    votes, truth = read(DATA, "web")
    assert len(truth) == 2653
    assert set(truth) <= {one.item for one in votes}


def test_the_interval_holds_the_mean_and_is_the_same_every_time():
    differences = [0.0] * 90 + [1.0] * 10
    low, high = interval(differences)
    assert low < 0.1 < high
    assert interval(differences) == (low, high)
    assert interval([0.5] * 20) == (0.5, 0.5)


@pytest.fixture(scope="module")
def bluebird():
    return read(DATA, "bluebird")


def test_votes_are_weighed_no_worse_than_by_the_better_of_the_two(bluebird):
    votes, truth = bluebird
    plain = statistics.fmean(points(majority(votes), truth))
    skene = statistics.fmean(points(dawid_skene(votes), truth))
    found = aggregate(votes).items
    ours = statistics.fmean(found[item].label == label for item, label in truth.items())
    assert plain == pytest.approx(0.7593, abs=0.0001)
    assert skene > plain + 0.1
    assert ours >= max(plain, skene) - 0.005
