"""What ratings from before a proven change still count: little, and together.

When a model has changed, what is known of it is mostly of what it was. The ratings that were
decided on before the change was known are kept as a power prior (Ibrahim, Chen, "Power prior
distributions for regression models", Statistical Science 15, 2000): all together they count as
`keep` ratings at most, with their own mean. Those that proved the change stand beside them in full,
as far as they were not taken back; where too many were, the change is none, and nothing is old.
Invariant: whole numbers in, whole numbers out, so a snapshot stays the same bytes everywhere.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shared.domain.learning.figures import (
    Evidence,
    Logged,
    LoggedFigures,
    RatingFigures,
    RatingKey,
    SquaredWeights,
)

_PARTS = 1000
"""Ratings kept are told in thousandths, so that shares are whole numbers."""


class Changed(NamedTuple):
    """What stands of a group's changes from `place` of the log on.

    `epoch` counts them, those that were withdrawn too, so that no number comes twice. `since` is
    the last one that stands, 0 where none does. It was proven on `day`, and what is left of its
    proof are `n` ratings with these sums, in the units of RatingSums. `withdrawn` is the day on
    which the newest one fell with its proof, 0 where it stands.
    """

    epoch: int
    since: int
    place: int
    day: int
    n: int
    quality: int
    quality_squared: int
    correct: int
    withdrawn: int = 0


Name = tuple[str, str, str]
"""Pattern, provider and model."""


class Share(NamedTuple):
    """A part of 1: `part` of `whole`."""

    part: int
    whole: int


class Fading(NamedTuple):
    """What ratings from before a group's last change still count; no share: in full."""

    changes: Mapping[Name, Changed]
    shares: Mapping[Name, Share]

    def of(self, key: RatingKey) -> Share | None:
        """Returns what the ratings of a key still count, None where they count in full."""
        return self.shares.get(key[:3]) if _is_old(key, self.changes) else None


def fading(
    ratings: Mapping[RatingKey, Evidence[RatingFigures]],
    changes: Mapping[Name, Changed],
    unit: int,
    keep: float,
) -> Fading:
    """Returns what the ratings before the last change still count.

    Args:
        ratings: the sums by group, neighbourhood and epoch.
        changes: by group.
        unit: the weight of a rating of the newest day.
        keep: how many such ratings all old ones count as, at most.
    """
    weights: dict[Name, int] = defaultdict(int)
    for key, evidence in ratings.items():
        if _is_old(key, changes):
            weights[key[:3]] += evidence.decayed.n
    kept = round(keep * _PARTS) * unit
    shares = {
        name: Share(kept, weight * _PARTS)
        for name, weight in weights.items()
        if weight * _PARTS > kept
    }
    return Fading(changes, shares)


def faded(evidence: Evidence[RatingFigures], share: Share) -> Evidence[RatingFigures]:
    """Returns a group's sums with its ratings counting a share: n ratings as `share` times n.

    Sums of squared weights shrink by the share itself, not by its square: so many fewer ratings
    stand behind the mean.
    """
    return evidence._replace(
        decayed=RatingFigures._make(_part(evidence.decayed, share)),
        squares=SquaredWeights._make(_part(evidence.squares, share)),
    )


def faded_logged(logged: Logged, share: Share) -> Logged:
    """Returns a group's logged choices, counting a share.

    The bundles shrink by its root: their squares tell how uncertain the sums are, and those shrink
    by the share itself, as in `faded`.
    """
    root = Share(math.isqrt(share.part * share.whole), share.whole)
    bundles = {one: _logged(figures, root) for one, figures in logged.bundles.items()}
    return Logged(
        _logged(logged.whole, share), {one: sums for one, sums in bundles.items() if any(sums)}
    )


def _logged(figures: LoggedFigures, share: Share) -> LoggedFigures:
    return LoggedFigures._make(_part(figures, share))


def proof(changed: Changed, weight: int) -> Evidence[RatingFigures]:
    """Returns the ratings that proved a change, as sums; `weight` is their day's.

    None of them is in the raw sums, which count them already.
    """
    seen = RatingFigures(
        n=changed.n,
        quality=changed.quality,
        quality_squared=changed.quality_squared,
        correct=changed.correct,
    )
    decayed = RatingFigures._make([weight * one for one in seen])
    return Evidence(RatingFigures(), decayed, SquaredWeights(all=weight**2 * changed.n))


def _is_old(key: RatingKey, changes: Mapping[Name, Changed]) -> bool:
    changed = changes.get(key[:3])
    return changed is not None and key.epoch < changed.since


def _part(figures: Iterable[int], share: Share) -> list[int]:
    return [figure * share.part // share.whole for figure in figures]
