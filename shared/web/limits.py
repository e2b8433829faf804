"""Rate limits per key: so many a minute, and no more than the burst within one second.

Kept in this process's memory: right for one process, and a second line of defence behind the load
balancer's limits where there are many.
"""

from collections import deque

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter

from shared.domain.access import Caller
from shared.errors import RateLimited
from shared.ports import Clock

_KEYS = 20_000
"""Windows that are remembered, at most; then those that have passed are forgotten."""


class RateLimits:
    """Counts requests.

    Args:
        burst: requests within one second, at most.
        clock: its monotonic time counts, so that a clock that is set moves no window.
    """

    def __init__(self, burst: int, clock: Clock) -> None:
        self._burst = burst
        self._clock = clock
        self._windows = MovingWindowRateLimiter(_Windows(clock))

    def check(self, caller: Caller) -> None:
        """Counts one request of a key that has a limit.

        Raises:
            RateLimited: over it; says when to try again.
        """
        if caller.rate_per_minute is None:
            return
        who = f"{caller.workspace}/{caller.subject}"
        self._hit(RateLimitItemPerSecond(min(self._burst, caller.rate_per_minute)), who)
        self._hit(RateLimitItemPerMinute(caller.rate_per_minute), who)

    def _hit(self, window: RateLimitItem, who: str) -> None:
        if self._windows.hit(window, who):
            return
        reset = self._windows.get_window_stats(window, who).reset_time
        raise RateLimited(
            f"over {window.amount} requests a {window.GRANULARITY.name} with this key",
            retry_after_s=max(0.0, reset - self._clock.monotonic_s()),
        )


class _Windows(Storage, MovingWindowSupport):
    """The moments of the requests in each window.

    The library's own memory reads the system clock, and starts a thread to forget.
    """

    STORAGE_SCHEME = None
    base_exceptions = ()

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._moments: dict[str, tuple[int, deque[float]]] = {}

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Takes `amount` places in the window of `expiry` seconds; False where it has fewer."""
        now = self._clock.monotonic_s()
        moments = self._current(key, expiry, now)
        if len(moments) + amount > limit:
            return False
        moments.extend([now] * amount)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002 -- the library's interface
        """Returns when the oldest request of the window was, and how many there are."""
        now = self._clock.monotonic_s()
        moments = self._current(key, expiry, now)
        return (moments[0] if moments else now), len(moments)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Fixed windows are not kept here."""
        raise NotImplementedError

    get_expiry = get = clear = incr  # type: ignore[assignment]

    def check(self) -> bool:
        """Tells that memory is there."""
        return True

    def reset(self) -> int:
        """Forgets every window and returns how many there were."""
        known = len(self._moments)
        self._moments.clear()
        return known

    def _current(self, key: str, expiry: int, now: float) -> deque[float]:
        known = self._moments.get(key)
        if known is None:
            if len(self._moments) >= _KEYS:
                self._forget(now)
            known = self._moments[key] = (expiry, deque())
        _, moments = known
        while moments and moments[0] <= now - expiry:
            moments.popleft()
        return moments

    def _forget(self, now: float) -> None:
        self._moments = {
            key: (expiry, moments)
            for key, (expiry, moments) in self._moments.items()
            if moments and moments[-1] > now - expiry
        }
