"""How often a policy canary is right, and how many ratings it takes.

Ratings are drawn with a mean of 4.2 (3, 5, 10, 33 and 49 % of 1 to 5 stars, tilted to other means);
4 and 5 stars are correct nine times in ten, fewer stars two times in ten. The judge is the running
system's (shared/domain/learning/canary.py); it looks after every ten ratings of the candidate.
"""

import math
import random
from collections import Counter
from functools import cache
from typing import Literal, NamedTuple

from bench.learning.report import Options, table
from shared.domain.learning.betting import Outcomes, above
from shared.domain.learning.canary import FALSE_PROMOTE, FALSE_REVERT, harm_of, pairs_of, safety_of
from shared.domain.learning.stats import wilson
from shared.domain.learning.trials import ArmCounts

MARGIN, LEAST, MOST, EACH = 0.1, 30, 400, 10
"""The fall that is not let pass; ratings of the candidate: least to win, most, between looks."""

REPLICATIONS = 100
EXACT = 30
"""Ratings that the exact table goes through."""

SESSIONS = (1, 5, 20)
ALIKE = 0.8
"""Share of a session's ratings that repeat its first."""

Way = Literal["first", "every", "apart"]
WAYS: tuple[Way, ...] = ("first", "every", "apart")
"""What counts of a session: its first rating, every one, every one with an arm of its own."""

_STARS = (0.03, 0.05, 0.10, 0.33, 0.49)
_FALLS = (-0.05, 0.0, 0.05, 0.10, 0.20)
_SHARES = (0.1, 0.5)


class Played(NamedTuple):
    """How one canary ended, after how many ratings of the candidate."""

    verdict: str
    n: int


def report(options: Options) -> list[str]:
    """Returns the page; see bench/learning/__main__.py."""
    replications = min(options.replications, REPLICATIONS)
    head = ("fall of the candidate", "share", "reverted", "promoted", "undecided", "median", "90 %")
    rows = [
        _row(fall, share, [_play(fall, share, random.Random(seed)) for seed in range(replications)])
        for share in _SHARES
        for fall in _FALLS
    ]
    exact = [[f"{mean:g}", f"{ever_reached(mean):.4f}"] for mean in (0.5, 0.8, 0.95)]
    return [
        "# Policy canaries",
        "",
        (
            f"{replications} canaries a row (seeds 0 to {replications - 1}), judged after every "
            f"{EACH} ratings of the candidate, at most {MOST}. Falls are of the mean rating, 4.2; "
            "below 0 it is better. The last columns are ratings of the candidate until it was "
            "decided."
        ),
        "",
        *table(head, rows),
        "",
        (
            f"By theorem, no more than {FALSE_REVERT:.0%} of the candidates that are no worse are "
            f"reverted, and no more than {FALSE_PROMOTE:.0%} of those that fall by {MARGIN:.0%} or "
            "more are promoted, however often one looks."
        ),
        "",
        (
            f"Exactly, by going through everything that {EXACT} ratings of right and wrong can be "
            "(two arms alike, in turn): the chance that the evidence of a difference ever reaches "
            "20 where there is none, looking at every rating. The bound is 0.05."
        ),
        "",
        *table(("share of right answers", "ever taken for worse"), exact),
        "",
        "## Ratings of a session go together",
        "",
        (
            f"As many canaries a row of a candidate that is no worse. {ALIKE:.0%} of the ratings "
            "of a session repeat its first one. How often the candidate was taken for worse: where "
            "the first rating of each session counts, as it does in the system; where every rating "
            "would; and where every rating counts and each request is drawn by itself, as without "
            "`session_id`. The bound is 5 %; the 95 % intervals are Wilson's."
        ),
        "",
        *table(
            ("share", "ratings a session", "the first counts", "every one", "drawn one by one"),
            [
                [
                    f"{share:.0%}",
                    str(size),
                    *(_alarms(share, size, way, replications) for way in WAYS),
                ]
                for share in _SHARES
                for size in SESSIONS
            ],
        ),
    ]


def _row(fall: float, share: float, played: list[Played]) -> list[str]:
    verdicts = Counter(one.verdict for one in played)
    sizes = sorted(one.n for one in played)
    shares = [f"{verdicts[name] / len(played):.1%}" for name in ("revert", "promote", "wait")]
    quantiles = [str(sizes[int(len(sizes) * level)]) for level in (0.5, 0.9)]
    return [f"{fall:.0%}", f"{share:.0%}", *shares, *quantiles]


