import pytest

from shared.domain.learning.canary import Rules, judge, sentence
from shared.domain.learning.trials import CANDIDATE, CURRENT, ArmCounts, Comparison

RULES = Rules(margin=0.1, min_ratings=30, min_s=3600)
LONG = 7200.0


def counts(**ratings):
    """Returns counts of `q<score><r|w>`: how many ratings of that score, right or wrong."""
    return ArmCounts(ratings={f"{key[1]}:{int(key[2] == 'r')}": n for key, n in ratings.items()})


GOOD = counts(q5r=120, q4r=60, q2w=20)
FEW_GOOD = counts(q5r=6, q4r=3, q2w=1)
BAD = counts(q5r=20, q4r=30, q2w=50)
SLIGHTLY_WORSE = counts(q5r=1100, q4r=600, q2w=300)
WRONG = counts(q5r=60, q4r=30, q5w=60, q4w=30, q2w=20)


def judged(current, candidate, *, running_s=LONG, rules=RULES):
    return judge({CURRENT: current, CANDIDATE: candidate}, 0.5, running_s, rules)


def test_a_candidate_as_good_is_promoted():
    found = judged(GOOD, GOOD)
    assert (found.verdict, found.quarantine) == ("promote", False)
    assert found.safety >= 20
    assert "holds up within 10%" in found.words


def test_a_real_fall_of_more_than_a_tenth_is_reverted_and_quarantined():
    found = judged(GOOD, BAD)
    assert (found.verdict, found.quarantine) == ("revert", True)
    assert "a real fall of more than 10%" in found.words
    assert "(100 counted)" in found.words


def test_a_real_fall_of_less_is_reverted_without_quarantine():
    many = counts(q5r=1200, q4r=600, q2w=200)
    found = judged(many, SLIGHTLY_WORSE, rules=Rules(0.3, 30, 3600))
    assert (found.verdict, found.quarantine) == ("revert", False)


def test_falling_correctness_reverts_where_the_ratings_hold():
    found = judged(GOOD, WRONG)
    assert found.verdict == "revert"
    assert (
        "right answers 45.0 of 100 (200 counted) against 90.0 of 100 (200 counted)" in found.words
    )


@pytest.mark.parametrize(
    ("metric", "first", "arm", "low", "high", "said"),
    [
        ("quality", 4.098, 4.041, -0.604, 0.49, ["4.04 (7", "4.10 (9", "0.60 less to 0.49 more"]),
        ("value", 0.9, 0.856, -0.1, 0.004, ["score 85.6 of 100", "10.0 points less to 0.4 points"]),
        ("error_share", 0.0, 0.25, 0.0, 0.5, ["answers 25.0 of 100", "0.0 points more to 50.0"]),
        ("cost", 2.6e-5, 3e-5, -1e-6, 1e-5, ["$0.030 (7", "$0.026 (9", "$0.0010 less to $0.010 m"]),
        ("latency", 900.4, 12_345.6, 9_000, 14_000, ["12,346 ms (7", "900 ms (9", "9,000 ms more"]),
    ],
)
def test_a_comparison_is_told_in_the_unit_of_its_metric(metric, first, arm, low, high, said):
    ends = {"low": low, "high": high, "worse": 1.0, "better": 1.0}
    found = Comparison(metric=metric, arm="b", n_first=9, n=7, first_mean=first, mean=arm, **ends)
    assert [part for part in said if part not in sentence(found)] == []


@pytest.mark.parametrize(
    ("candidate", "running_s", "said"),
    [
        (FEW_GOOD, LONG, "10 of at least 30 ratings"),
        (GOOD, 60.0, "it runs for 1 hours at least"),
        (ArmCounts(), LONG, "0 of at least 30 ratings"),
    ],
    ids=["few ratings", "too early", "none"],
)
def test_it_waits_and_says_for_what(candidate, running_s, said):
    found = judged(GOOD, candidate, running_s=running_s)
    assert found.verdict == "wait"
    assert said in found.words


def test_harm_is_not_waited_for():
    assert judged(GOOD, counts(q1w=12), running_s=1.0).verdict == "revert"


def test_what_is_neither_shown_better_nor_worse_goes_on():
    found = judged(counts(q5r=10, q1w=10), counts(q5r=20, q1w=20))
    assert found.verdict == "wait"
    assert (
        "that quality fell by less than 10% is not proven (the evidence is 0.4, and 20 is needed)"
        in found.words
    )


def test_the_receipt_has_the_figures_that_decided():
    evidence = judged(GOOD, BAD).evidence()
    assert evidence["reverts_at"] == 20
    assert evidence["evidence_of_harm"] >= 20
    [quality, correctness] = evidence["findings"]
    assert (quality["n_first"], quality["n"]) == (200, 100)
    assert quality["low"] <= quality["mean"] - quality["first_mean"] <= quality["high"] < 0
    assert correctness["metric"] == "correctness"
