"""What the commands tell people, and how they wait."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Console

Say = Callable[[str], None]


class DeployError(Exception):
    """A step could not be done; the message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Times:
    """The time and how to wait for it to pass; tests bring their own."""

    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    wait: Callable[[float], object] = field(default=threading.Event().wait)


def printer(console: Console) -> Say:
    """Returns what prints a line with the time before it."""

    def say(line: str) -> None:
        console.print(f"[dim]{datetime.now(UTC):%H:%M:%S}[/dim] {line}", highlight=False)

    return say


def seconds(text: str) -> float:
    """Returns the seconds that `90s`, `10m` or `2h` stand for.

    Raises:
        ValueError: it is none of these.
    """
    units = {"s": 1, "m": 60, "h": 3600}
    if not text or text[-1] not in units:
        raise ValueError(f"{text!r} is no time: write 90s, 10m or 2h")
    return float(text[:-1]) * units[text[-1]]
