"""Rate limits per key: so many a minute, and no more than the burst within one second.

Kept in this process's memory: right for one process, and a second line of defence behind the load balancer's limits
where there are many.
"""

import time

from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from shared.domain.access import Caller
from shared.errors import RateLimited


class RateLimits:
    """Counts requests.

    Args:
        burst: requests within one second, at most.
    """

    def __init__(self, burst: int) -> None:
        self._burst = burst
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def check(self, caller: Caller) -> None:
        """Counts one request of a key that has a limit.

        Raises:
            RateLimited: over it; says when to try again.
        """
        if caller.rate_per_minute is None:
            return
        who = f"{caller.workspace}/{caller.subject}"
        minute = RateLimitItemPerMinute(caller.rate_per_minute)
        second = RateLimitItemPerSecond(min(self._burst, caller.rate_per_minute))
        for window in (second, minute):
            if not self._windows.hit(window, who):
                reset = self._windows.get_window_stats(window, who).reset_time
                raise RateLimited(
                    f"over {window.amount} requests a {window.GRANULARITY.name} with this key",
                    retry_after_s=max(0.0, reset - time.time()),
                )
