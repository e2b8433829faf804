"""Both estimators of off-policy estimates, on the sums of the groups that a policy takes.

SNIPS and DR, as `offpolicy` says; each tells what every bundle of sessions adds to its error.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.domain.learning.bundles import BUNDLES
from shared.domain.learning.config import ModelId
from shared.domain.learning.figures import RatingKey
from shared.domain.learning.offpolicy_terms import Terms


class Context(NamedTuple):
    """One (pattern, cell): how much was logged there, by bundle too, and by which models."""

    pattern: str
    cell: str
    n: float
    bundles: Mapping[int, float]
    models: Mapping[ModelId, RatingKey]


Rows = Sequence[tuple[Context, Terms]]


class Told(NamedTuple):
    """An estimate, and what each bundle of sessions adds to its error."""

    mean: float
    shares: Sequence[float]

    def less(self, other: "Told") -> "Told":
        """Returns the difference of two estimates on the same traffic."""
        pairs = zip(self.shares, other.shares, strict=True)
        return Told(self.mean - other.mean, [one - two for one, two in pairs])


def squares_of(shares: Sequence[float]) -> float:
    """Returns what the bundles say of the sum, over sessions, of their squared shares."""
    middle = math.fsum(shares) / BUNDLES
    return math.fsum((one - middle) ** 2 for one in shares) * BUNDLES / (BUNDLES - 1)


Both = tuple[Told, Told]
"""An estimate by both estimators, SNIPS and DR."""


class Estimators:
    """Both estimators, and what they told of rows already: policies mostly take the same."""

    def __init__(self) -> None:
        self._known: list[tuple[Rows, Both | None]] = []

    def told(self, rows: Rows) -> Both | None:
        """Returns the estimates; None without weight."""
        for known, both in self._known:
            if known == rows:
                return both
        snips, dr = _snips(rows), _doubly_robust(rows)
        both = None if snips is None or dr is None else (snips, dr)
        self._known.append((rows, both))
        return both


def _snips(rows: Rows) -> Told | None:
    """Returns sum(w r) / sum(w); None without weight.

    The error is by the delta method (Owen, "Monte Carlo theory, methods and examples", 2013,
    section 9.2).
    """
    weight = math.fsum(one.whole.w for _, one in rows)
    if weight <= 0:
        return None
    mean = math.fsum(one.whole.wr for _, one in rows) / weight
    shares = [0.0] * BUNDLES
    for _, one in rows:
        for bundle, sums in one.bundles.items():
            shares[bundle] += (sums.wr - mean * sums.w) / weight
    return Told(mean, shares)


def _doubly_robust(rows: Rows) -> Told | None:
    """Returns the mean of q(chosen) + w (r - q) over all logged rows; None without any."""
    whole = math.fsum(context.n for context, _ in rows)
    if whole <= 0:
        return None
    mean = math.fsum(context.n * one.q + one.residual for context, one in rows) / whole
    shares = [0.0] * BUNDLES
    for context, one in rows:
        q, above, slack = one.q, (one.q - mean) / whole, one.slack / whole
        for bundle, count in context.bundles.items():
            shares[bundle] += above * count
        for bundle, (w, wr) in one.bundles.items():
            shares[bundle] += (wr - q * w) * slack
    return Told(mean, shares)
