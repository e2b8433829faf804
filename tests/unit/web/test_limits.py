"""So many requests a minute with a key, and no more than the burst within a second."""

import pytest

from shared.domain.access import Caller
from shared.errors import RateLimited
from shared.web import limits
from shared.web.limits import RateLimits
from tests.fakes.clock import ManualClock
from tests.support.system import play
from tests.unit.web.probe import check_problem, client, make_app

KEY = Caller("default", "key:a", frozenset({"submit"}), rate_per_minute=60)


def passes(rates, caller, times):
    """Returns how many of so many requests pass, and when the first refused may come again."""
    for number in range(times):
        try:
            rates.check(caller)
        except RateLimited as error:
            return number, error.retry_after_s
    return times, None


def test_no_more_than_the_burst_within_a_second():
    clock = ManualClock()
    rates = RateLimits(20, clock)
    assert passes(rates, KEY, 100) == (20, 1.0)
    clock.advance(0.75)
    assert passes(rates, KEY, 1) == (0, 0.25)
    clock.advance(0.25)
    assert passes(rates, KEY, 100)[0] == 20


def test_no_more_than_the_limit_within_any_minute():
    clock = ManualClock()
    rates = RateLimits(20, clock)
    for _ in range(3):
        assert passes(rates, KEY, 20) == (20, None)
        clock.advance(2)
    passed, retry_after_s = passes(rates, KEY, 1)
    assert (passed, retry_after_s) == (0, 54.0)
    clock.advance(54)
    assert passes(rates, KEY, 100)[0] == 20
    assert passes(rates, KEY, 1)[0] == 0


def test_refused_requests_do_not_count():
    clock = ManualClock()
    rates = RateLimits(1000, clock)
    assert passes(rates, KEY, 100)[0] == 60
    for _ in range(59):
        clock.advance(1)
        assert passes(rates, KEY, 1)[0] == 0
    clock.advance(1)
    assert passes(rates, KEY, 1)[0] == 1


def test_a_caller_without_a_limit_is_never_refused():
    rates = RateLimits(1, ManualClock())
    assert passes(rates, Caller("default", "ada", role="admin"), 5000) == (5000, None)


def test_keys_do_not_use_up_each_others_limits():
    rates = RateLimits(5, ManualClock())
    assert passes(rates, KEY, 9)[0] == 5
    other = Caller("default", "key:b", rate_per_minute=60)
    elsewhere = Caller("other", "key:a", rate_per_minute=60)
    assert passes(rates, other, 9)[0] == 5
    assert passes(rates, elsewhere, 9)[0] == 5


def test_a_small_limit_is_also_the_burst():
    rates = RateLimits(20, ManualClock())
    assert passes(rates, Caller("default", "key:s", rate_per_minute=2), 9)[0] == 2


def test_setting_the_clock_back_locks_nobody_out():
    clock = ManualClock()
    rates = RateLimits(20, clock)
    assert passes(rates, KEY, 20)[0] == 20
    clock.set_time(clock.now().replace(year=2020))
    clock.advance(1)
    assert passes(rates, KEY, 20)[0] == 20


def test_windows_that_have_passed_are_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "_KEYS", 10)
    clock = ManualClock()
    rates = RateLimits(20, clock)
    for number in range(200):
        rates.check(Caller("default", f"key:{number}", rate_per_minute=60))
        clock.advance(30)
    assert len(rates._windows.storage._moments) <= 12
    assert rates._windows.storage.check()
    assert rates._windows.storage.reset() <= 12
    with pytest.raises(NotImplementedError):
        rates._windows.storage.incr("fixed", 1)


def test_over_the_limit_is_429_with_retry_after(tmp_path):
    async def scenario(system):
        key = await system.key("submit", rate_per_minute=60)
        async with client(make_app(system), **{"X-API-Key": key}) as http:
            for _ in range(20):
                assert (await http.get("/machines")).status_code == 200
            response = await http.get("/machines")
            document = check_problem(response, 429)
            assert response.headers["retry-after"] == "1"
            assert "20 requests a second" in document["detail"]
            for _ in range(2):
                system.clock.advance(1)
                for _ in range(20):
                    assert (await http.get("/machines")).status_code == 200
            system.clock.advance(1.5)
            response = await http.get("/machines")
            check_problem(response, 429)
            assert response.headers["retry-after"] == "57"
            unlimited = await system.key("submit")
            for _ in range(100):
                good = await http.get("/machines", headers={"X-API-Key": unlimited})
                assert good.status_code == 200

    play(tmp_path, scenario)
