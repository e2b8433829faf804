"""Whose ratings count how much: caps, and tests of one rater; many together are `collusion`.

A rater is a person (`user_id`); a machine's key that names nobody is a pipe for many people and is
no rater. What a rating is held against is what was believed of the answer when it was chosen
(`RoutingDecision.expected`), so a rater is never judged by what others say of the same answer.

One rater is tested by betting. For each thing that an honest rater does not do (rating above what
is expected by more than `tolerance` on average, below it, always the same, or one model above and
the rest below), a purse bets on it
at every rating: it is multiplied by 1 + (x - c), where x is what happened and c what an honest
rater does at most, so that it does not grow on average for an honest one (Waudby-Smith, Ramdas:
"Estimating means of bounded random variables by betting", JRSS B 2024). It never falls below its
start, so honest years buy no right to cheat: that is Page's cumulative sum (1954), and by Lorden
(1971) the time to a false alarm is then at least `doubt_after` ratings on average. A purse may lose
what it won, and is full at twice what doubt takes: who rates like others again counts in full.
What was expected is no measure where hostile people made it; so a rater's sums are also kept, by
which raters are held against one another.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from pydantic import Field

from shared.domain.learning.cells import Belief
from shared.domain.learning.collusion import MILLI, Profile, Push, Seen, found_together
from shared.domain.learning.config import RaterConfig
from shared.domain.learning.sums import FULL_STANDING
from shared.domain.records import Collection, Query, Record
from shared.domain.times import Timestamp, day_number, seconds_between

RaterState = Literal["new", "proven", "doubted", "aside"]

MODELS = 8
"""Models that a rater's favour is tested for; the first that he rates."""

NAMES = 64
"""Models that a rater's ratings are counted by."""

MEMORY = 1000
"""From so many ratings on, what is kept of the earlier ones is halved: they fade."""

NEW_FOR_DAYS = 14
"""Newcomers who rated last before that are looked at no more."""

PURSES = 3 + 2 * MODELS
"""Tests that run at once for one rater: each may use its share of the false alarms."""

VALUES = 8
"""The value of a rating is told in eighths: 4 for a right answer and 0..4 for its score."""

MICRO = 1_000_000

STANDINGS: Mapping[RaterState, int] = {
    "new": FULL_STANDING,
    "proven": FULL_STANDING,
    "doubted": 1,
    "aside": 0,
}
"""Quarters that a rating counts, by the state of who gives it.

Newcomers count in full: unequal weights cost certainty where nobody is hostile.
"""


class Rater(Record):
    """What is known of one rater; `id` is the user_id.

    Only ratings that count are in it: what is beyond a cap, or set aside, leaves it as it is. So
    nobody changes it more often than the caps allow, however many ratings come in at once.
    `ratings` counted, `judged` could be held against an expectation: `residual` and `squared` sum
    the difference and its square, in thousandths. `purses` are logarithms in
    millionths, by test (`above`, `below`, `same`, `for <model>`, `against <model>`). `seen` sums
    all judged ratings by model (provider/model); `today` counts those of `day` by model, `burst`
    those since `burst_at`. `unsettled` says that standing evidence still has to be taken back, or
    put back.
    """

    state: RaterState = "new"
    ratings: int = 0
    days: int = 0
    judged: int = 0
    residual: int = 0
    squared: int = 0
    last_value: int | None = None
    purses: dict[str, int] = Field(default_factory=dict)
    day: int = 0
    seen: dict[str, Seen] = Field(default_factory=dict)
    today: dict[str, int] = Field(default_factory=dict)
    burst: int = 0
    burst_at: Timestamp
    first_rated_at: Timestamp
    last_rated_at: Timestamp
    aside_by: str = ""
    aside_at: Timestamp | None = None
    reason: str = ""
    unsettled: bool = False
    trusted: bool = False
    """A person has put this rater back: his ratings count in full, whatever the tests say."""


