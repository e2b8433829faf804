"""Whether stated confidence is borne out: the curve of what was approved by what was stated.

Learned per agent from sums by tenth of stated confidence; the queue and the patterns read a stated
confidence through it, so that overstating earns nothing.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.domain.learning.base import Figure, Learned
from shared.domain.learning.stats import wilson

STRENGTH = 5.0
"""How many outcomes, borne out exactly as stated, each band is thought to have had before."""

_MISSED = 0.10
"""How often the interval of the error may leave out the true one, at most."""


class Band(NamedTuple):
    """Outcomes of about the same stated confidence: effective number, means of both in 0..1."""

    n: float
    stated: float
    approved: float


class CalibrationBand(Learned):
    """What became of a tenth of stated confidence.

    `approved` (partial counts half) is as observed, `low` and `high` its two-sided 90 % interval
    (Wilson). `calibrated` is what the stated confidence is taken for: shrunk to what was stated,
    and never lower than in a band below.
    """

    stated: Figure
    approved: Figure
    low: Figure
    high: Figure
    calibrated: Figure
    n_effective: Figure


class Calibration(Learned):
    """An agent's curve and its expected calibration error, 0 (borne out) to 1.

    The error is the mean distance between stated and approved, by outcomes (Naeini, Cooper,
    Hauskrecht, AAAI 2015). `low` and `high` hold the true one in at least 90 of 100 cases: they are
    added up from intervals of all bands that hold together (Bonferroni). No bands: nothing known.
    """

    bands: tuple[CalibrationBand, ...] = ()
    error: Figure | None = None
    error_low: Figure | None = None
    error_high: Figure | None = None

    def calibrated(self, stated: float) -> float:
        """Returns what a stated confidence, 0..1, is taken for; itself where nothing is known."""
        below = [one.calibrated for one in self.bands if _tenth(one.stated) < _tenth(stated)]
        above = [one.calibrated for one in self.bands if _tenth(one.stated) > _tenth(stated)]
        for one in self.bands:
            if _tenth(one.stated) == _tenth(stated):
                return one.calibrated
        return min(max([stated, *below]), *above, 1.0)


def calibration(bands: Mapping[int, Band]) -> Calibration:
    """Returns the curve of these bands, by tenth; those of no size are left out."""
    kept = [bands[place] for place in sorted(bands) if bands[place].n > 0]
    if not kept:
        return Calibration()
    total = sum(one.n for one in kept)
    level = 1 - _MISSED / 2 / len(kept)
    sure = [wilson(one.approved * one.n, one.n, level) for one in kept]
    pairs = list(zip(kept, sure, strict=True))
    return Calibration(
        bands=tuple(
            CalibrationBand(
                stated=one.stated,
                approved=one.approved,
                low=low,
                high=high,
                calibrated=value,
                n_effective=one.n,
            )
            for one, value in zip(kept, _rising(kept), strict=True)
            for low, high in (wilson(one.approved * one.n, one.n, 1 - _MISSED / 2),)
        ),
        error=sum(one.n * abs(one.approved - one.stated) for one in kept) / total,
        error_low=sum(
            one.n * max(0.0, low - one.stated, one.stated - high) for one, (low, high) in pairs
        )
        / total,
        error_high=sum(
            one.n * max(abs(low - one.stated), abs(high - one.stated)) for one, (low, high) in pairs
        )
        / total,
    )


def _rising(bands: Sequence[Band]) -> list[float]:
    """Returns the bands' approval rates, shrunk to what was stated and made to rise.

    Pooling of adjacent violators (Ayer, Brunk, Ewing, Reid, Silverman, Ann. Math. Stat. 26 (1955)).
    """
    pools: list[tuple[float, float, int]] = []
    for one in bands:
        weight = one.n + STRENGTH
        pool = ((one.approved * one.n + one.stated * STRENGTH) / weight, weight, 1)
        while pools and pools[-1][0] >= pool[0]:
            value, size, count = pools.pop()
            both = size + pool[1]
            pool = ((value * size + pool[0] * pool[1]) / both, both, count + pool[2])
        pools.append(pool)
    return [value for value, _, count in pools for _ in range(count)]


def _tenth(stated: float) -> int:
    return min(int(stated * 10), 9)
