"""Intervals around differences, one below another: what is surely better, worse, or open."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from functions.console.charts.drawing import (
    WIDTH,
    Table,
    colour,
    empty,
    figure,
    number_axis,
    shape,
    text,
)
from functions.console.charts.scale import Scale, Unit, round_values, worded

_TOP, _ROW = 6.0, 30.0
_EDGE = 12.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference with the ends of its interval; an end that is not known is None."""

    name: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class IntervalChart:
    """Differences from zero with their intervals, one row each.

    Args:
        title: what it shows.
        unit: of the differences.
        axis: the name of the axis below.
        rows: in the order of the page.
        most: where the axis ends at either side, at most; intervals that go beyond are cut off.
        nothing: what is said where there are none.
        note: how to read it.
    """

    title: str
    unit: Unit
    axis: str
    rows: Sequence[Interval]
    most: float = 1.0
    nothing: str = "There is nothing to compare yet."
    note: str = "An interval that does not touch the line in the middle is a difference."

    def draw(self) -> Markup:
        """Returns the chart."""
        if not self.rows:
            return empty(self.title, self.nothing)
        known = [one for row in self.rows for one in (row.value, row.low, row.high) if one]
        end = min(self.most, max((abs(one) for one in known), default=self.most))
        marks = round_values(-end, end)
        x = Scale(marks[0], marks[-1], _EDGE, WIDTH - _EDGE)
        bottom = _TOP + _ROW * len(self.rows)
        zero = x.at(0.0)
        drawing = number_axis(x, marks, self.unit, self.axis, bottom)
        drawing += shape("line", x1=zero, x2=zero, y1=_TOP, y2=bottom, class_="axis")
        drawing += "".join(self._row(one, x, _TOP + _ROW * i) for i, one in enumerate(self.rows))
        return figure(self.title, drawing, self._table(), note=self.note, height=bottom + 42)

    def _row(self, row: Interval, x: Scale, top: float) -> str:
        middle = top + 21
        ends = [_within(one, x) for one in (row.low, row.high) if one is not None]
        parts = [text(row.name, _EDGE, top + 11, class_="bar-name")]
        if len(ends) == 2:  # noqa: PLR2004 -- both ends are known
            parts.append(
                shape("line", x1=ends[0], x2=ends[1], y1=middle, y2=middle, class_="whisker")
            )
        parts.append(
            shape(
                "circle",
                f"{row.name}: {self._said(row)}",
                cx=_within(row.value, x),
                cy=middle,
                r=4.5,
                class_=f"dot {colour(0)}",
            )
        )
        return "".join(parts)

    def _said(self, row: Interval) -> str:
        words = _signed(row.value, self.unit)
        if row.low is None or row.high is None:
            return words
        return f"{words} ({_signed(row.low, self.unit)} to {_signed(row.high, self.unit)})"

    def _table(self) -> Table:
        return Table(["", "Difference"], [[one.name, self._said(one)] for one in self.rows])


def _within(value: float, x: Scale) -> float:
    return x.at(min(max(value, x.low), x.high))


def _signed(value: float, unit: Unit) -> str:
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{worded(abs(value), unit)}"
