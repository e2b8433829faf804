"""The detector: fair bets, few false alarms, falls are no rises, equal in any batches."""

import json
import random
from dataclasses import asdict, replace
from itertools import pairwise
from math import fsum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.domain.feedback import RatingEvidence
from shared.domain.learning.config import DriftConfig
from shared.domain.learning.drift import (
    BETS,
    BREAKS,
    PAYOFFS,
    Alarm,
    Figures,
    Watch,
    evidence,
    figures,
    tie,
)

CONFIG = DriftConfig()
WATCH = TypeAdapter(Watch)


def row(
    place: int, *, correct: int = 1, quality: int = 5, sign: int = 1, standing: int = 4
) -> RatingEvidence:
    return RatingEvidence(
        at="2026-11-21T08:00:00Z",
        day=20_000 + place // 100,
        feedback_id=f"fb_{place}",
        request_id=f"req_{place}",
        rater="ada",
        pattern="math",
        provider="p",
        model="m",
        snapshot_id="",
        sign=sign,
        quality=quality,
        correct=correct,
        cost_nanousd=0,
        costed=0,
        latency_ms=0,
        timed=0,
        propensity=1.0,
        standing=standing,
    )


def stream(
    seed: int, *parts: tuple[int, float], good: int = 5, bad: int = 2
) -> list[RatingEvidence]:
    """Returns ratings whose share of right answers is that of each part in turn."""
    chance = random.Random(seed)
    shares = [share for count, share in parts for _ in range(count)]
    rows = []
    for place, share in enumerate(shares, start=1):
        right = chance.random() < share
        rows.append(row(place, correct=int(right), quality=good if right else bad))
    return rows


def alarms(rows: list[RatingEvidence], config: DriftConfig = CONFIG) -> list[Alarm]:
    watch = Watch()
    taken = [watch.take(one, place, config) for place, one in enumerate(rows, start=1)]
    return [one for one in taken if one is not None]


@pytest.mark.parametrize("bet", range(BETS))
def test_a_bet_pays_one_on_average_while_nothing_changes(bet: int) -> None:
    edges = [0.0, *BREAKS, 1.0]
    widths = [high - low for low, high in pairwise(edges)]
    mean = fsum(width * PAYOFFS[passed][bet] for passed, width in enumerate(widths))
    assert mean == pytest.approx(1.0, abs=1e-12)


def test_ties_are_broken_evenly() -> None:
    numbers = sorted(tie(f"fb_{number}") for number in range(2000))
    gap = max(abs(one - place / 2000) for place, one in enumerate(numbers))
    assert gap < 0.036  # Kolmogorov's bound at one in ten thousand
    assert 0 < numbers[0] < numbers[-1] < 1


@pytest.mark.parametrize("share", [0.5, 0.84, 0.99])
def test_alarms_stay_below_the_stated_rate_while_nothing_changes(share: float) -> None:
    config = DriftConfig(false_alarm_rate=0.01, min_change=0.0)
    assert len(alarms(stream(7, (6_000, share)), config)) < 60


@pytest.mark.parametrize("seed", range(5))
def test_a_large_fall_is_found_and_said_to_be_one(seed: int) -> None:
    (first, *_) = alarms(stream(seed, (1_000, 0.84), (150, 0.511)))
    assert first.direction == "fall"
    assert 1_000 < first.place <= 1_100
    assert abs(first.place - first.after.n - 1_000) < 40
    assert first.before.value > 0.8
    assert first.after.value < 0.75
    assert first.before.n + first.after.n == first.place
    assert first.evidence >= 10_000


def test_a_rise_is_no_fall() -> None:
    (first, *_) = alarms(stream(3, (600, 0.496), (300, 0.762)))
    assert first.direction == "rise"
    assert first.after.value > first.before.value + 0.1


def test_a_change_of_quality_alone_is_found() -> None:
    chance = random.Random(2)
    before = [row(place, quality=chance.choice([4, 5, 5])) for place in range(1, 401)]
    after = [row(place, quality=chance.choice([2, 3, 4])) for place in range(401, 501)]
    (first, *_) = alarms(before + after)
    assert first.direction == "fall"
    assert first.after.correct == first.after.n


def test_after_a_change_the_new_level_is_the_normal_one() -> None:
    found = alarms(stream(1, (600, 0.9), (900, 0.4)))
    assert [one.direction for one in found] == ["fall"]


def test_a_change_that_does_not_matter_is_not_told() -> None:
    small = stream(5, (3_000, 0.99), (3_000, 0.96))
    assert alarms(small, DriftConfig(min_change=0.2)) == []
    assert alarms(small, DriftConfig(min_change=0.0)) != []


def test_a_small_change_does_not_hide_a_large_one() -> None:
    rows = stream(5, (3_000, 0.99), (3_000, 0.96), (200, 0.5))
    (first,) = alarms(rows, DriftConfig(min_change=0.2))
    assert 6_000 < first.place <= 6_100


