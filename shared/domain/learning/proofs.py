"""What is left of the ratings that proved a change: a change falls with its proof.

Whoever feigned a change may be found out and set aside later, and people replace ratings. For its
newest changes a group remembers which ratings proved each, so that a row that takes one back, or
puts it back, comes where it counts. Invariant: a fold over the group's rows, in whole numbers and
constant memory, so pages of any size lead to the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import add

from shared.domain.learning.drift import (
    CODE,
    LEAST_AFTER,
    Alarm,
    Direction,
    Figures,
    Watch,
    change,
    place_in,
    values_of,
    without,
)

REMEMBERED = 5
"""Newest changes of a group of which the figures are kept; the oldest of so many stays for good."""

ERRORS = 3
"""Standard errors by which what is left must differ from before: a suspicion, of which 0032 tells,
is about as many, a proof four and a half."""


@dataclass(slots=True)
class Proof:
    """A change that stands, and what is left of the ratings that proved it.

    `before` counts those it was held against by kind, `after` those left of the ones that proved
    it. `provers` has the codes of these, `gone` of those taken back; neither has any where the
    change is so old that it stays. `moved` says that `before` is not what it was. `fallen_from` is
    what the group had not recovered from just before.
    """

    epoch: int
    place: int
    day: int
    direction: Direction
    before: list[int]
    after: list[int]
    provers: str
    gone: str = ""
    moved: bool = False
    fallen_from: Figures | None = None

    @property
    def left(self) -> int:
        """How many of the ratings that proved it are left."""
        return len(self.provers) // CODE

    @property
    def of(self) -> int:
        """By how many ratings it was proven."""
        return self.left + len(self.gone) // CODE

    def stands(self, since: Sequence[int], min_change: float) -> bool:
        """Returns whether the change stands, for all that was taken back.

        What is left of its proof and all that came `since` must be as many as a proof takes, and
        differ from those before by what matters, and by as many standard errors as a suspicion
        takes. Those since count because they were not chosen: an alarm goes off where honest raters
        happen to be unlucky too, and a change that was real goes on.
        """
        if not (self.gone or self.moved) or self.of == 0:
            return True
        later = list(map(add, self.after, since))
        if sum(later) < LEAST_AFTER or not any(self.before):
            return False
        enough = change(self.direction, self.before, later) >= min_change
        return enough and apart(self.before, later)


def proof_of(alarm: Alarm, epoch: int, fallen_from: Figures | None) -> Proof:
    """Returns the whole proof of a change."""
    return Proof(
        epoch=epoch,
        place=alarm.place,
        day=alarm.day,
        direction=alarm.direction,
        before=list(alarm.earlier),
        after=list(alarm.later),
        provers=alarm.provers,
        fallen_from=fallen_from,
    )


def remembered(proofs: Sequence[Proof], newest: Proof) -> list[Proof]:
    """Returns the changes that are remembered with one more; beyond some the oldest is for good."""
    kept = [*proofs, newest][-REMEMBERED:]
    if len(kept) == REMEMBERED:
        kept[0].provers = kept[0].gone = ""
    return kept


def apart(before: Sequence[int], after: Sequence[int]) -> bool:
    """Returns whether two samples' means differ by `ERRORS` standard errors or more.

    With n and m ratings of values that sum to a and b, and whose squares sum to aa and bb, that is
    (a / n - b / m)**2 >= ERRORS**2 (1 / n + 1 / m) s**2 where (n + m) s**2 is the sum of squares
    around both means; times (n m)**2 all of it is whole.
    """
    n, a, aa = values_of(before)
    m, b, bb = values_of(after)
    within = (aa * n - a * a) * m + (bb * m - b * b) * n
    return (a * m - b * n) ** 2 >= ERRORS**2 * within


def take_out(proofs: Sequence[Proof], watch: Watch, kind: int, code: str) -> Proof | None:
    """Takes a rating out of where it counts; returns the change that it proved, None for none.

    What neither proved a change nor came since the last one is taken for one of those that the
    newest change was held against.
    """
    for proof in reversed(proofs):
        at = place_in(proof.provers, code)
        if at >= 0:
            proof.provers, proof.gone = without(proof.provers, at), proof.gone + code
            proof.after[kind] = max(0, proof.after[kind] - 1)
            watch.owe(code)
            return proof
    if watch.take_back(kind, code):
        return None
    known = next((one for one in reversed(proofs) if one.before[kind] > 0), None)
    if known is not None:
        known.before[kind] -= 1
        known.moved = True
    return None


def put_in(proofs: Sequence[Proof], watch: Watch, kind: int, code: str) -> Proof | None:
    """Puts a rating back into the proof it was taken out of; None where it was in none.

    It may have been replaced meanwhile, so its kind may be another.
    """
    for proof in reversed(proofs):
        at = place_in(proof.gone, code)
        if at >= 0:
            watch.settle(code)
            proof.provers, proof.gone = proof.provers + code, without(proof.gone, at)
            proof.after[kind] += 1
            return proof
    return None


def fallen(proofs: list[Proof], watch: Watch, min_change: float) -> list[Proof]:
    """Takes changes that do not stand any more out of `proofs`; returns those, oldest first.

    What was rated before such a change and what is left of its proof was rated of one and the same
    model as what came next. So the next change is held against all of it, and may fall with it: of
    a feigned fall, often a rise to where the model has been all the time.

    Args:
        proofs: the changes that stand, oldest first; changed in place.
        watch: of the group; what comes next where no change does.
        min_change: see config.
    """
    found: list[Proof] = []
    at = 0
    while at < len(proofs):
        one, later = proofs[at], proofs[at + 1 :]
        since = later[0].before if later else watch.kinds
        if one.stands(since, min_change):
            at += 1
            continue
        found.append(proofs.pop(at))
        counts = list(map(add, one.before, one.after))
        if later:
            later[0].before, later[0].moved = list(map(add, later[0].before, counts)), True
        else:
            watch.regain(counts)
        at = 0
    return sorted(found, key=lambda one: one.place)
