"""Bars: lying ones that compare things by name, and stacks that count things over time."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from functions.console.charts.drawing import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Table,
    colour,
    empty,
    figure,
    shape,
    text,
    time_axis,
    value_axis,
)
from functions.console.charts.lines import Marker, marked
from functions.console.charts.scale import (
    Scale,
    Unit,
    round_values,
    seconds,
    worded,
)

_ROW, _BAR = 38.0, 12.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A thing with a value for each of the chart's names, None where it has none.

    `low` and `high` are the ends of the first value's interval; `own` marks the one in question.
    """

    name: str
    values: Sequence[float | None]
    low: float | None = None
    high: float | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class BarChart:
    """Lying bars, one row for each thing, from 0 to the right.

    Args:
        title: what it shows.
        unit: of the values.
        axis: the name of the value axis, with its unit.
        names: what each of a bar's values is; one bar for each, below one another.
        bars: in the order of the page.
        reference: a value drawn across all rows, with its words.
        most: the end of the axis; the largest value where None.
        nothing: what is said where there are no bars.
    """

    title: str
    unit: Unit
    axis: str
    names: Sequence[str]
    bars: Sequence[Bar]
    reference: tuple[float, str] | None = None
    most: float | None = None
    nothing: str = "There is nothing to draw yet."

    def draw(self) -> Markup:
        """Returns the chart."""
        if not self.bars:
            return empty(self.title, self.nothing)
        given = [one for bar in self.bars for one in (*bar.values, bar.high) if one is not None]
        marks = round_values(0.0, self.most or max(given, default=1.0) or 1.0)
        x = Scale(0.0, marks[-1], 6, WIDTH - 16)
        row = _ROW + _BAR * (len(self.names) - 1)
        bottom = 8 + row * len(self.bars)
        drawing = self._axis(x, marks, bottom)
        drawing += "".join(self._row(one, x, 8 + row * i) for i, one in enumerate(self.bars))
        if self.reference is not None:
            left = x.at(self.reference[0])
            drawing += shape("line", x1=left, x2=left, y1=4, y2=bottom, class_="marker")
            drawing += shape(
                "rect", self.reference[1], x=left - 4, y=4, width=8, height=bottom, class_="catch"
            )
        note = "Point at a bar to read its value."
        if self.reference is not None:
            note += f" The dashed line: {self.reference[1]}."
        legend = self.names if len(self.names) > 1 else ()
        return figure(
            self.title,
            drawing,
            self._table(),
            legend=legend,
            look="box",
            note=note,
            height=bottom + 40,
        )

    def _axis(self, x: Scale, marks: Sequence[float], bottom: float) -> str:
        parts = [text(self.axis, WIDTH / 2, bottom + 36, text_anchor="middle", class_="axis-name")]
        for value in marks:
            left = x.at(value)
            parts.append(shape("line", x1=left, x2=left, y1=4, y2=bottom, class_="grid"))
            end = value == marks[-1]
            anchor = "start" if value == 0 else "end" if end else "middle"
            where = left + (10 if end else 0)
            parts.append(text(worded(value, self.unit), where, bottom + 18, text_anchor=anchor))
        return "".join(parts)

    def _row(self, bar: Bar, x: Scale, top: float) -> str:
        first = next((value for value in bar.values if value is not None), None)
        label = f"{bar.name}  {worded(first, self.unit)}"
        parts = [text(label, 6, top + 13, class_="bar-name own" if bar.own else "bar-name")]
        for place, value in enumerate(bar.values):
            if value is None:
                continue
            y, words = top + 18 + _BAR * place, f"{bar.name}: {self._said(bar, place, value)}"
            parts.append(
                shape(
                    "rect",
                    words,
                    x=6,
                    y=y,
                    width=max(1.0, x.at(value) - 6),
                    height=_BAR - 2,
                    class_=f"fill {colour(place)}" + (" own" if bar.own else ""),
                )
            )
        if bar.low is not None and bar.high is not None:
            middle = top + 18 + (_BAR - 2) / 2
            left, right = x.at(bar.low), x.at(bar.high)
            line = shape("line", x1=left, x2=right, y1=middle, y2=middle, class_="whisker")
            parts.append(line)
        return "".join(parts)

    def _said(self, bar: Bar, place: int, value: float) -> str:
        name = f"{self.names[place]} " if len(self.names) > 1 else ""
        interval = ""
        if place == 0 and bar.low is not None and bar.high is not None:
            interval = f" ({worded(bar.low, self.unit)} to {worded(bar.high, self.unit)})"
        return f"{name}{worded(value, self.unit)}{interval}"

    def _table(self) -> Table:
        rows = []
        for bar in self.bars:
            cells = [
                "–" if value is None else self._said(bar, place, value)
                for place, value in enumerate(bar.values)
            ]
            rows.append([bar.name, *cells])
        return Table(["", *self.names], rows)


@dataclass(frozen=True, slots=True)
class Stack:
    """Counts by name within the stretch of time that begins at a `Timestamp`."""

    at: str
    counts: Sequence[float]


@dataclass(frozen=True, slots=True)
class StackChart:
    """Standing bars over time, each a stack of the names' counts.

    Args:
        title: what it shows.
        unit: of the counts.
        axis: the name of the value axis.
        names: of the parts, from the bottom.
        stacks: in order of time; stretches without counts may be missing.
        step_s: how long each stretch is, in seconds.
        markers: what happened meanwhile.
        nothing: what is said where there is no stack.
    """

    title: str
    unit: Unit
    axis: str
    names: Sequence[str]
    stacks: Sequence[Stack]
    step_s: float
    markers: Sequence[Marker] = ()
    nothing: str = "There is nothing to draw yet."

    def draw(self) -> Markup:
        """Returns the chart."""
        if not self.stacks:
            return empty(self.title, self.nothing)
        first, last = seconds(self.stacks[0].at), seconds(self.stacks[-1].at) + self.step_s
        x = Scale(first, last, LEFT + 2, RIGHT)
        most = max(sum(one.counts) for one in self.stacks)
        marks = round_values(0.0, most or 1.0, whole=self.unit == "count")
        y = Scale(0.0, marks[-1], BOTTOM, TOP)
        drawing = value_axis(y, marks, self.unit, self.axis) + time_axis(x)
        drawing += "".join(self._stack(one, x, y) for one in self.stacks)
        drawing += "".join(marked(one, x) for one in self.markers)
        legend = self.names if len(self.names) > 1 else ()
        note = "Point at a bar to read its value."
        return figure(self.title, drawing, self._table(), legend=legend, look="box", note=note)

    def _stack(self, stack: Stack, x: Scale, y: Scale) -> str:
        left, below, parts = x.at(seconds(stack.at)), 0.0, []
        width = max(1.0, x.at(seconds(stack.at) + self.step_s) - left - 1)
        for place, count in enumerate(stack.counts):
            if count <= 0:
                continue
            top, bottom = y.at(below + count), y.at(below)
            words = f"{self.names[place]}: {worded(count, self.unit)}, from {stack.at}"
            look = f"fill {colour(place)}"
            size = {"x": left, "y": top, "width": round(width, 2), "height": round(bottom - top, 2)}
            parts.append(shape("rect", words, **size, class_=look))
            below += count
        return "".join(parts)

    def _table(self) -> Table:
        unit = self.unit
        rows = [[one.at, *(worded(count, unit) for count in one.counts)] for one in self.stacks]
        return Table(["From", *self.names], rows, times=(0,))
