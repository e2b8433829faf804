"""Lines over time, with the interval around each where there is one, and what happened when."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from functions.console.charts.drawing import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Table,
    colour,
    empty,
    figure,
    shape,
    time_axis,
    value_axis,
)
from functions.console.charts.scale import Scale, Unit, round_values, seconds, worded

MOMENT_S = 60.0
"""How long a chart is, at least."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a `Timestamp`, with the ends of its interval where there is one."""

    at: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A named series, in order of time."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened at a `Timestamp`, drawn as an upright line across the chart."""

    at: str
    words: str


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines over time.

    Args:
        title: what it shows.
        unit: of the values.
        axis: the name of the value axis, with its unit.
        lines: at least one with a point, else the chart says `nothing`.
        markers: within the time of the lines they are drawn, others are left out.
        whole: the value axis shows at least this range, for example (0, 1).
        nothing: what is said where there is no point.
        note: how to read it.
    """

    title: str
    unit: Unit
    axis: str
    lines: Sequence[Line]
    markers: Sequence[Marker] = ()
    whole: tuple[float, float] | None = None
    nothing: str = "There is nothing to draw yet."
    note: str = "Point at the line to read its values."

    def draw(self) -> Markup:
        """Returns the chart."""
        points = [point for line in self.lines for point in line.points]
        if not points:
            return empty(self.title, self.nothing)
        times = [seconds(point.at) for point in points]
        ends = _ends(times)
        x = Scale(*ends, LEFT + 4, RIGHT - 6)
        values = [point.value for point in points]
        values += [one for point in points for one in (point.low, point.high) if one is not None]
        values += self.whole or ()
        marks = round_values(min(values), max(values))
        y = Scale(marks[0], marks[-1], BOTTOM, TOP)
        drawing = value_axis(y, marks, self.unit, self.axis) + time_axis(x)
        drawing += "".join(marked(one, x) for one in self.markers)
        for place, line in enumerate(self.lines):
            drawing += self._line(line, colour(place), x, y)
        names = [line.name for line in self.lines]
        legend = names if len(names) > 1 else ()
        return figure(self.title, drawing, self._table(), legend=legend, note=self.note)

    def _line(self, line: Line, look: str, x: Scale, y: Scale) -> str:
        places = [(x.at(seconds(one.at)), y.at(one.value), one) for one in line.points]
        path = " ".join(f"{left:g},{top:g}" for left, top, _ in places)
        parts = [self._band(line, look, x, y)]
        parts.append(shape("polyline", points=path, class_=f"line {look}"))
        parts += [
            shape("circle", self._said(line, one), cx=left, cy=top, r=3.5, class_=f"dot {look}")
            for left, top, one in places
        ]
        return "".join(parts)

    def _band(self, line: Line, look: str, x: Scale, y: Scale) -> str:
        known = [one for one in line.points if one.low is not None and one.high is not None]
        if len(known) < 2:  # noqa: PLR2004 -- a band needs two ends
            return ""
        upper = [f"{x.at(seconds(one.at)):g},{y.at(one.high or 0):g}" for one in known]
        lower = [f"{x.at(seconds(one.at)):g},{y.at(one.low or 0):g}" for one in reversed(known)]
        return shape("polygon", points=" ".join(upper + lower), class_=f"band {look}")

    def _said(self, line: Line, point: Point) -> str:
        name = f"{line.name}: " if len(self.lines) > 1 else ""
        return f"{name}{worded(point.value, self.unit)}{self._interval(point)}, {point.at}"

    def _interval(self, point: Point) -> str:
        if point.low is None or point.high is None:
            return ""
        return f" ({worded(point.low, self.unit)} to {worded(point.high, self.unit)})"

    def _table(self) -> Table:
        found: dict[str, dict[str, str]] = {}
        for line in self.lines:
            for one in line.points:
                words = worded(one.value, self.unit) + self._interval(one)
                found.setdefault(one.at, {})[line.name] = words
        names = [line.name for line in self.lines]
        rows = [[at, *(found[at].get(name, "–") for name in names)] for at in sorted(found)]
        return Table(["Time", *names], rows, times=(0,))


def marked(marker: Marker, x: Scale, top: float = TOP, bottom: float = BOTTOM) -> str:
    """Returns a marker's upright line with a handle on top; nothing outside of the chart."""
    at = seconds(marker.at)
    if not x.low <= at <= x.high:
        return ""
    left = x.at(at)
    line = shape("line", x1=left, x2=left, y1=top, y2=bottom, class_="marker")
    handle = f"{left - 5:g},{top - 8:g} {left + 5:g},{top - 8:g} {left:g},{top:g}"
    return line + shape("polygon", marker.words, points=handle, class_="marker-top")


def _ends(times: Sequence[float]) -> tuple[float, float]:
    """Returns the first and the last time; a minute at least, so that one point has a place."""
    low, high = min(times), max(times)
    if high - low >= MOMENT_S:
        return low, high
    spare = (MOMENT_S - (high - low)) / 2
    return low - spare, high + spare
