"""Whether a model's ratings in a pattern still look like those before: one detector for each group.

A fold over the group's rows in the order of the log, in constant memory. Each rating is ranked
among all of the group so far, ties broken by a number that follows from the rating's own id. While
nothing changes, these ranks are independent and uniform on (0, 1), whatever the model's quality is
(conformal p-values: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2nd ed.,
chapter 8). Bets against that, each with a mean of 1, are gathered as Shiryaev and Roberts did:

    evidence' = (evidence + 1) * bet(rank)

so `evidence` less the number of ratings is a martingale while nothing changes, and an alarm at
1 / rate comes at most `rate` times for each rating, in any number of groups: an e-detector (Shin,
Ramdas, Rinaldo, "E-detectors", 2022; for ranks: Vovk, Petej, Nouretdinov, Ahlberg, Carlsson,
Gammerman, "Retrain or not retrain", 2021). Nothing was tuned for that, and no baseline needs to be
known. How much is staked is decided before a rating is looked at: somebody who suddenly rates a lot
stakes less and less, so that one person in a bad mood proves nothing. Invariant: the same rows in
the same order give the same alarms, bit for bit, in any batches: only additions, products and
quotients of doubles are used.
"""

import hashlib
import zlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import fsum
from operator import add, mul
from typing import Literal

from shared.domain.feedback import RatingEvidence
from shared.domain.learning.config import DriftConfig
from shared.domain.learning.sums import FULL_STANDING

Direction = Literal["fall", "rise"]

SCORES = 5
KINDS = 2 * SCORES
"""Ratings differ by correctness and quality: `SCORES * correct + quality - 1`, 0..9."""

TOP = 8
"""Value of the best kind of rating in eighths: 4 for correct, 1 for each point above the first."""

RECENT = 128
"""Newest ratings that are remembered one by one, to tell where a change began."""

NEWEST = 16
"""Of those, the ones in which a rater may not come more often than is usual for him."""

USUAL = 2.0
"""How many times as often as before he may come among them, and still stake in full."""

CODE = 8
"""Digits by which a person's rating of a request is known again; see `code_of`."""

OWED = 512
"""Ratings that were taken back and may be given again, the newest, of which that is remembered."""

LEAST_AFTER = 16
"""Ratings since a change that its figures are taken over, at least."""

FALLS = 0.75
"""Share of the stakes that is on falls; the rest is on rises."""

BREAKS = (0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7)
"""Shares of the ratings that are taken as the bad ones: any of them may be where it shows."""

FACTORS = (2.5, 5.0)
"""By how much the odds of a bad rating may have grown."""

BETS = len(BREAKS) * len(FACTORS)


def _pays(share: float, factor: float, *, bad: bool) -> float:
    """Returns the likelihood ratio of "the odds of the lowest `share` have grown by `factor`".

    Its mean over ranks that are uniform on (0, 1) is 1.
    """
    grown = factor * share / (1 - share + factor * share)
    return grown / share if bad else (1 - grown) / (1 - share)


PAYOFFS = tuple(
    tuple(
        _pays(share, factor, bad=place >= passed)
        for place, share in enumerate(BREAKS)
        for factor in FACTORS
    )
    for passed in range(len(BREAKS) + 1)
)
"""What every bet pays for a rank, by how many of `BREAKS` it has passed."""