def test_few_ratings_prove_nothing() -> None:
    assert alarms(stream(1, (6, 1.0), (6, 0.0))) == []


def test_a_replaced_rating_is_counted_once_and_not_bet_on_again() -> None:
    watch = Watch()
    watch.take(row(1, correct=1, quality=5), 1, CONFIG)
    earned = list(watch.falls)
    watch.take(row(1, correct=1, quality=5, sign=-1), 2, CONFIG)
    again = replace(row(2, correct=0, quality=1), request_id="req_1")
    watch.take(again, 3, CONFIG)
    assert watch.falls == earned
    assert figures(watch.kinds) == Figures(n=1, quality=1, quality_squared=1, correct=0)
    watch.take(row(3), 4, CONFIG)
    assert watch.falls != earned


def test_what_was_taken_back_for_good_has_earned_nothing() -> None:
    """A replaced rating was bet on once, and that stands; of others the bets start anew."""
    known, watch = stream(2, (300, 0.9)), Watch()
    bad = [row(400 + place, correct=0, quality=1) for place in range(6)]
    for place, one in enumerate([*known, *bad], start=1):
        watch.take(one, place, CONFIG)
    feared = watch.evidence
    assert feared > 100
    watch.take(replace(bad[0], sign=-1), 400, CONFIG)
    watch.take(bad[0], 401, CONFIG)
    assert watch.evidence == feared
    for place, one in enumerate(bad, start=500):
        watch.take(replace(one, sign=-1), place, CONFIG)
    watch.take(row(600), 600, CONFIG)
    assert watch.evidence < 2


def test_taking_back_what_was_before_a_change_leaves_no_negative_count() -> None:
    watch = Watch()
    watch.take(row(1, sign=-1), 1, CONFIG)
    assert min(watch.kinds) == 0


def test_a_rating_of_no_standing_is_passed_over_and_a_part_stakes_less() -> None:
    none, part, full = Watch(), Watch(), Watch()
    none.take(row(1, standing=0), 1, CONFIG)
    assert none == Watch()
    for watch, standing in ((part, 1), (full, 4)):
        watch.take(row(1, standing=standing), 1, CONFIG)
    moved = [abs(evidence(watch.falls) - 1.0) for watch in (part, full)]
    assert moved[0] == pytest.approx(moved[1] / 4)


def by(rater: str, rows: list[RatingEvidence]) -> list[RatingEvidence]:
    return [replace(one, rater=rater) for one in rows]


def many(rows: list[RatingEvidence], people: int) -> list[RatingEvidence]:
    """Returns the ratings as given by so many people, drawn for each."""
    chance = random.Random(people)
    return [replace(one, rater=f"p{chance.randrange(people)}") for one in rows]


@pytest.mark.parametrize("people", [1, 3, 60])
def test_one_person_who_rates_everything_the_worst_proves_no_change(people: int) -> None:
    before = many(stream(2, (600, 0.9)), people)
    angry = [row(601 + place, correct=0, quality=1) for place in range(40)]
    assert alarms([*before, *by("angry", angry)]) == []
    (fall,) = alarms([*before, *many(angry, 60)])
    assert fall.direction == "fall"


def test_ratings_taken_back_of_one_who_was_set_aside_do_not_blind_it_to_those_that_follow() -> None:
    before, after = many(stream(1, (400, 0.9)), 60), many(stream(2, (120, 0.4)), 50)
    aside = by("eve", [row(1000 + place, correct=0, quality=3) for place in range(300)])
    known = [one for pair in zip(before, aside, strict=False) for one in pair] + before[300:]
    rows = [*known, *(replace(one, sign=-1) for one in aside), *after]
    last = alarms(rows)[-1]
    assert last.direction == "fall"
    assert len(rows) - 120 < last.place < len(rows) - 80


@pytest.mark.parametrize("people", [1, 3, 10, 60])
def test_a_change_that_everybody_sees_is_noticed_as_soon_whoever_rates(people: int) -> None:
    """Where one or three people give all ratings, that is what is usual of them."""
    rows = stream(4, (400, 0.9), (120, 0.4))
    (alone,), (found,) = alarms(rows), alarms(many(rows, people))
    assert abs(found.place - alone.place) <= 5


def test_the_value_is_the_mean_of_correctness_and_scaled_quality() -> None:
    assert Figures().value == 0.0
    assert Figures(n=2, quality=6, quality_squared=26, correct=1).value == pytest.approx(0.5)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 400), max_size=4), st.integers(0, 3))
def test_kept_and_read_again_between_any_rows_it_gives_the_same_alarms(
    cuts: list[int], seed: int
) -> None:
    rows, watch, found = stream(seed, (250, 0.9), (150, 0.3)), Watch(), []
    for place, one in enumerate(rows, start=1):
        if place in cuts:
            watch = WATCH.validate_json(json.dumps(asdict(watch)))
        alarm = watch.take(one, place, CONFIG)
        found += [] if alarm is None else [alarm]
    assert found == alarms(rows)
    assert found