def _alarms(share: float, size: int, way: Way, replications: int) -> str:
    """Returns how often a candidate that is no worse is taken for worse, with an interval."""
    if way == "first" or size == 1:
        return _alarms_of_first(share, replications)
    return _told(share, size, way, replications)


@cache
def _alarms_of_first(share: float, replications: int) -> str:
    """Returns the same where one rating of each session counts, however many there are."""
    return _told(share, 1, "first", replications)


def _told(share: float, size: int, way: Way, replications: int) -> str:
    found = sum(_alarm(share, size, way, random.Random(seed)) for seed in range(replications))
    low, high = wilson(found, replications, 0.975)
    return f"{found / replications:.1%} ({low:.1%} to {high:.1%})"


def _alarm(share: float, size: int, way: Way, chance: random.Random) -> bool:
    """Plays a canary of equal arms whose ratings come in sessions."""
    arms: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    looked, n = 0, 0
    while n < MOST:
        first, candidate = _rating(chance), chance.random() < share
        for number in range(1 if way == "first" else size):
            rated = first if number == 0 or chance.random() < ALIKE else _rating(chance)
            if way == "apart":
                candidate = chance.random() < share
            arms[candidate][rated] += 1
            n += candidate
        if n - looked < EACH:
            continue
        looked = n
        pairs = pairs_of(ArmCounts(ratings=arms[0]), ArmCounts(ratings=arms[1]), share)
        if harm_of(pairs) >= 1 / FALSE_REVERT:
            return True
    return False


def _rating(chance: random.Random) -> str:
    star = chance.choices(range(1, 6), stars(4.2))[0]
    return f"{star}:{int(chance.random() < (0.9 if star >= 4 else 0.2))}"


@cache
def stars(mean: float) -> tuple[float, ...]:
    """Returns the odds of 1 to 5 stars, tilted until their mean is this."""
    low, high = -5.0, 5.0
    odds = list(_STARS)
    for _ in range(60):
        tilt = (low + high) / 2
        weights = [one * math.exp(tilt * star) for star, one in enumerate(_STARS)]
        odds = [one / sum(weights) for one in weights]
        found = sum(star * one for star, one in enumerate(odds, 1))
        low, high = (tilt, high) if found < mean else (low, tilt)
    return tuple(odds)


def _play(fall: float, share: float, chance: random.Random) -> Played:
    current: Counter[str] = Counter()
    candidate: Counter[str] = Counter()
    for n in range(EACH, MOST + 1, EACH):
        _rate(candidate, 4.2 * (1 - fall), EACH, chance)
        _rate(current, 4.2, round(EACH * (1 - share) / share), chance)
        pairs = pairs_of(ArmCounts(ratings=current), ArmCounts(ratings=candidate), share)
        if harm_of(pairs) >= 1 / FALSE_REVERT:
            return Played("revert", n)
        if n >= LEAST and safety_of(pairs, MARGIN) >= 1 / FALSE_PROMOTE:
            return Played("promote", n)
    return Played("wait", MOST)


def _rate(counts: Counter[str], mean: float, n: int, chance: random.Random) -> None:
    for star in chance.choices(range(1, 6), stars(min(mean, 4.9)), k=n):
        correct = chance.random() < (0.9 if star >= 4 else 0.2)
        counts[f"{star}:{int(correct)}"] += 1


def ever_reached(mean: float) -> float:
    """Returns the chance that the evidence for a difference ever reaches 20 where there is none."""
    paths, reached = {(0, 0): 1.0}, 0.0
    for step in range(1, EXACT + 1):
        going: dict[tuple[int, int], float] = {}
        for (one, other), odds in paths.items():
            for hit, part in ((1, mean), (0, 1 - mean)):
                key = (one + hit, other) if step % 2 else (one, other + hit)
                going[key] = going.get(key, 0.0) + odds * part
        n, m = (step + 1) // 2, step // 2
        paths = {}
        for (one, other), odds in going.items():
            first, second = ({1.0: k, 0.0: size - k} for k, size in ((one, n), (other, m)))
            if above(Outcomes(first), Outcomes(second), 0.5) >= 1 / FALSE_REVERT:
                reached += odds
            else:
                paths[one, other] = odds
    return reached
