"""Axes: round numbers and round times, where they lie on the drawing, and how values are spelt."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shared.domain.times import from_text

Unit = Literal["count", "share", "quality", "score", "usd", "ms", "number"]
"""What a value is: a count, 0..1 shown in percent, 1..5, 0..1 as it is, dollars, milliseconds."""

_STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1_800),
    *(3_600, 7_200, 10_800, 21_600, 43_200),
    *(86_400, 172_800, 604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000),
)
_MINUTE, _DAY = 60, 86_400
_SMALL_USD = 0.01
_HUNDRED, _THOUSAND = 100, 1_000
_LEAST = 1e-11
"""Values that are closer than this are one: finer steps would be rounded to nothing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to the drawing: `low` lies at `start`, `high` at `end`; log10 where asked."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Returns where a value lies; values beyond the ends lie beyond them."""
        low, high = self._bent(self.low), self._bent(self.high)
        share = (self._bent(value) - low) / (high - low) if high > low else 0.5
        return round(self.start + share * (self.end - self.start), 2)

    def _bent(self, value: float) -> float:
        return math.log10(value) if self.log else value


def seconds(at: str) -> float:
    """Returns a `Timestamp` in seconds since 1970."""
    return from_text(at).timestamp()


def round_values(low: float, high: float, about: int = 4, *, whole: bool = False) -> list[float]:
    """Returns round values (1, 2 or 5 times a power of ten) whose ends enclose `low` and `high`.

    With `whole` they are whole numbers.
    """
    if high - low < _LEAST:
        high = low + (abs(low) if abs(low) >= _LEAST else 1.0)
    raw = max(1.0 if whole else 0.0, (high - low) / about)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def round_powers(low: float, high: float) -> list[float]:
    """Returns 1, 2 and 5 times powers of ten that enclose two positive values, few of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = (1, 2, 5) if last - first <= 1 else (1, 3) if last - first == 2 else (1,)  # noqa: PLR2004
    found = [one * 10.0**power for power in range(first, last + 1) for one in every]
    start = max((one for one in found if one <= low), default=found[0])
    end = min((one for one in found if one >= high), default=found[-1])
    chosen = [one for one in found if start <= one <= end]
    return chosen if len(chosen) > 1 else [start, start * 10]


def time_step(low_s: float, high_s: float, most: int) -> int:
    """Returns the smallest usual step in seconds that makes at most `most` parts of a stretch."""
    return next(
        (step for step in _STEPS_S if (high_s - low_s) / step <= most),
        math.ceil((high_s - low_s) / most),
    )


def round_times(low_s: float, high_s: float, most: int = 5) -> list[float]:
    """Returns round times (UTC) within two times; at least the earlier one."""
    step = time_step(low_s, high_s, most)
    first = math.ceil(low_s / step)
    return [float(step * one) for one in range(first, math.floor(high_s / step) + 1)] or [low_s]


def time_style(low_s: float, high_s: float) -> Literal["second", "minute", "day"]:
    """Returns how finely times of a stretch have to be told apart."""
    if high_s - low_s < 5 * _MINUTE:
        return "second"
    return "minute" if high_s - low_s < 2 * _DAY else "day"


def worded(value: float | None, unit: Unit) -> str:
    """Returns a value as people read it, with its unit; an en dash for None."""
    if value is None:
        return "–"
    if unit == "usd":
        return _usd(value)
    if unit == "share":
        return f"{value:.1%}".replace(".0%", "%").replace("%", " %")
    if unit == "ms":
        return _apart(f"{value:,.0f} ms") if value >= _HUNDRED else f"{value:.3g} ms"
    if unit in ("quality", "score"):
        return f"{value:.2f}"
    return _apart(f"{value:,.0f}") if abs(value) >= _THOUSAND else f"{value:.4g}"


def _apart(words: str) -> str:
    """Returns a number whose thousands are apart by thin spaces."""
    return words.replace(",", "\u202f")


def _usd(value: float) -> str:
    sign, size = "−" if value < 0 else "", abs(value)
    if size == 0 or size >= _SMALL_USD:
        return _apart(f"{sign}${size:,.2f}")
    return f"{sign}${size:.{2 - math.floor(math.log10(size))}f}".rstrip("0")


def tick_words(values: Sequence[float], unit: Unit) -> list[str]:
    """Returns the words of an axis: as short as they can be while each differs."""
    if unit in ("share", "usd", "ms"):
        return [worded(value, unit) for value in values]
    return [_apart(f"{value:,.10g}") for value in values]
