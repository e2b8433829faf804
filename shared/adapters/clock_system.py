"""The machine's clock: the clock port wherever the system runs for real."""

import time
from datetime import UTC, datetime

from shared.domain.times import Timestamp


class SystemClock:
    """`Clock` of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_text(self) -> Timestamp:
        return datetime.now(UTC).isoformat(timespec="microseconds")[:26] + "Z"

    def monotonic_s(self) -> float:
        return time.monotonic()
