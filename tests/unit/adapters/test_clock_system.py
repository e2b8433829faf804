"""The machine's clock."""

from datetime import UTC, datetime, timedelta

from shared.adapters.clock_system import SystemClock
from shared.domain.times import from_text, to_text


def test_now_is_the_time_in_utc():
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.utcoffset() == timedelta(0)


def test_now_text_is_the_time_as_the_domain_writes_it():
    before = to_text(datetime.now(UTC))
    text = SystemClock().now_text()
    assert before <= text <= to_text(datetime.now(UTC))
    assert to_text(from_text(text)) == text


def test_now_text_is_fixed_width_also_at_a_whole_second(monkeypatch):
    whole = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    nanoseconds = int(whole.timestamp()) * 1_000_000_000
    monkeypatch.setattr("shared.adapters.clock_system.time.time_ns", lambda: nanoseconds)
    assert SystemClock().now_text() == "2026-01-31T09:30:00.000000Z"


def test_monotonic_never_goes_back():
    clock = SystemClock()
    readings = [clock.monotonic_s() for _ in range(1000)]
    assert readings == sorted(readings)
