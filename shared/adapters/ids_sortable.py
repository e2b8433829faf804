"""Ids that begin with the time: what the embedded store likes best.

New records then stand together at the end of the table, and a group of transactions touches few
pages. Firestore wants the opposite (ids that spread), and gets `RandomIds`.
"""

import os
import time

from shared.adapters.ids_random import RandomIds

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_LETTER_OF_BYTE = bytes(ord(_CROCKFORD[byte % 32]) for byte in range(256))
_TIME_LENGTH = 9
_TAIL_LENGTH = 11
_PAIRS = tuple([one + other for one in _CROCKFORD for other in _CROCKFORD])
"""The last two characters of a time: they alone change for a second or so."""


class SortableIds(RandomIds):
    """`Ids` of 9 characters of time (milliseconds, 45 bits) and 11 random ones (55 bits)."""

    def __init__(self) -> None:
        super().__init__()
        self._head_time = -1
        self._head = ""

    def new(self, prefix: str) -> str:
        """See Ids; ids of one process sort by the millisecond they were made in."""
        millisecond = time.time_ns() // 1_000_000
        head_time = millisecond >> 10
        if head_time != self._head_time:
            self._head_time, self._head = head_time, _encode(head_time)
        tail = os.urandom(_TAIL_LENGTH).translate(_LETTER_OF_BYTE).decode()
        return f"{prefix}_{self._head}{_PAIRS[millisecond & 1023]}{tail}"


def _encode(head_time: int) -> str:
    """Returns all characters of a time but its last two."""
    shifts = range(5 * (_TIME_LENGTH - 3), -1, -5)
    return "".join(_CROCKFORD[(head_time >> shift) & 31] for shift in shifts)
