"""Groups and the log of changes: a fold, with a sentence for each state."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.learning.changes import GroupName, as_evidence, new_group
from shared.domain.learning.config import DriftConfig
from shared.domain.learning.drift import Figures
from shared.domain.learning.drift_groups import advance
from shared.domain.learning.drift_words import told, told_change
from tests.unit.domain.learning.test_drift import row, stream

CONFIG = DriftConfig()
NAME = GroupName("math", "p", "m")
NOW = "2026-11-21T08:00:00.000000Z"


def placed(rows, start=1):
    return list(enumerate(rows, start=start))


def after(*parts, seed=1, config=CONFIG):
    found = advance(new_group(NAME, NOW), placed(stream(seed, *parts)), config, NOW)
    return found.group, found.changes


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 500), max_size=5), st.integers(0, 2))
def test_pages_of_any_size_lead_to_the_same_group_and_changes(cuts, seed):
    rows = placed(stream(seed, (250, 0.9), (150, 0.3), (150, 0.95)))
    group, found = new_group(NAME, NOW), []
    for start, end in pairwise([0, *sorted(cuts), len(rows)]):
        group, some, *_ = advance(group, rows[start:end], CONFIG, NOW)
        found += some
    assert (group, found) == advance(new_group(NAME, NOW), rows, CONFIG, NOW)[:2]
    assert [one.epoch for one in found] == list(range(1, len(found) + 1))
    assert found


def test_a_group_has_an_id_that_any_store_takes():
    assert NAME.id.isalnum()
    assert NAME.id != GroupName("math", "p/m", "").id


@pytest.mark.parametrize(
    ("parts", "status", "says"),
    [
        (((5, 0.9),), "new", "too few ratings"),
        (((300, 0.9),), "stable", "looks as it did"),
        (((300, 0.9), (80, 0.3)), "fallen", "has not recovered"),
        (((300, 0.3), (30, 0.95)), "risen", "better than it was"),
        (((200, 0.95), (10, 0.4)), "unproven", "not proven"),
    ],
)
def test_each_status_has_a_sentence_with_its_figures(parts, status, says):
    group, _ = after(*parts, seed=3)
    assert group.status == status
    assert says in told(group, CONFIG)
    assert "m on math" in told(group, CONFIG)
    assert "ratings)" in told(group, CONFIG)


def test_a_change_is_told_with_its_figures_and_its_rate():
    group, (change,) = after((300, 0.9), (80, 0.3))
    assert group.fallen_from == change.before
    words = told_change(change)
    assert words.startswith("p/m on math fell from a score of 9")
    assert "at most once in 10,000 ratings" in words
    rise = replace(change.after, n=1)
    risen = change.model_copy(update={"direction": "rise", "after": rise})
    assert "rose from" in told_change(risen)


def test_a_fall_that_nobody_has_rated_since_is_told_as_that():
    group, _ = after((300, 0.9), (80, 0.3))
    unrated = group.model_copy(update={"now": Figures()})
    assert told(unrated, CONFIG).endswith("and has not recovered: no rating since.")


def test_a_second_fall_is_one_from_where_the_first_began():
    group, changes = after((300, 0.98), (150, 0.6), (150, 0.05))
    assert [one.direction for one in changes] == ["fall", "fall"]
    assert group.fallen_from == changes[0].before
    assert group.epoch == 2


def test_a_rise_to_about_where_it_was_ends_a_fall_and_one_to_less_does_not():
    group, changes = after((300, 0.9), (150, 0.1), (150, 0.95))
    assert [one.direction for one in changes][:2] == ["fall", "rise"]
    assert group.fallen_from is None
    partly, _ = after((300, 0.98), (150, 0.1), (100, 0.6))
    assert partly.fallen_from is not None


def test_a_false_alarm_ends_by_itself():
    group, _ = after((300, 0.9), (80, 0.3))
    good = [row(place) for place in range(1, 200)]
    ended = advance(group, placed(good, 1000), CONFIG, NOW).group
    assert ended.fallen_from is None
    assert ended.unsettled


def test_a_change_is_folded_with_the_ratings_that_proved_it():
    rows = placed(stream(1, (300, 0.9), (80, 0.3)))
    _, (change,), _, (stands,) = advance(new_group(NAME, NOW), rows, CONFIG, NOW)
    found = as_evidence(stands)
    assert (found.epoch, found.since, found.place, found.day) == (1, 1, change.place, change.day)
    assert Figures(found.n, found.quality, found.quality_squared, found.correct) == change.after
