"""Raters held against one another: who pushes one model together, from the first day on.

What was expected of an answer cannot be relied on where hostile people rated from the beginning:
they made the expectation. But it is the same for everybody who rates that model, so raters can be
told apart by it all the same. The reference are the raters themselves: what those who stand out
are left out of (`_shifts`), found again in turns.

For each rater and model a bet is settled on the sums of his ratings: that he rates the model above
the others' mean by more than a habit, or the model above and the rest below whatever his habit. Its
gain is an e-value: at most 1 on average for an honest rater, by the moments of bounded values
(Hoeffding, "Probability inequalities for sums of bounded random variables", JASA 58 (1963)).
That a share of all raters pushes is the product over them of 1 - share + share * gain; averaged
over shares it is an e-value again, and above 1 / alpha with probability alpha at most (Ville), as
often as one looks. Only then single raters are named, by the two-groups model (Efron,
"Microarrays, Empirical Bayes and the Two-Groups Model", Statistical Science 23 (2008)).

Invariant: a majority by ratings is never named. Who says what most say is the reference.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from shared.domain.learning.config import RaterConfig

MILLI = 1_000
"""Sums are kept in thousandths of a value."""

NAMED_AT = 0.9
"""Probability of belonging to a push from which a rater is named."""

_SUSPECTED_AT = 10.0
"""Gain from which a push is left out of the reference; to be told it takes far more."""

_STAKES = tuple((stake, math.exp(stake) - 1) for stake in (0.5, 1.5, 4.0))
"""Exponents of the bets, small ones for slight and large ones for extreme raters."""

_MOST = 60.0
"""Exponent that a single bet's gain is cut at."""

_SHARES: Mapping[bool, tuple[float, ...]] = {
    False: (0.02, 0.05, 0.1, 0.2, 0.4),
    True: (0.05, 0.2, 0.5, 0.9),
}
"""Shares of hostile raters that are bet on: among others less than half, newcomers may be more."""

_ROUNDS = 6
_STEPS = 10
_SETTLED = 0.02
_CENTRED = 5.0
_LEAST = 0.02
_LEAST_OTHERS = 20
"""Ratings of proven raters that it takes to tell a push from a model that has changed."""

Direction = Literal["up", "down"]


class Seen(NamedTuple):
    """One rater's ratings of one model; `value` and `expected` sum thousandths of the value."""

    judged: int = 0
    value: int = 0
    expected: int = 0


class Profile(NamedTuple):
    """A rater as he is compared: his ratings by model, and whether he is a newcomer."""

    id: str
    new: bool
    seen: Mapping[str, Seen]


class Push(NamedTuple):
    """Raters who pushed one model together.

    `mean` is how far their ratings of it are from what was expected, -1..1, and `others` that of
    the raters of the reference; None where proven ones gave too few ratings to tell a push from a
    model that has changed. `gain` is the logarithm (base 10) of what was won by betting on it.
    """

    model: str
    direction: Direction
    new: bool
    raters: tuple[str, ...]
    ratings: int
    mean: float
    others: float | None
    gain: float


_Case = tuple[str, Direction, bool]
"""A model, which way it is pushed, and whether by newcomers."""


class _Found(NamedTuple):
    gain: float
    """Natural logarithm."""
    belonging: Mapping[str, float]


def found_together(profiles: Sequence[Profile], config: RaterConfig) -> list[Push]:
    """Returns who pushes a model together, the strongest push first; nobody is in two.

    Each rater's habit may be `tolerance`; all newcomers' together `push_tolerance`, as habits even
    out in many.
    """
    proven = {one.id for one in profiles if not one.new}
    known = len(proven) >= config.least_raters
    trust = {one.id: float(one.id in proven or not known) for one in profiles}
    start, shifts = dict(trust), dict[str, float]()
    found: dict[_Case, _Found] = {}
    for _ in range(_ROUNDS):
        shifts = _shifts(profiles, trust)
        found = _looked(profiles, shifts, config)
        blamed: dict[str, float] = defaultdict(float)
        for one in found.values():
            for name, share in one.belonging.items():
                blamed[name] = max(blamed[name], share)
        before = trust
        trust = {name: full * (1 - blamed[name]) for name, full in start.items()}
        if all(abs(trust[name] - before[name]) < _SETTLED for name in trust):
            break
    tests = 4 * len({name for one in profiles for name in one.seen})
    bar = math.log(max(1, tests) / config.push_alpha)
    strongest = sorted((-one.gain, case) for case, one in found.items() if one.gain >= bar)
    pushes: list[Push] = []
    for _, case in strongest:
        told = {name for push in pushes for name in push.raters}
        push = _push(case, found[case], profiles, trust, told)
        if len(push.raters) >= config.push_raters:
            pushes.append(push)
    return pushes