class Given(NamedTuple):
    """A rating as it is judged: the model's name, its value in eighths, and what was expected.

    `again` where it changes one of the same request: that is one rating all the same.
    """

    model: str
    value: int
    expected: float | None
    at: Timestamp
    again: bool = False


class Verdict(NamedTuple):
    """The rater after a rating, how many quarters it counts, and why it does not count at all.

    `rater` is the very one that was judged where the rating changes nothing of it, so that nothing
    has to be written. `reason` is empty where it counts: whoever is doubted is not told, as that
    would teach how not to be.
    """

    rater: Rater
    standing: int
    reason: str


def expectation(belief: Belief) -> float | None:
    """Returns what a model's answer is believed to be worth, 0..1; None where little is known."""
    return round(belief.value, 6) if belief.spread <= _KNOWN else None


_KNOWN = 0.1
"""A belief of a wider spread (standard deviation) is nothing to hold a rating against."""


def first(rater_id: str, at: Timestamp) -> Rater:
    """Returns what is known of somebody who has not rated yet."""
    return Rater(id=rater_id, burst_at=at, first_rated_at=at, last_rated_at=at)


def value_of(quality_score: int, *, is_correct: bool) -> int:
    """Returns a rating's value in eighths, 0..8."""
    return 4 * is_correct + quality_score - 1


def judge(rater: Rater, given: Given, config: RaterConfig) -> Verdict:
    """Returns the rater after a further rating, and how much it counts."""
    if not config.judging:
        return Verdict(rater, FULL_STANDING, "")
    if rater.state == "aside":
        return Verdict(rater, 0, f"ratings of {rater.id} are set aside")
    turned = _turned(rater, given, config)
    over = _over(turned, given, config)
    if over:
        return Verdict(rater, 0, over)
    after = _weighed(_counted(turned, given), given, config)
    state = _state(after, config)
    after = after.model_copy(update={"state": state})
    return Verdict(after, STANDINGS[state], "")


def _turned(rater: Rater, given: Given, config: RaterConfig) -> Rater:
    """Returns the rater with a new day or burst begun where the old one is over.

    Ratings of one moment may come out of order, as instances and retries have it: at midnight one
    of the day before is of the day that has begun. A day or a burst that is further ahead was begun
    by a clock that was wrong, and is over too.
    """
    day = day_number(given.at)
    changes: dict[str, object] = {}
    if not 0 <= rater.day - day <= 1:
        changes |= {"day": day, "today": {}, "days": rater.days + 1}
    if abs(seconds_between(rater.burst_at, given.at)) >= config.burst_s:
        changes |= {"burst": 0, "burst_at": given.at}
    return rater.model_copy(update=changes)


def _counted(rater: Rater, given: Given) -> Rater:
    today = dict(rater.today)
    name = given.model if given.model in today or len(today) < NAMES else ""
    today[name] = today.get(name, 0) + 1
    return rater.model_copy(
        update={
            "ratings": rater.ratings + (not given.again),
            "burst": rater.burst + 1,
            "today": today,
            "last_rated_at": given.at,
        }
    )


def _over(rater: Rater, given: Given, config: RaterConfig) -> str:
    """Returns which cap this rating is beyond; empty where none."""
    if rater.burst >= config.per_burst:
        return f"more than {config.per_burst} ratings within {config.burst_s} seconds"
    if sum(rater.today.values()) >= config.per_day:
        return f"more than {config.per_day} ratings in a day"
    if rater.today.get(given.model, 0) >= config.per_model_day:
        return f"more than {config.per_model_day} ratings of {given.model} in a day"
    return ""


def _weighed(rater: Rater, given: Given, config: RaterConfig) -> Rater:
    """Returns the rater with the rating held against what was expected of the answer."""
    if given.expected is None:
        return rater.model_copy(update={"last_value": given.value})
    x, e = given.value / VALUES, given.expected
    residual = round((x - e) * MILLI)
    return rater.model_copy(
        update={
            "judged": rater.judged + 1,
            "residual": rater.residual + residual,
            "squared": rater.squared + residual**2 // MILLI,
            "last_value": given.value,
            "seen": _remembered(rater.seen, given.model, given.value, e),
            "purses": _bet(rater, given.model, given.value, e, config),
        }
    )


