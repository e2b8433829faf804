"""So many requests a minute with a key, and no more than the burst at once."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.access import Caller
from shared.errors import RateLimited
from shared.web import limits
from tests.fakes.clock import ManualClock
from tests.support.system import play
from tests.unit.web.probe import Rates, check_problem, client, make_app

ROUNDING_S = 1e-5
"""What a wait may be short of, in the arithmetic of floating-point seconds: at the very moment when
a request comes back, one may be refused and told to wait for 0 s."""

KEY = Caller("default", "key:a", frozenset({"submit"}), rate_per_minute=60)


def passes(rates, caller, times):
    """Returns how many of so many requests pass, and when the first refused may come again."""
    for number in range(times):
        try:
            rates.check(caller)
        except RateLimited as error:
            return number, error.retry_after_s
    return times, None


def test_a_full_bucket_gives_its_burst_at_once():
    assert passes(Rates(20, ManualClock()), KEY, 100) == (20, 1.0)


def test_one_request_comes_back_each_second_at_sixty_a_minute():
    clock = ManualClock()
    rates = Rates(20, clock)
    assert passes(rates, KEY, 20)[0] == 20
    clock.advance(0.75)
    assert passes(rates, KEY, 1) == (0, 0.25)
    clock.advance(0.25)
    assert passes(rates, KEY, 9) == (1, 1.0)
    clock.advance(3)
    assert passes(rates, KEY, 9) == (3, 1.0)


def test_a_bucket_holds_no_more_than_its_burst_however_long_it_rests():
    clock = ManualClock()
    rates = Rates(20, clock)
    for days in (0, 1, 100):
        clock.advance(days=days)
        assert passes(rates, KEY, 100)[0] == 20


@given(st.lists(st.floats(0, 90), max_size=40), st.integers(1, 600), st.integers(1, 100))
def test_no_window_passes_more_than_the_burst_and_its_share_of_the_rate(pauses, rate, burst):
    clock = ManualClock()
    rates = Rates(burst, clock)
    key = Caller("default", "key:p", rate_per_minute=rate)
    passed = []
    for pause_s in pauses:
        clock.advance(pause_s)
        number, retry_after_s = passes(rates, key, 3)
        passed += [clock.monotonic_s()] * number
        if retry_after_s is not None:
            assert 0 <= retry_after_s <= 60 / rate + ROUNDING_S
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            allowed = burst + (passed[last] - start) * rate / 60
            assert last - first + 1 <= allowed + 1e-3


@given(st.integers(1, 6000), st.integers(1, 100))
def test_a_refused_request_passes_exactly_when_it_was_told_to_come_again(rate, burst):
    clock = ManualClock()
    rates = Rates(burst, clock)
    key = Caller("default", "key:p", rate_per_minute=rate)
    _, retry_after_s = passes(rates, key, 200)
    assert retry_after_s is not None
    clock.advance(retry_after_s / 2)
    assert passes(rates, key, 1)[0] == 0
    clock.advance(retry_after_s / 2 + ROUNDING_S)
    assert passes(rates, key, 2)[0] == 1


def test_refused_requests_take_nothing():
    clock = ManualClock()
    rates = Rates(1000, clock)
    assert passes(rates, KEY, 100)[0] == 60
    for _ in range(9):
        clock.advance(0.1)
        assert passes(rates, KEY, 1)[0] == 0
    clock.advance(0.1)
    assert passes(rates, KEY, 9)[0] == 1


def test_a_caller_without_a_limit_is_never_refused():
    rates = Rates(1, ManualClock())
    assert passes(rates, Caller("default", "ada", role="admin"), 5000) == (5000, None)


def test_keys_do_not_use_up_each_others_limits():
    rates = Rates(5, ManualClock())
    assert passes(rates, KEY, 9)[0] == 5
    other = Caller("default", "key:b", rate_per_minute=60)
    elsewhere = Caller("other", "key:a", rate_per_minute=60)
    assert passes(rates, other, 9)[0] == 5
    assert passes(rates, elsewhere, 9)[0] == 5


def test_a_small_limit_is_also_the_burst():
    rates = Rates(20, ManualClock())
    assert passes(rates, Caller("default", "key:s", rate_per_minute=2), 9)[0] == 2


def test_setting_the_clock_back_locks_nobody_out():
    clock = ManualClock()
    rates = Rates(20, clock)
    assert passes(rates, KEY, 20)[0] == 20
    clock.set_time(clock.now().replace(year=2020))
    clock.advance(20)
    assert passes(rates, KEY, 20)[0] == 20


def test_of_too_many_keys_the_one_that_rested_longest_is_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "_KEYS", 10)
    rates = Rates(1, ManualClock())
    keys = [Caller("default", f"key:{number}", rate_per_minute=60) for number in range(11)]
    for key in keys[:10]:
        assert passes(rates, key, 1)[0] == 1
    assert passes(rates, keys[0], 1)[0] == 0
    assert passes(rates, keys[10], 1)[0] == 1
    assert passes(rates, keys[0], 1)[0] == 0
    assert passes(rates, keys[1], 1)[0] == 1


def test_over_the_limit_is_429_with_retry_after(tmp_path):
    async def scenario(system):
        key = await system.key("submit", rate_per_minute=60)
        async with client(make_app(system), **{"X-API-Key": key}) as http:
            for _ in range(20):
                assert (await http.get("/machines")).status_code == 200
            response = await http.get("/machines")
            document = check_problem(response, 429)
            assert response.headers["retry-after"] == "1"
            assert "60 requests a minute, or over 20 at once" in document["detail"]
            system.clock.advance(1)
            assert (await http.get("/machines")).status_code == 200
            assert (await http.get("/machines")).status_code == 429
            slow = await system.key("submit", rate_per_minute=1)
            assert (await http.get("/machines", headers={"X-API-Key": slow})).status_code == 200
            system.clock.advance(2.5)
            response = await http.get("/machines", headers={"X-API-Key": slow})
            check_problem(response, 429)
            assert response.headers["retry-after"] == "58"
            unlimited = await system.key("submit")
            for _ in range(100):
                good = await http.get("/machines", headers={"X-API-Key": unlimited})
                assert good.status_code == 200

    play(tmp_path, scenario)
