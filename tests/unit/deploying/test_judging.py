"""The judge's verdicts on given figures."""

import math
from dataclasses import replace

import pytest

from deploying.judging import Limits, Observation, Pair, Ratings, judge, slow_bounds
from shared.domain.learning.sequential import combined, mean_above, share_above, share_below
from shared.domain.traffic import Traffic

BOUNDS = (0.1, 0.5, 1.0, math.inf)
LIMITS = Limits()


def traffic(requests: int, errors: int = 0, slow: int = 0) -> Traffic:
    return Traffic(requests, errors, BOUNDS, (requests - slow, 0, slow, 0))


def ratings(n: int, low: int = 0) -> Ratings:
    return Ratings((low, 0, 0, n - low, 0))


def release(canary: Traffic, canary_ratings: Ratings | None = None) -> Observation:
    return Observation(
        {"serve": Pair(traffic(18_000, 36, 150), canary, (0.5,))},
        ratings(1800),
        ratings(200) if canary_ratings is None else canary_ratings,
    )


def test_a_canary_that_does_as_well_is_promoted():
    found = judge(release(traffic(2000, 4, 17)), LIMITS)
    assert found.verdict == "promote"
    assert found.harm < 2


def test_a_canary_that_answers_nothing_but_errors_is_reverted_after_a_dozen_requests():
    found = judge(release(traffic(12, 12)), LIMITS)
    assert found.verdict == "revert"
    assert "serve: errors 100.00% against 0.20%" in found.reason


def test_a_slow_canary_is_reverted_and_the_bound_is_named():
    found = judge(release(traffic(2000, 4, 80)), LIMITS)
    assert found.verdict == "revert"
    assert "serve, over 0.5 s: slow requests 4.00%" in found.reason


def test_worse_ratings_revert_though_every_answer_is_fast_and_without_error():
    found = judge(release(traffic(2000, 4, 17), ratings(200, low=40)), LIMITS)
    assert found.verdict == "revert"
    assert "mean rating 3.40 against 4.00" in found.reason


def test_better_ratings_are_never_a_reason_to_revert():
    seen = release(traffic(2000, 4, 17), Ratings((0, 0, 0, 0, 200)))
    assert judge(seen, LIMITS).verdict == "promote"


def test_without_ratings_nothing_is_promoted_but_where_quality_is_not_asked_for():
    seen = replace(release(traffic(2000, 4, 17)), canary_ratings=Ratings())
    held = judge(seen, LIMITS)
    assert (held.verdict, held.reason) == ("wait", "too little evidence that all is well: quality")
    assert judge(seen, replace(LIMITS, required=("errors", "latency"))).verdict == "promote"


@pytest.mark.parametrize("canary", [traffic(0), traffic(5)])
def test_a_canary_that_hardly_got_any_requests_is_not_promoted(canary):
    found = judge(release(canary), LIMITS)
    assert found.verdict == "wait"
    assert "errors, latency" in found.reason


def test_nothing_seen_at_all_is_no_evidence():
    found = judge(Observation({}), LIMITS)
    assert (found.verdict, found.harm) == ("wait", 1.0)


def test_ratings_below_the_least_number_say_nothing():
    seen = release(traffic(2000, 4, 17), ratings(49, low=49))
    quality = next(one for one in judge(seen, LIMITS).findings if one.kind == "quality")
    assert (quality.harm, quality.safety) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("counts", "bounds"),
    [
        ((1000, 0, 0, 0), (0.1,)),
        ((900, 50, 50, 0), (0.5, 1.0)),
        ((900, 95, 5, 0), (0.1, 0.5)),
        ((0, 0, 0, 10), (1.0,)),
        ((0, 0, 0, 0), ()),
    ],
)
def test_slow_begins_around_the_99th_percentile(counts, bounds):
    assert slow_bounds(Traffic(sum(counts), 0, BOUNDS, counts)) == bounds


def test_evidence_against_a_share_grows_with_each_hit_and_shrinks_with_each_miss():
    hits = [share_above(count, 20, 0.1, 0.18, 10) for count in range(21)]
    assert hits == sorted(hits)
    assert hits[0] < 1 < hits[20]
    assert share_above(0, 0, 0.1, 0.18, 10) == 1.0


def test_the_average_evidence_of_the_hypothesis_itself_is_one():
    share, n = 0.1, 30
    chances = [math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
    above = [share_above(k, n, share, 0.18, 10) for k in range(n + 1)]
    below = [share_below(k, n, share, 0.05, 100) for k in range(n + 1)]
    for values in (above, below):
        mean = sum(one * chance for one, chance in zip(values, chances, strict=True))
        assert mean == pytest.approx(1, abs=1e-9)


def test_the_evidence_of_a_mean_is_that_of_the_integral_it_stands_for():
    difference, variance, scale, step = 0.3, 0.02, 0.4, 0.0005
    density = 2 / (scale * math.sqrt(2 * math.pi))
    steps = [i * step for i in range(1, 8000)]
    integral = step * sum(
        density
        * math.exp(-one * one / (2 * scale * scale))
        * math.exp(one * difference / variance - one * one / (2 * variance))
        for one in steps
    )
    assert mean_above(difference, variance, scale) == pytest.approx(integral, rel=1e-2)


def test_far_on_the_good_side_there_is_no_evidence_of_harm_however_much_is_seen():
    assert share_above(0, 10**6, 0.1, 0.18, 10) == 0.0
    assert share_above(90_000, 10**6, 0.1, 0.18, 10) < 1e-3
    near = [mean_above(-one, 0.01, 0.4) for one in (0.79, 0.8, 0.81, 0.85, 0.9)]
    assert near == sorted(near, reverse=True)
    assert 0 < near[-1] < 0.05


def test_endless_evidence_stays_a_number():
    assert math.isfinite(mean_above(1e9, 1e-9, 1.0))
    assert mean_above(-1e9, 1e-9, 1.0) < 1e-6
    assert math.isfinite(share_above(10**6, 10**6, 1e-6, 1e-5, 10))


def test_evidence_is_combined_by_its_weighted_mean():
    assert combined([1.0, 61.0], [2.0, 1.0]) == pytest.approx(21.0)
    assert combined([], []) == 1.0
