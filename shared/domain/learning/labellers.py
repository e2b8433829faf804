"""Whose labelled prompts are learned from: no caller teaches more than his part.

Who may ask may also state patterns, wrong ones too. The most that one caller's prompts may count
for is the same for all: twice the least number that leaves half of what was given (max-min
fairness; Bertsekas, Gallager, "Data Networks", 2nd ed. 1992, section 6.5.2). Many who label alike
lose next to nothing by that, one who floods the log counts little more than one of the others, and
where one caller labels alone all of it counts. Who gives most of what is given cannot be told from
an application that asks for everyone: twice the part beyond half counts. It is over what was given
lately, not over a block, as whole blocks are one caller's where he is fast. Invariant: whole
numbers, in the order of the log.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

MOST_CALLERS = 256
"""Callers that are told apart; who gave least makes room."""

LATELY = 2000
"""Prompts given at which the counts are halved: the old ones fade."""


class Given(NamedTuple):
    """Labelled prompts of one caller lately: those that he gave, and those that counted."""

    offered: int
    counted: int


def caller_hash(subject: str) -> str:
    """Returns what the log of labelled prompts knows a caller by: eight hexadecimal digits."""
    return hashlib.blake2b(subject.encode(), digest_size=4).hexdigest()


def taken(known: Mapping[str, Given], block: Sequence[str]) -> tuple[list[bool], dict[str, Given]]:
    """Returns which prompts of a block count, and what is known of their callers after it.

    Args:
        known: the callers before; stays as it was.
        block: who gave each prompt, in order.
    """
    offered = Counter({caller: one.offered for caller, one in known.items()})
    offered.update(block)
    counted = Counter({caller: one.counted for caller, one in known.items()})
    most, takes = _most_of_one(offered.values()), []
    for caller in block:
        takes.append(counted[caller] < most)
        counted[caller] += takes[-1]
    kept = sorted(offered, key=lambda caller: (-offered[caller], caller))[:MOST_CALLERS]
    part = 2 if offered.total() >= LATELY else 1
    after = {caller: Given(offered[caller] // part, counted[caller] // part) for caller in kept}
    return takes, {caller: one for caller, one in after.items() if one.offered}


def _most_of_one(given: Iterable[int]) -> int:
    """Returns twice the least number that leaves half where nobody counts for more."""
    amounts = sorted(given)
    below, half = 0, -(-sum(amounts) // 2)
    for place, amount in enumerate(amounts):
        others = len(amounts) - place
        if below + amount * others >= half:
            return 2 * -(-(half - below) // others)
        below += amount
    return 0
