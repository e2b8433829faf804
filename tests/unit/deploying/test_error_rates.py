"""The judge's error rates, by simulation: twelve looks in two hours, a tenth of the traffic.

The bounds are those that docs/decisions states, each with what chance leaves to them: the standard
error of a share of 0.05 is 0.011 over 400 replications and 0.020 over 120.
"""

import pytest

from deploying.judging import Limits
from tests.unit.deploying.releases import Release, Simulation, verdicts

REPLICATIONS = 400
FEWER = 120

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # the same lines, a million times


def test_a_good_release_is_reverted_in_no_more_than_five_of_a_hundred():
    found = verdicts(Release(), REPLICATIONS)
    assert found["revert"] <= Limits().false_revert
    assert found["promote"] >= 0.95


@pytest.mark.parametrize(
    "release",
    [
        Release(requests=60, ratings=15, services=8),
        Release(error_share=0.05),
        Release(share=0.5, requests=200, ratings=60),
        Release(error_share=0.0),
        Release(slower=0.6),
    ],
    ids=["little traffic", "many errors", "half the traffic", "no errors", "faster"],
)
def test_no_kind_of_traffic_makes_a_good_release_look_bad(release):
    assert verdicts(release, FEWER)["revert"] <= Limits().false_revert


def test_a_drop_of_a_tenth_in_quality_is_reverted_nine_times_in_ten_with_180_ratings():
    release = Release(ratings=150)
    simulation = Simulation(Release(ratings=150, drop=0.10), seed=2)
    played = [simulation.play() for _ in range(REPLICATIONS)]
    reverted = [one for one, _, _ in played if one.verdict == "revert"]
    assert len(reverted) / REPLICATIONS >= 0.88
    assert release.ratings * 12 * release.share == 180
    assert all("mean rating" in one.reason for one in reverted[:20])


@pytest.mark.parametrize(
    "release",
    [
        Release(drop=0.10),
        Release(more_errors=10),
        Release(error_share=0.02, more_errors=3),
        Release(slower=1.5),
    ],
    ids=["a tenth less quality", "2 % errors", "6 % instead of 2 % errors", "half as slow again"],
)
def test_a_regression_of_the_stated_size_is_reverted_nine_times_in_ten(release):
    assert verdicts(release, FEWER)["revert"] >= 0.90


@pytest.mark.parametrize(
    "release",
    [
        Release(drop=0.10),
        Release(drop=0.10, ratings=60),
        Release(more_errors=6, services=1),
        Release(slower=1.5, services=1, requests=300),
    ],
    ids=["quality", "few ratings", "errors", "latency"],
)
def test_harm_of_the_margin_is_promoted_in_no_more_than_five_of_a_hundred(release):
    assert verdicts(release, FEWER)["promote"] <= Limits().false_promote


def test_little_traffic_is_no_reason_to_promote():
    assert verdicts(Release(requests=20, ratings=3), 200)["wait"] >= 0.95
