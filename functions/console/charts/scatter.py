"""Dots: two values of each thing, and the line of those that no other beats in both."""

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
    number_axis,
    shape,
    text,
    value_axis,
)
from functions.console.charts.scale import Scale, Unit, round_powers, round_values, worded

_WIDE = 20.0
"""From this ratio of the largest to the smallest value on, the axis below counts in powers."""
_LETTER, _LINE = 6.4, 13.0
"""About how wide a letter and how high a line of a name is."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A thing with two values; `group` chooses the look, `size` (0..1) how large it is.

    `low` and `high` are the ends of the interval of `y`, where it has one.
    """

    name: str
    x: float
    y: float
    group: int = 0
    size: float = 0.5
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ScatterChart:
    """Dots over two values.

    Args:
        title: what it shows.
        x_unit: of the value to the right.
        x_axis: its name.
        y_unit: of the value upwards.
        y_axis: its name.
        dots: the things.
        groups: what each group is.
        frontier: draw the line through those of group 0 that none is above and left of.
        diagonal: draw where both values are equal.
        joined: draw the curve through the dots, from the left.
        named: write the names beside the dots where there is room.
        whole: both axes show at least this range.
        nothing: what is said where there are no dots.
        note: how to read it.
    """

    title: str
    x_unit: Unit
    x_axis: str
    y_unit: Unit
    y_axis: str
    dots: Sequence[Dot]
    groups: Sequence[str] = ()
    frontier: bool = False
    diagonal: bool = False
    joined: bool = False
    named: bool = True
    whole: tuple[float, float] | None = None
    nothing: str = "There is nothing to draw yet."
    note: str = "Point at a dot to read its values."

    def draw(self) -> Markup:
        """Returns the chart."""
        if not self.dots:
            return empty(self.title, self.nothing)
        bottom = BOTTOM - 12
        across = [one.x for one in self.dots] + list(self.whole or ())
        log = min(across) > 0 and max(across) / min(across) >= _WIDE
        below = (round_powers if log else round_values)(min(across), max(across))
        upwards = [one.y for one in self.dots] + list(self.whole or ())
        beside = round_values(min(upwards), max(upwards))
        x = Scale(below[0], below[-1], LEFT + 8, RIGHT - 8, log=log)
        y = Scale(beside[0], beside[-1], bottom, TOP)
        name = f"{self.x_axis}, logarithmic" if log else self.x_axis
        drawing = value_axis(y, beside, self.y_unit, self.y_axis)
        drawing += number_axis(x, below, self.x_unit, name, bottom)
        if self.diagonal:
            low, high = max(x.low, y.low), min(x.high, y.high)
            drawing += shape(
                "line", x1=x.at(low), y1=y.at(low), x2=x.at(high), y2=y.at(high), class_="marker"
            )
        if self.frontier:
            path = " ".join(f"{x.at(one.x):g},{y.at(one.y):g}" for one in unbeaten(self.dots))
            drawing += shape("polyline", points=path, class_="frontier")
        if self.joined:
            ordered = sorted(self.dots, key=lambda one: one.x)
            path = " ".join(f"{x.at(one.x):g},{y.at(one.y):g}" for one in ordered)
            drawing += shape("polyline", points=path, class_=f"line {colour(0)}")
        drawing += "".join(_whisker(one, x, y) for one in self.dots)
        drawing += "".join(self._dot(one, x, y) for one in self.dots) + self._names(x, y)
        return figure(
            self.title,
            drawing,
            self._table(),
            legend=self.groups if len(self.groups) > 1 else (),
            look="dot",
            note=self.note,
            height=bottom + 42,
        )

    def _dot(self, dot: Dot, x: Scale, y: Scale) -> str:
        left, top = x.at(dot.x), y.at(dot.y)
        words = (
            f"{dot.name}: {worded(dot.x, self.x_unit)} ({self.x_axis}), "
            f"{self._upwards(dot)} ({self.y_axis})"
        )
        look, radius = f"dot {colour(dot.group)}", round(3 + 5 * dot.size, 1)
        return shape("circle", words, cx=left, cy=top, r=radius, class_=look)

    def _upwards(self, dot: Dot) -> str:
        words = worded(dot.y, self.y_unit)
        if dot.low is None or dot.high is None:
            return words
        return f"{words}, {worded(dot.low, self.y_unit)} to {worded(dot.high, self.y_unit)}"

    def _names(self, x: Scale, y: Scale) -> str:
        """Returns the dots' names beside them; those that would cover another are left out."""
        parts: list[str] = []
        dots = [(x.at(one.x), y.at(one.y) + 4) for one in self.dots]
        taken = [(left - 5, left + 5, top) for left, top in dots]
        for dot in sorted(self.dots, key=lambda one: -one.size):
            left, top, wide = x.at(dot.x), y.at(dot.y) + 4, _LETTER * len(dot.name)
            right = left < (LEFT + RIGHT) / 2
            start = left + 12 if right else left - 12 - wide
            covers = any(
                abs(top - other) < _LINE and start < end and begin < start + wide
                for begin, end, other in taken
            )
            if covers or not self.named:
                continue
            taken.append((start, start + wide, top))
            anchor, where = ("start", start) if right else ("end", start + wide)
            parts.append(text(dot.name, where, top, text_anchor=anchor, class_="dot-name"))
        return "".join(parts)

    def _table(self) -> Table:
        head = ["", self.x_axis, self.y_axis]
        rows = [[one.name, worded(one.x, self.x_unit), self._upwards(one)] for one in self.dots]
        return Table(head, rows)


def _whisker(dot: Dot, x: Scale, y: Scale) -> str:
    if dot.low is None or dot.high is None:
        return ""
    left, low, high = x.at(dot.x), y.at(dot.low), y.at(dot.high)
    return shape("line", x1=left, x2=left, y1=low, y2=high, class_="whisker thin")


def unbeaten(dots: Sequence[Dot]) -> list[Dot]:
    """Returns the dots of group 0 with no other of it as far left and higher, from the left."""
    found: list[Dot] = []
    for one in sorted((one for one in dots if one.group == 0), key=lambda dot: (dot.x, -dot.y)):
        if not found or one.y > found[-1].y:
            found.append(one)
    return found