def _shifts(profiles: Iterable[Profile], trust: Mapping[str, float]) -> dict[str, float]:
    """Returns by model how far the trusted raters are from what was expected, shrunk to 0."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for one in profiles:
        for name, seen in one.seen.items():
            sums[name][0] += trust[one.id] * seen.judged
            sums[name][1] += trust[one.id] * (seen.value - seen.expected) / MILLI
    return {name: left / (n + _CENTRED) for name, (n, left) in sums.items()}


def _looked(
    profiles: Sequence[Profile], shifts: Mapping[str, float], config: RaterConfig
) -> dict[_Case, _Found]:
    gains: dict[_Case, dict[str, float]] = defaultdict(dict)
    for one in profiles:
        for (name, direction), gain in _gains(one, shifts, config).items():
            gains[name, direction, one.new][one.id] = gain
    bar = math.log(max(1, len(gains)) * _SUSPECTED_AT)
    looked = {
        case: _together(of, _SHARES[case[2]])
        for case, of in gains.items()
        if len(of) >= config.push_raters
    }
    return {case: one for case, one in looked.items() if one.gain >= bar}


def _together(gains: Mapping[str, float], shares: Sequence[float]) -> _Found:
    """Returns what betting on a push by some of these raters gained, and who belongs to it."""
    logs = [math.fsum(math.log(1 - p + p * gain) for gain in gains.values()) for p in shares]
    most = max(logs)
    whole = most + math.log(sum(math.exp(one - most) for one in logs) / len(logs))
    share, highest = shares[logs.index(most)], max(0.5, shares[-1])
    for _ in range(_STEPS):
        parts = math.fsum(share * gain / (1 - share + share * gain) for gain in gains.values())
        share = min(highest, parts / len(gains))
    return _Found(
        whole,
        {name: share * gain / (1 - share + share * gain) for name, gain in gains.items()},
    )


class _Side(NamedTuple):
    """Ratings of one side: how many, their value, and what the reference gives them."""

    n: int
    value: float
    level: float

    def turned(self) -> "_Side":
        """Returns the side with good and bad the other way round."""
        return _Side(self.n, self.n - self.value, self.n - self.level)

    def above(self, habit: float) -> float:
        """Returns the gain of betting that the values are above the level and a habit."""
        share = max(_LEAST, self.level / self.n + habit)
        if share >= 1:
            return 0.0
        return sum(
            math.exp(min(_MOST, stake * self.value - self.n * math.log(1 + share * factor)))
            for stake, factor in _STAKES
        ) / len(_STAKES)


def _gains(
    one: Profile, shifts: Mapping[str, float], config: RaterConfig
) -> dict[tuple[str, Direction], float]:
    """Returns the gains of betting that a rater praises, or runs down, each model he rated."""
    sides = {
        name: _Side(
            seen.judged, seen.value / MILLI, seen.expected / MILLI + seen.judged * shifts[name]
        )
        for name, seen in one.seen.items()
        if seen.judged
    }
    n, value, level = (sum(column) for column in zip(_Side(0, 0, 0), *sides.values(), strict=True))
    found: dict[tuple[str, Direction], float] = {}
    for name, side in sides.items():
        rest = _Side(int(n) - side.n, value - side.value, level - side.level)
        found[name, "up"] = _gain(side, rest.turned(), config, new=one.new)
        found[name, "down"] = _gain(side.turned(), rest, config, new=one.new)
    return found


def _gain(side: _Side, rest: _Side, config: RaterConfig, *, new: bool) -> float:
    """Returns the mean gain of two bets: on the model alone, and on it and the rest turned round.

    The second is settled by the habit that speaks best for the rater: with it he may rate all
    models higher or lower, and each a little more (`push_tolerance`).
    """
    if side.value <= side.level and rest.value <= rest.level:
        return 0.0
    slack, habit = config.push_tolerance, config.push_tolerance if new else config.tolerance
    alone = side.above(habit)
    if not rest.n:
        return alone
    habits = (0.0,) if new else (-habit, -habit / 2, 0.0, habit / 2, habit)
    both = min(side.above(slack + one) * rest.above(slack - one) for one in habits)
    return (alone + both) / 2


def _push(
    case: _Case,
    found: _Found,
    profiles: Iterable[Profile],
    trust: Mapping[str, float],
    told: Collection[str],
) -> Push:
    name, direction, new = case
    named = {one for one, belonging in found.belonging.items() if belonging >= NAMED_AT} - set(told)
    group = [one for one in profiles if one.id in named]
    rest = [one for one in profiles if one.id not in named and not one.new and trust[one.id] > 0]
    others = [one.seen[name] for one in rest if name in one.seen]
    return Push(
        model=name,
        direction=direction,
        new=new,
        raters=tuple(sorted(named)),
        ratings=sum(seen.judged for one in group for seen in one.seen.values()),
        mean=_mean([one.seen[name] for one in group]),
        others=_mean(others) if sum(one.judged for one in others) >= _LEAST_OTHERS else None,
        gain=found.gain / math.log(10),
    )


def _mean(seen: Sequence[Seen]) -> float:
    """Returns how far ratings are from what was expected, -1..1; 0 for none."""
    judged = sum(one.judged for one in seen)
    return sum(one.value - one.expected for one in seen) / judged / MILLI if judged else 0.0
