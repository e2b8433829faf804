"""The judge on traffic of a real server, recorded without and with an injected fault."""

import re
from dataclasses import replace

from deploying.judging import Limits, Observation, Pair, Ratings, judge, slow_bounds
from tests.unit.deploying.recording import FOLDER, RUNS, traffic

RECORDED = {name: traffic((FOLDER / f"{name}.txt").read_text("utf-8")) for name in RUNS}
RATINGS = Ratings((2, 4, 12, 36, 46))
LIMITS = Limits(required=("errors", "quality"))


def seen(canary: str) -> Observation:
    stable = RECORDED["stable"]
    pair = Pair(stable, RECORDED[canary], slow_bounds(stable))
    return Observation({"serve": pair}, RATINGS, RATINGS)


def test_the_recordings_are_of_what_was_sent():
    for name, (requests, fails_at) in RUNS.items():
        assert RECORDED[name].requests == requests
        assert RECORDED[name].errors == (requests // fails_at if fails_at else 0)


def test_a_second_run_of_the_same_code_is_kept():
    assert judge(seen("good"), LIMITS).verdict == "promote"


def test_the_run_with_failing_providers_is_reverted_for_its_errors():
    found = judge(seen("faulty"), LIMITS)
    assert found.verdict == "revert"
    assert re.match(r"worse: serve: errors 6\.67% against 0\.00%", found.reason)


def test_a_handful_of_the_good_run_is_not_enough_to_promote():
    few = replace(RECORDED["good"], requests=20)
    pair = Pair(RECORDED["stable"], few, ())
    assert judge(Observation({"serve": pair}, RATINGS, RATINGS), LIMITS).verdict == "wait"
