"""Waiting for what must happen, however slow the machine is: given up only where nothing moves."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

STILL_S = 90.0
"""Seconds without any movement after which it is taken for stuck."""

LOOK_S = 0.1


def until(
    found: Callable[[], T],
    moves: Callable[[], object] = lambda: None,
    *,
    still_s: float = STILL_S,
    look_s: float = LOOK_S,
) -> T:
    """Returns what `found` returns once it is true.

    Args:
        found: what is waited for.
        moves: returns how far things are; each change of it is movement. What is waited for may
            tell it by itself: something false that changes is movement too.
        still_s: seconds without movement after which it fails.
        look_s: seconds between two looks.
    """
    state: object = None
    deadline = time.monotonic() + still_s
    while not (result := found()):
        now = (result, moves())
        if now != state:
            state, deadline = now, time.monotonic() + still_s
        assert time.monotonic() < deadline, f"nothing has moved for {still_s} s: {state}"
        time.sleep(look_s)
    return result
