import pytest

from shared.domain.learning.comparing import LEAST, Pair, compared
from shared.domain.learning.experiments import analyse
from shared.domain.learning.trials import Arm, ArmCounts, Guardrail

SMALL = Arm(name="small", share=0.5, provider="local", model="small")
LARGE = Arm(name="large", share=0.5, provider="other", model="large")


def arm(good, bad, *, cost_usd=0.001, latency_ms=500, failed=0):
    """Returns counts of an arm: `good` ratings of 5 and right, `bad` of 2 and wrong."""
    n = good + bad
    micro = round(cost_usd * 1e6)
    return ArmCounts(
        ratings={"5:1": good, "2:0": bad},
        cost_nanousd=micro * 1000 * n,
        costed=n,
        micro_cost_squared=round(micro * micro * n * 1.05),
        latency_ms=latency_ms * n,
        timed=n,
        latency_squared=round(latency_ms**2 * n * 1.05),
        answered=n,
        failed=failed,
    )


def analysed(small, large, metric="quality", **limits):
    guardrails = [Guardrail(metric=name, limit=limit) for name, limit in limits.items()]
    return analyse([SMALL, LARGE], {"small": small, "large": large}, metric, guardrails)


@pytest.mark.parametrize("metric", ["quality", "correctness", "value"])
def test_a_better_arm_is_called_so_with_an_interval_above_nothing(metric):
    found = analysed(arm(60, 60), arm(110, 10), metric)
    assert found.words.startswith("large is better than small")
    assert found.findings[0].low > 0
    assert found.stopped_by is None


@pytest.mark.parametrize(
    ("metric", "worse"), [("cost", {"cost_usd": 0.003}), ("latency", {"latency_ms": 900})]
)
def test_less_cost_and_latency_are_better(metric, worse):
    found = analysed(arm(100, 0, **worse), arm(100, 0), metric)
    assert found.words.startswith("large is better than small")
    assert found.findings[0].high < 0


def test_arms_alike_are_told_apart_by_nothing():
    found = analysed(arm(80, 20), arm(81, 19))
    assert found.words.startswith("No difference between large and small is shown yet")
    assert found.findings[0].low < 0 < found.findings[0].high


def test_a_worse_arm_is_called_so():
    assert "large is worse than small" in analysed(arm(110, 10), arm(60, 60)).words


@pytest.mark.parametrize(
    ("limits", "large"),
    [
        ({"correctness": 0.1}, arm(60, 60)),
        ({"cost": 0.5}, arm(100, 20, cost_usd=0.004)),
        ({"latency": 0.2}, arm(100, 20, latency_ms=1500)),
        ({"error_share": 1.0}, arm(100, 20, failed=40)),
    ],
    ids=["correctness", "cost", "latency", "errors"],
)
def test_a_guardrail_stops_what_is_shown_to_worsen_by_more_than_its_limit(limits, large):
    found = analysed(arm(100, 20, failed=1), large, "value", **limits)
    assert found.stopped_by is not None
    assert next(iter(limits)) in found.stopped_by


def test_within_its_limit_a_guardrail_lets_an_arm_go_on():
    limits = {"correctness": 0.2, "cost": 4.0, "latency": 1.0, "error_share": 5.0}
    large = arm(95, 25, cost_usd=0.004, latency_ms=700, failed=3)
    assert analysed(arm(100, 20, failed=2), large, **limits).stopped_by is None


def test_before_the_first_rating_there_is_nothing_to_tell():
    found = analysed(ArmCounts(), ArmCounts(), correctness=0.0)
    [quality, correctness] = found.findings
    assert (quality.n, quality.mean, quality.low) == (0, None, None)
    assert correctness.worse == 1.0
    assert "mean rating: 0 counted so far, 0 of the other side." in found.words


def test_cost_waits_for_enough_answers():
    few = arm(LEAST - 1, 0)
    assert Pair("cost", few, arm(200, 0, cost_usd=1.0), 0.5).worse() == 1.0


def test_the_interval_narrows_around_the_difference():
    widths = []
    for n in (1, 4, 16):
        found = compared(
            "large", Pair("quality", arm(30 * n, 10 * n), arm(20 * n, 20 * n), 0.5), 40
        )
        assert found.low <= found.mean - found.first_mean <= found.high
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.8
