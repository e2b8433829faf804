"""Figures from counters."""

import math

from hypothesis import given
from hypothesis import strategies as st

from shared.domain import review_stats
from shared.domain.entries import Decision, Entry
from shared.domain.review_stats import Verdicts

seconds = st.floats(min_value=0.001, max_value=3e8)

AT = "2026-01-31T00:00:00.000000Z"
ENTRY = Entry(
    id="ent_1",
    state="rejected",
    topic="t",
    content="c",
    content_hash="h",
    confidence_score=0.9,
    risk=0.1,
    submitter="agent",
    submitted_by="agent",
    submitted_at=AT,
    created_at=AT,
    updated_at=AT,
)
DECISION = Decision(
    id="ent_1:000001",
    entry_id="ent_1",
    revision=1,
    content_hash="h",
    verdict="reject",
    reviewer="ada",
    seconds_to_decision=10.0,
    decided_at=AT,
)


def counted(times):
    buckets = {}
    for one in times:
        name = review_stats.bucket(one)
        buckets[name] = buckets.get(name, 0) + 1
    return buckets


@given(st.lists(seconds, min_size=1, max_size=50), st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_a_quantile_is_within_ten_percent_of_the_true_one(times, share):
    true = sorted(times)[max(1, math.ceil(share * len(times))) - 1]
    read = review_stats.quantile(counted(times), share)
    assert abs(read - true) <= 0.1 * true


@given(seconds, seconds)
def test_buckets_sort_as_times_do(one, other):
    if one <= other:
        assert review_stats.bucket(one) <= review_stats.bucket(other)


def test_no_time_at_all_is_the_shortest():
    assert review_stats.bucket(0.0) == "000"
    assert review_stats.quantile({"000": 3}, 0.5) == review_stats.SHORTEST_S


def test_the_longest_time_has_a_bucket():
    assert review_stats.bucket(1e300) == "200"


def test_nothing_counted_has_no_quantile():
    assert review_stats.quantile({}, 0.5) is None


def test_one_decision_adds_to_each_figure_once():
    added = review_stats.increments(DECISION, ENTRY)
    assert added["review"] == {"reject": 1}
    assert added["decisions.day:2026-01-31"] == {"reject": 1}
    assert added["decisions.submitter:agent"] == {"reject": 1, "band4.reject": 1}
    assert added["decisions.seconds"] == {review_stats.bucket(10.0): 1}


def test_an_undone_decision_takes_away_what_it_added():
    added = review_stats.increments(DECISION, ENTRY)
    taken = review_stats.increments(DECISION, ENTRY, times=-1)
    assert added.keys() == taken.keys()
    for counter, amounts in added.items():
        assert taken[counter] == {name: -one for name, one in amounts.items()}


@given(st.floats(min_value=0, max_value=1))
def test_every_confidence_has_its_band(confidence):
    band = review_stats.band(confidence)
    assert band / review_stats.BANDS <= confidence + 1e-9
    assert confidence <= (band + 1) / review_stats.BANDS + 1e-9
    assert 0 <= band < review_stats.BANDS


def test_decisions_are_told_apart_by_band():
    fields = {"approve": 3, "band4.approve": 2, "band4.reject": 1, "band0.approve": 1}
    bands = review_stats.by_band(fields)
    assert bands[4] == Verdicts(2, 1, 0)
    assert bands[0] == Verdicts(1, 0, 0)
    assert bands[1] == Verdicts()


def test_no_figure_starts_with_the_name_of_the_totals():
    """Counters are read by prefix: the totals must not drag the others in."""
    others = {review_stats.SECONDS, review_stats.DAYS, review_stats.SUBMITTERS}
    assert not any(name.startswith(review_stats.TOTALS) for name in others)


def test_the_rate_is_approved_over_all():
    assert Verdicts(3, 1, 1).approval_rate == 0.6
    assert Verdicts().approval_rate == 0.0
    fields = {"approve": 3, "reject": 1, "pending_approval": 8}
    assert review_stats.verdicts(fields) == Verdicts(3, 1, 0)


def decided(approved, rejected, *, stated):
    fields = {}
    for verdict, times in (("approve", approved), ("reject", rejected)):
        made = DECISION.model_copy(update={"verdict": verdict})
        entry = ENTRY.model_copy(update={"confidence_score": stated})
        for name, amounts in review_stats.increments(made, entry, times).items():
            if name == f"{review_stats.SUBMITTERS}agent":
                fields |= {key: fields.get(key, 0) + n for key, n in amounts.items()}
    return review_stats.by_band(fields)


def test_a_confidence_is_taken_at_its_word_until_something_was_decided():
    assert review_stats.borne_out(review_stats.by_band({}), 0.9) is None
    assert review_stats.borne_out(decided(9, 1, stated=0.3), 0.9) is None


def test_who_overstates_is_believed_less_and_who_understates_more():
    assert review_stats.borne_out(decided(2, 3, stated=0.9), 0.9) == 0.65
    assert review_stats.borne_out(decided(20, 80, stated=0.9), 0.9) == 0.233
    assert review_stats.borne_out(decided(40, 0, stated=0.3), 0.3) == 0.922


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0, 1))
def test_a_calibrated_confidence_lies_between_the_stated_and_the_seen(approved, rejected, stated):
    found = review_stats.borne_out(decided(approved, rejected, stated=stated), stated)
    if approved + rejected:
        seen = approved / (approved + rejected)
        assert min(seen, stated) - 0.001 <= found <= max(seen, stated) + 0.001
