"""Neighbourhoods: prompts of one pattern that share words come to the same cell.

Min-wise hashing (Broder, "On the resemblance and containment of documents", 1997): the cell of a
prompt is its smallest word hash modulo the number of cells, so that two prompts meet with a
probability that grows with the share of words that they have in common. Needs no training and no
model, is the same on every machine, and a cell's sums add up like any others. Whether cells tell
models apart is for the evidence to say: what is believed of one starts from its pattern.
"""

import re
from zlib import crc32

_WORD = re.compile(r"[^\W\d_]{4,}")
_READ = 2000
"""Characters that are read: the task stands at the start."""


def cell_of(prompt: str, count: int) -> str:
    """Returns the cell of a prompt, "0" to str(count - 1), or "" where `count` is below 2."""
    if count < 2:  # noqa: PLR2004 - one cell divides nothing
        return ""
    words = set(_WORD.findall(prompt[:_READ].lower()))
    smallest = min([crc32(word.encode()) for word in words], default=0)
    return str(smallest * 0x9E3779B1 % 0x7FFFFFFF % count)