_QUALITY = tuple(kind % SCORES + 1 for kind in range(KINDS))
_QUALITY_SQUARED = tuple(score**2 for score in _QUALITY)
_CORRECT = tuple(kind // SCORES for kind in range(KINDS))
_VALUES = tuple(4 * (kind // SCORES) + kind % SCORES for kind in range(KINDS))
_VALUES_SQUARED = tuple(value**2 for value in _VALUES)
_DIGITS = tuple(str(kind) for kind in range(KINDS))
_VALUE_OF = dict(zip(_DIGITS, _VALUES, strict=True))
_BELOW = tuple(
    tuple(other for other in range(KINDS) if _VALUES[other] < value) for value in _VALUES
)
_EQUAL = tuple(
    tuple(other for other in range(KINDS) if _VALUES[other] == value) for value in _VALUES
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Ratings as whole numbers: how many, and the sums that means are made of."""

    n: int = 0
    quality: int = 0
    quality_squared: int = 0
    correct: int = 0

    @property
    def value(self) -> float:
        """The mean of correctness and (quality - 1) / 4, in 0..1; 0 where there are no ratings."""
        return (4 * self.correct + self.quality - self.n) / (TOP * self.n) if self.n > 0 else 0.0


def figures(kinds: Sequence[int]) -> Figures:
    """Returns the sums of ratings that were counted by kind."""
    return Figures(
        n=sum(kinds),
        quality=sum(map(mul, kinds, _QUALITY)),
        quality_squared=sum(map(mul, kinds, _QUALITY_SQUARED)),
        correct=sum(map(mul, kinds, _CORRECT)),
    )


def values_of(kinds: Sequence[int]) -> tuple[int, int, int]:
    """Returns how many ratings were counted by kind, and the sums of their values and squares."""
    return sum(kinds), sum(map(mul, kinds, _VALUES)), sum(map(mul, kinds, _VALUES_SQUARED))


def evidence(wealth: list[float]) -> float:
    """Returns what all bets in one direction have earned, by their mean."""
    return fsum(wealth) / BETS


def kind_of(row: RatingEvidence) -> int:
    """Returns which of the `KINDS` a rating is."""
    return SCORES * row.correct + row.quality - 1


def code_of(row: RatingEvidence) -> str:
    """Returns by what a person's rating of a request is known again, when it is replaced as well.

    Two of a thousand ratings have the same code once in ten thousand times.
    """
    return f"{zlib.crc32(f'{row.request_id} {row.rater}'.encode()):08x}"


def place_in(codes: str, code: str) -> int:
    """Returns which of the codes, one behind the other, is this one; -1 where none is."""
    at = codes.find(code)
    while at > 0 and at % CODE:
        at = codes.find(code, at + 1)
    return at // CODE


def without(codes: str, place: int) -> str:
    """Returns the codes but the one at a place."""
    return codes[: CODE * place] + codes[CODE * (place + 1) :]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A change that is proven at the stated rate of false alarms.

    `place` and `day` are of the rating that proved it; `later` counts the ratings since the change
    most likely happened by kind, `earlier` those up to there. `provers` has the codes of the later
    ones. `evidence` was needed to reach 1 / rate.
    """

    direction: Direction
    place: int
    day: int
    earlier: tuple[int, ...]
    later: tuple[int, ...]
    provers: str
    evidence: float

    @property
    def before(self) -> Figures:
        """The sums of the earlier ones."""
        return figures(self.earlier)

    @property
    def after(self) -> Figures:
        """The sums of the later ones."""
        return figures(self.later)


@dataclass(slots=True)
class Watch:
    """The detector of one (pattern, provider, model), since the start or the last change.

    `kinds` counts the standing ratings by kind, `recent` spells the newest in order, a digit each;
    `raters` has who gave those, by a number of 16 bits, and `rated` the codes of them.
    `owed` has the codes of ratings that were taken back: where one is replaced or put back, that is
    counted but not bet on, as its rater and request have been. `undone` says that one of the newest
    was, and not replaced. `falls` and `rises` have what each bet has earned.
    """

    kinds: list[int] = field(default_factory=lambda: [0] * KINDS)
    recent: str = ""
    raters: list[int] = field(default_factory=list)
    rated: str = ""
    owed: str = ""
    undone: bool = False
    falls: list[float] = field(default_factory=lambda: [0.0] * BETS)
    rises: list[float] = field(default_factory=lambda: [0.0] * BETS)

    @property
    def evidence(self) -> float:
        """What speaks for any change; reaches x at most once in x ratings while there is none."""
        return FALLS * evidence(self.falls) + (1 - FALLS) * evidence(self.rises)

    @property
    def leans(self) -> Direction:
        """Which way the bets that have earned more say that it went."""
        fell = FALLS * evidence(self.falls) >= (1 - FALLS) * evidence(self.rises)
        return "fall" if fell else "rise"

    def take(self, row: RatingEvidence, place: int, config: DriftConfig) -> Alarm | None:
        """Takes in the group's next row, in place, and returns the alarm that it sets off, if any.

        After an alarm the detector starts anew, without a memory of what was before.

        Args:
            row: a rating, or one that is taken back; of less than full standing, or of who rates
                unusually much, it stakes less, and of no standing it is passed over.
            place: its place in the log; higher than that of any row before.
            config: the rate of false alarms, and the least change that matters.
        """
        if row.standing <= 0:
            return None
        kind, code = kind_of(row), code_of(row)
        if row.sign < 0:
            self.take_back(kind, code)
            return None
        self.kinds[kind] += 1
        if self.owed and self.settle(code):
            return None
        self.recent = (self.recent + _DIGITS[kind])[-RECENT:]
        self.rated = (self.rated + code)[-CODE * RECENT :]
        if self.undone:
            self._start_anew()
        rank, stake = self._rank(kind, row.feedback_id), self._stake(row)
        self.falls = _earned(self.falls, rank, stake)
        self.rises = _earned(self.rises, 1.0 - rank, stake)
        if self.evidence * config.false_alarm_rate < 1.0:
            return None
        return self._proven(place, row.day, config)

    def take_back(self, kind: int, code: str) -> bool:
        """Takes a rating out; returns whether it was one since the last change.

        Of the newest that is known. Of others it is taken for one while there are more of its kind
        than among the newest.
        """
        self.owe(code)
        at = place_in(self.rated, code)
        if at >= 0:
            self.undone = True
            self.recent = self.recent[:at] + self.recent[at + 1 :]
            self.raters = self.raters[:at] + self.raters[at + 1 :]
            self.rated = without(self.rated, at)
        elif self.kinds[kind] <= self.recent.count(_DIGITS[kind]):
            return False
        self.kinds[kind] = max(0, self.kinds[kind] - 1)
        return True

    def owe(self, code: str) -> None:
        """Remembers that a rating was taken back."""
        self.owed = (self.owed + code)[-CODE * OWED :]

    def settle(self, code: str) -> bool:
        """Returns whether a rating was taken back, and forgets that."""
        at = place_in(self.owed, code)
        if at < 0:
            return False
        self.owed, self.undone = without(self.owed, at), False
        return True

    def regain(self, kinds: Sequence[int]) -> None:
        """Takes up ratings from before a change that is none any more; the bets start anew.

        What they have earned was earned without those.
        """
        self.kinds = list(map(add, self.kinds, kinds))
        self._start_anew()

    def _start_anew(self) -> None:
        """Forgets what the bets have earned, where that was earned by what is taken back."""
        self.falls, self.rises, self.undone = [0.0] * BETS, [0.0] * BETS, False

    def _stake(self, row: RatingEvidence) -> float:
        """Returns how much of a bet a rating stakes, 0..1, and remembers who gave it.

        Ratings of one person go together. Who comes among the newest more than USUAL times as often
        as before stakes the inverse square of one more than what is beyond that: all he can
        earn is then what three ratings in full would. Where somebody is alone, that is usual.
        """
        code = zlib.crc32(row.rater.encode()) & 0xFFFF
        newest, older = self.raters[-NEWEST:], self.raters[:-NEWEST]
        usual = (older.count(code) + 1) / (len(older) + 2)
        beyond = max(0.0, newest.count(code) - USUAL * usual * NEWEST)
        self.raters = [*self.raters[1 - RECENT :], code]
        return row.standing / FULL_STANDING / (1.0 + beyond) ** 2

    def split(self) -> tuple[Figures, Figures]:
        """Returns the ratings before and after the place where they differ most, among the newest.

        The place is where (mean after - mean before)**2 n m / (n + m) is largest, which is the
        likeliest for a step in the mean (Hinkley, "Inference about the change-point in a sequence
        of random variables", Biometrika 57, 1970); exact, as it is formed from whole numbers. None
        are after where there are too few.
        """
        before, after = self._parted()
        return figures(before), figures(after)

    def _parted(self) -> tuple[list[int], list[int]]:
        """Returns the ratings before and after that place by kind."""
        count, total = sum(self.kinds), sum(map(mul, self.kinds, _VALUES))
        summed = list(accumulate([_VALUE_OF[digit] for digit in reversed(self.recent)]))
        gaps = [
            (summed[n - 1] * count - n * total) ** 2 / (n * (count - n))
            for n in range(LEAST_AFTER, min(len(summed), count - 1) + 1)
        ]
        newest = 0
        if gaps:
            newest = LEAST_AFTER + len(gaps) - 1 - gaps[::-1].index(max(gaps))
        last = self.recent[len(self.recent) - newest :]
        after = [last.count(digit) for digit in _DIGITS]
        return [max(0, all_ - new) for all_, new in zip(self.kinds, after, strict=True)], after

    def _rank(self, kind: int, feedback_id: str) -> float:
        kinds = self.kinds
        below = sum([kinds[other] for other in _BELOW[kind]])
        equal = sum([kinds[other] for other in _EQUAL[kind]])
        return (below + tie(feedback_id) * equal) / sum(kinds)

    def _proven(self, place: int, day: int, config: DriftConfig) -> Alarm | None:
        """Returns the alarm and starts anew; only the bets start anew where the change is small.

        Small changes would else pile up evidence and hide when a large one begins.
        """
        direction, found = self.leans, self.evidence
        earlier, later = self._parted()
        newest = sum(later)
        self._start_anew()
        if not newest or change(direction, earlier, later) < config.min_change:
            return None
        provers = self.rated[-CODE * newest :]
        self.kinds, self.recent, self.raters, self.rated = [0] * KINDS, "", [], ""
        return Alarm(direction, place, day, tuple(earlier), tuple(later), provers, found)


def change(direction: Direction, earlier: Sequence[int], later: Sequence[int]) -> float:
    """Returns how far ratings went that way, in the mean value; below 0 if they went the other."""
    went = figures(later).value - figures(earlier).value
    return -went if direction == "fall" else went


def _earned(wealth: list[float], rank: float, stake: float) -> list[float]:
    """Returns what each bet has after one more rank, of which `stake` (0..1) of it was staked."""
    pays = PAYOFFS[bisect_left(BREAKS, rank)]
    if stake < 1.0:
        pays = tuple([1.0 + stake * (one - 1.0) for one in pays])
    return [(own + 1.0) * one for own, one in zip(wealth, pays, strict=True)]


def tie(feedback_id: str) -> float:
    """Returns a number in (0, 1) that only the rating's id decides, uniform over ids."""
    digest = hashlib.sha256(feedback_id.encode()).digest()
    return ((int.from_bytes(digest[:7], "big") >> 4) + 0.5) / (1 << 52)
