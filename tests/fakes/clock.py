"""A clock that stands still until a test moves it; it also serves the demo's made-up days."""

from datetime import UTC, datetime, timedelta

from shared.domain.times import Timestamp, to_text

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class ManualClock:
    """`Clock` that a test moves."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start.astimezone(UTC)
        self._monotonic_s = 0.0

    def now(self) -> datetime:
        return self._now

    def now_text(self) -> Timestamp:
        return to_text(self._now)

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float = 0.0, *, days: float = 0.0) -> None:
        """Moves both the time and the monotonic clock on; neither goes back."""
        step = timedelta(seconds=seconds, days=days)
        if step < timedelta(0):
            raise ValueError("a clock does not go back: use set_time")
        self._now += step
        self._monotonic_s += step.total_seconds()

    def set_time(self, moment: datetime) -> None:
        """Sets the time, also back, as an operator may; the monotonic clock does not notice."""
        self._now = moment.astimezone(UTC)
