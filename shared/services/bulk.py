"""Bulk: makes what consists of very many objects, without the collector of cycles looking on.

The collector looks through new objects again each time that some thousands of them were made. A run
over 10,000 groups makes a million, none of them in a cycle.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Rest:
    """How many are at work for whom the collector rests, and whether it was on before the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._was_on = True

    def begin(self) -> None:
        with self._lock:
            if self._count == 0:
                self._was_on = gc.isenabled()
                gc.disable()
            self._count += 1

    def end(self) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0 and self._was_on:
                gc.enable()


_rest = _Rest()


@contextmanager
def in_bulk() -> Iterator[None]:
    """Has the collector rest, in the whole process, until the last that is within this is done."""
    _rest.begin()
    try:
        yield
    finally:
        _rest.end()
