"""Time and randomness."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Returns the current time, aware, UTC."""

    def now_text(self) -> str:
        """Returns the current time as a `Timestamp`."""

    def monotonic_s(self) -> float:
        """Returns seconds of a clock that never goes back; only differences mean something."""


class Ids(Protocol):
    """Randomness."""

    def new(self, prefix: str) -> str:
        """Returns `<prefix>_` and 20 random characters (100 bits)."""

    def secret(self) -> str:
        """Returns a URL-safe secret of 256 bits."""

    def uniform(self) -> float:
        """Returns a random number in [0, 1)."""
