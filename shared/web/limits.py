"""Rate limits per key: a bucket of so many requests, filled again evenly at so many a minute.

Kept in this process's memory: right for one process, and a second line of defence behind the load
balancer's limits where there are many. docs/decisions/0024 says why no library is used.
"""

from shared.domain.access import Caller
from shared.errors import RateLimited
from shared.ports import Clock

_KEYS = 20_000
"""Buckets that are remembered, at most; then the one that was not asked for longest is full."""

_ROUNDING_S = 1e-6


class RateLimits:
    """Counts requests.

    Args:
        burst: requests at once, at most, with a key whose bucket is full.
        clock: its monotonic time counts, so that a clock that is set fills no bucket.
    """

    def __init__(self, burst: int, clock: Clock) -> None:
        self._burst = burst
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def check(self, caller: Caller) -> None:
        """Takes one request out of the bucket of a key that has a limit.

        A bucket is the one moment at which it will be full: each request puts it off by the time
        that one request takes to come back (the "virtual scheduling" of ITU-T I.371).

        Raises:
            RateLimited: the bucket is empty; says when the next request comes back. Nothing was
                taken.
        """
        rate = caller.rate_per_minute
        if rate is None:
            return
        who = f"{caller.workspace}/{caller.subject}"
        now = self._clock.monotonic_s()
        each_s = 60 / rate
        size = min(self._burst, rate)
        full_at = max(self._full_at.pop(who, now), now)
        missing_s = full_at + each_s - (now + size * each_s)
        empty = missing_s > _ROUNDING_S
        self._remember(who, full_at if empty else full_at + each_s)
        if empty:
            raise RateLimited(
                f"over {rate} requests a minute, or over {size} at once, with this key",
                retry_after_s=missing_s,
            )

    def _remember(self, who: str, full_at: float) -> None:
        if len(self._full_at) >= _KEYS:
            del self._full_at[next(iter(self._full_at))]
        self._full_at[who] = full_at
