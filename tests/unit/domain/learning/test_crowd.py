"""Votes of a crowd: weighed by reliability, judged against difficulty, never worse for it."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.learning.crowd import ITEM_STRENGTH, ROUNDS, STRENGTHS, Vote, aggregate, ease


def played(
    seed: int,
    abilities: list[float],
    shares: dict[str, float],
    items: int = 100,
    each: int | None = None,
) -> tuple[list[Vote], dict[str, str]]:
    """Returns votes of workers who know the answer or guess evenly, and the truth."""
    chance = random.Random(seed)
    labels = sorted(shares)
    truth, votes = {}, []
    for item in range(items):
        truth[f"i{item}"] = chance.choices(labels, [shares[one] for one in labels])[0]
        for worker in chance.sample(range(len(abilities)), each or len(abilities)):
            knows = chance.random() < abilities[worker]
            label = truth[f"i{item}"] if knows else chance.choice(labels)
            votes.append(Vote(f"i{item}", f"w{worker}", label))
    return votes, truth


def right(votes: list[Vote], truth: dict[str, str]) -> float:
    found = aggregate(votes).items
    return sum(found[item].label == label for item, label in truth.items()) / len(truth)


def majority(votes: list[Vote], truth: dict[str, str]) -> float:
    counts: dict[str, Counter[str]] = {}
    for one in votes:
        counts.setdefault(one.item, Counter())[one.label] += 1
    share = 0.0
    for item, label in truth.items():
        most = max(counts[item].values())
        tied = [one for one, count in counts[item].items() if count == most]
        share += (label in tied) / len(tied)
    return share / len(truth)


def test_two_experts_overrule_five_who_guess() -> None:
    votes, truth = played(1, [0.95, 0.95, 0.05, 0.05, 0.05, 0.05, 0.05], {"a": 0.5, "b": 0.5})
    assert right(votes, truth) > majority(votes, truth) + 0.1
    workers = aggregate(votes).workers
    assert min(workers["w0"].known, workers["w1"].known) > 0.8
    assert max(workers[f"w{one}"].known for one in range(2, 7)) < 0.4


@pytest.mark.no_cover
def test_few_votes_a_worker_do_no_harm() -> None:
    lost = []
    for seed in range(6):
        votes, truth = played(seed, [0.5] * 60, {"a": 0.5, "b": 0.5}, items=60, each=3)
        lost.append(majority(votes, truth) - right(votes, truth))
    assert sum(lost) / len(lost) < 0.02


def test_rare_labels_are_not_swallowed_by_the_frequent_one() -> None:
    votes, truth = played(3, [0.7] * 12, {"a": 0.92, "b": 0.04, "c": 0.04}, items=200, each=5)
    found = aggregate(votes).items
    rare = [item for item, label in truth.items() if label != "a"]
    assert sum(found[item].label == truth[item] for item in rare) / len(rare) > 0.8
    assert right(votes, truth) > majority(votes, truth) - 0.005


def test_who_fails_where_all_fail_has_shown_little() -> None:
    votes = []
    for item in range(40):
        votes += [Vote(f"easy{item}", f"w{one}", "a" if item % 2 else "b") for one in range(5)]
    crowd = aggregate(votes)
    known = {f"hard{item}": "a" for item in range(12)}
    alone = {f"own{item}": "a" for item in range(12)}
    votes += [Vote(item, f"w{one}", "b") for item in known for one in range(4)]
    votes += [Vote(item, "w4", "b") for item in alone]
    judged = aggregate(votes, {**known, **alone})
    assert judged.workers["w0"].known > judged.workers["w4"].known + 0.05
    assert judged.items["hard0"].ease < -0.2
    assert abs(crowd.items["easy0"].ease) < 0.05


def test_true_labels_that_are_known_stand_and_teach_who_is_right() -> None:
    votes = [Vote(f"i{item}", worker, label) for item in range(20) for worker, label in HOSTILE]
    judged = aggregate(votes, {f"i{item}": "a" for item in range(15)})
    assert judged.items["i0"].label == "a"
    assert judged.items["i19"].label == "a"
    assert judged.workers["alone"].known > judged.workers["first"].known


HOSTILE = (("alone", "a"), ("first", "b"), ("second", "b"))


def test_a_known_label_that_nobody_gave_is_kept() -> None:
    judged = aggregate([Vote("i", "w", "a"), Vote("j", "w", "a")], {"i": "z"})
    assert judged.items["i"].label == "z"


def test_no_votes_say_nothing() -> None:
    assert aggregate([]).items == {}
    assert aggregate([]).workers == {}


def test_ease_shrinks_with_few_answers_and_is_nothing_alone() -> None:
    assert ease(0.0, 0) == 0.0
    assert ease(-0.8, 1) == -0.8 / (1 + ITEM_STRENGTH)
    assert ease(-8.0, 10) < ease(-0.8, 1) < 0


VOTE = st.builds(Vote, st.sampled_from("ijk"), st.sampled_from("uvw"), st.sampled_from("abc"))


@settings(max_examples=15, deadline=None)
@given(st.lists(VOTE, min_size=1, max_size=12), st.randoms())
def test_the_order_of_the_votes_leaves_no_trace(votes: list[Vote], chance: random.Random) -> None:
    mixed = list(votes)
    chance.shuffle(mixed)
    judged = aggregate(votes)
    assert judged == aggregate(mixed)
    assert 1 <= judged.rounds <= len(STRENGTHS) * ROUNDS
    assert set(judged.items) == {one.item for one in votes}
    assert all(0 <= one.probability <= 1 and -1 <= one.ease <= 1 for one in judged.items.values())
    assert all(0 < one.known < 1 for one in judged.workers.values())
