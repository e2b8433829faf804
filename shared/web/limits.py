"""Rate limits per key: a bucket of so many requests, filled again evenly at so many a minute.

Kept in this process's memory: right for one process, and a second line of defence behind the load
balancer's limits where there are many. docs/decisions/0024 says how the library was chosen.
"""

from functools import cache
from typing import TYPE_CHECKING

from shared.domain.access import Caller
from shared.errors import RateLimited

if TYPE_CHECKING:
    from throttled import MemoryStore, Throttled

_KEYS = 20_000
"""Buckets that are remembered, at most; then the one that was not asked for longest is full."""


class RateLimits:
    """Counts requests, by the generic cell rate algorithm (ITU-T I.371).

    Args:
        burst: requests at once, at most, with a key whose bucket is full.
    """

    def __init__(self, burst: int) -> None:
        self._burst = burst
        self._bucket = cache(self._new_bucket)
        self._store: MemoryStore | None = None

    def check(self, caller: Caller) -> None:
        """Takes one request out of the bucket of a key that has a limit.

        Raises:
            RateLimited: the bucket is empty; says when the next request comes back. Nothing was
                taken.
        """
        rate = caller.rate_per_minute
        if rate is None:
            return
        asked = self._bucket(rate).limit(f"{caller.workspace}/{caller.subject}")
        if asked.limited:
            raise RateLimited(
                f"over {rate} requests a minute, or over {min(self._burst, rate)} at once,"
                " with this key",
                retry_after_s=asked.state.retry_after,
            )

    def _new_bucket(self, rate: int) -> "Throttled":
        """Returns the buckets of all keys with this rate; the library is loaded at the first."""
        from throttled import MemoryStore, Throttled, per_min  # noqa: PLC0415 -- 0.1 s of a start

        if self._store is None:
            self._store = MemoryStore(options={"MAX_SIZE": _KEYS})
        quota = per_min(rate, burst=min(self._burst, rate))
        return Throttled(using="gcra", quota=quota, store=self._store)
