"""The machine's clock: the clock port wherever the system runs for real."""

import time
from datetime import UTC, datetime

from shared.domain.times import Timestamp


class SystemClock:
    """`Clock` of the machine."""

    def __init__(self) -> None:
        self._second = -1
        self._head = ""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_text(self) -> Timestamp:
        second, nanosecond = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:  # most calls are within the second of the one before
            self._second, self._head = second, datetime.fromtimestamp(second, UTC).isoformat()[:19]
        return f"{self._head}.{nanosecond // 1000:06d}Z"

    def monotonic_s(self) -> float:
        return time.monotonic()
