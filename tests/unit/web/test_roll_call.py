"""Roll call: every function is told of, whoever answers, and nobody is waited for twice."""

import asyncio
import json
from typing import get_args

from shared.errors import Unavailable
from shared.messages.events import FunctionName
from shared.web.health import Checked, HealthReport
from shared.web.roll_call import roll_call

FINE = {"store": Checked(status="ok", latency_ms=1.0)}
BROKEN = {"store": Checked(status="failed", latency_ms=2000.0)}


def report(function="console", checks=FINE, peers=()):
    status = "ok" if checks is FINE else "degraded"
    return HealthReport(
        status=status,
        function=function,
        version="1",
        checks=checks,
        functions={one.function: one for one in peers},
    )


def saying(**fields):
    async def ask():
        return json.dumps({"version": "2", "checks": {}, **fields}).encode()

    return ask


async def silent():
    raise Unavailable("the function serve did not answer in time")


def called(own, asks):
    return {one.function: one for one in asyncio.run(roll_call(own, asks))}


def test_every_function_is_told_of_once_in_the_order_of_the_loop():
    found = asyncio.run(roll_call(report(), {}))
    assert [one.function for one in found] == list(get_args(FunctionName))
    assert {one.function for one in found if one.status == "unasked"} == {
        *get_args(FunctionName)
    } - {"console"}


def test_functions_of_this_process_tell_by_themselves_and_are_not_asked():
    found = called(report(peers=[report("serve", BROKEN)]), {"serve": silent})
    assert (found["serve"].status, found["console"].status) == ("degraded", "ok")


def test_another_process_is_asked_and_its_version_and_checks_are_told():
    slow = {"store": {"status": "failed", "latency_ms": 2000.0}}
    found = called(report(), {"submit": saying(status="degraded", checks=slow)})
    submit = found["submit"]
    assert (submit.status, submit.version) == ("degraded", "2")
    assert submit.checks["store"].status == "failed"
    assert submit.answered_ms is not None


def test_a_report_of_a_later_version_is_still_read():
    found = called(report(), {"submit": saying(status="ok", function="submit", new_field=[1])})
    assert found["submit"].status == "ok"


def test_who_does_not_answer_or_answers_nonsense_is_told_as_silent():
    asks = {"serve": silent, "submit": saying(status="splendid"), "approve": saying(status="ok")}
    found = called(report(), asks)
    assert [found[name].status for name in asks] == ["silent", "silent", "ok"]


def test_all_are_asked_at_once():
    async def scenario():
        waiting = 0
        everyone = asyncio.Event()

        async def ask():
            nonlocal waiting
            waiting += 1
            if waiting == 2:
                everyone.set()
            await everyone.wait()
            return await saying(status="ok")()

        async with asyncio.timeout(5):
            found = await roll_call(report(), {"serve": ask, "submit": ask})
        assert sum(one.status == "ok" for one in found) == 3

    asyncio.run(scenario())