def _remembered(known: Mapping[str, Seen], model: str, value: int, e: float) -> dict[str, Seen]:
    """Returns the sums with a rating added; those of a further model only while there is room."""
    seen = dict(known)
    if model in seen or len(seen) < NAMES:
        old = seen.get(model, Seen())
        seen[model] = Seen(
            old.judged + 1, old.value + value * MILLI // VALUES, old.expected + round(e * MILLI)
        )
    if sum(one.judged for one in seen.values()) > MEMORY:
        seen = {name: Seen(*(figure // 2 for figure in one)) for name, one in seen.items()}
    return seen


def _bet(rater: Rater, model: str, value: int, e: float, config: RaterConfig) -> dict[str, int]:
    """Returns the purses after this rating; those of a further model only while there is room."""
    x, tolerance = value / VALUES, config.tolerance
    above, below = x - min(1.0, e + tolerance), max(0.0, e - tolerance) - x
    gains = {"above": above, "below": below}
    if rater.last_value is not None:
        gains["same"] = (value == rater.last_value) - min(1.0, max(e, 1 - e) + tolerance)
    purses, most = dict(rater.purses), 2 * doubt_at(config)
    models = {name.split(" ", 1)[1] for name in purses if " " in name}
    if len(models) < MODELS:
        models.add(model)
    for one in sorted(models):
        gains[f"for {one}"] = above if one == model else below
        gains[f"against {one}"] = below if one == model else above
    for name, gain in gains.items():
        won = math.log(max(1 + gain, _LEAST_FACTOR))
        purses[name] = min(most, max(0, purses.get(name, 0) + round(won * MICRO)))
    return purses


_LEAST_FACTOR = 1e-6


def doubt_at(config: RaterConfig) -> int:
    """Returns the purse, as kept, from which a rater is doubted."""
    return round(math.log(config.doubt_after * PURSES) * MICRO)


def _state(rater: Rater, config: RaterConfig) -> RaterState:
    if rater.trusted:
        return "proven"
    if max(rater.purses.values(), default=0) >= doubt_at(config):
        return "doubted"
    proven = rater.ratings >= config.proven_after and rater.days >= config.proven_days
    return "proven" if proven else "new"


def evidence_against(rater: Rater, config: RaterConfig) -> list[str]:
    """Returns in words what speaks against a rater, the strongest first; empty for nothing."""
    bar = doubt_at(config)
    found = sorted(((purse, name) for name, purse in rater.purses.items() if purse >= bar))
    return [_words(name) for _, name in reversed(found)]


def _words(name: str) -> str:
    side, _, model = name.partition(" ")
    if side == "same":
        return "gives the same rating again and again where answers differ"
    if not model:
        return f"rates answers {side} what was expected of them, beyond chance"
    return f"rates in a way that speaks {side} {model} and the other way of the rest, beyond chance"


def pushes(raters: Iterable[Rater], day: int, config: RaterConfig) -> list[Push]:
    """Returns who pushes a model together; see collusion. Those that are set aside are left out.

    Args:
        raters: of any state.
        day: today's number; newcomers who have not rated for long are passed over.
        config: the rules.
    """
    kept = [
        one
        for one in raters
        if one.seen and one.state != "aside" and not one.trusted
        if one.state != "new" or one.day > day - NEW_FOR_DAYS
    ]
    return found_together([Profile(one.id, one.state == "new", one.seen) for one in kept], config)


RATERS = Collection(
    "raters",
    Rater,
    queries=(
        Query((), "id"),
        Query(("state",), "last_rated_at"),
        Query(("unsettled",), "last_rated_at"),
    ),
)
