"""Stretches of time below one another: since when something holds, and until when it was seen."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from functions.console.charts.drawing import (
    WIDTH,
    Table,
    colour,
    empty,
    figure,
    shape,
    text,
    time_axis,
)
from functions.console.charts.lines import MOMENT_S, Marker, marked
from functions.console.charts.scale import Scale, seconds

_TOP, _ROW = 14.0, 30.0
_LEAST = 5.0
_MARKS = " The marks on top are snapshots."


@dataclass(frozen=True, slots=True)
class Span:
    """A thing that held from one `Timestamp` to another; `group` chooses its colour."""

    name: str
    start: str
    end: str
    group: int = 0


@dataclass(frozen=True, slots=True)
class SpanChart:
    """Spans over time, one row each, in the order given.

    Args:
        title: what it shows.
        start: what the left end of a span is.
        end: what its right end is.
        spans: the things.
        groups: what each colour is.
        markers: what happened meanwhile.
        nothing: what is said where there are none.
    """

    title: str
    start: str
    end: str
    spans: Sequence[Span]
    groups: Sequence[str] = ()
    markers: Sequence[Marker] = ()
    nothing: str = "There is nothing to draw yet."

    def draw(self) -> Markup:
        """Returns the chart."""
        if not self.spans:
            return empty(self.title, self.nothing)
        times = [seconds(at) for one in self.spans for at in (one.start, one.end)]
        low = min(times)
        later = [at for at in (seconds(one.at) for one in self.markers) if at >= low]
        high = max(*times, *later, low + MOMENT_S)
        x = Scale(low, high, 8, WIDTH - 10)
        marks = _MARKS if self.markers else ""
        bottom = _TOP + _ROW * len(self.spans)
        drawing = time_axis(x, bottom)
        drawing += "".join(marked(one, x, _TOP, bottom) for one in self.markers)
        drawing += "".join(self._span(one, x, _TOP + _ROW * i) for i, one in enumerate(self.spans))
        return figure(
            self.title,
            drawing,
            self._table(),
            legend=self.groups if len(self.groups) > 1 else (),
            look="box",
            note=f"From {self.start.lower()} to {self.end.lower()}.{marks}",
            height=bottom + 26,
        )

    def _span(self, span: Span, x: Scale, top: float) -> str:
        left, right = x.at(seconds(span.start)), x.at(seconds(span.end))
        left = min(left, WIDTH - 10 - _LEAST)
        bar = shape(
            "rect",
            f"{span.name}: {self.start.lower()} {span.start}, {self.end.lower()} {span.end}",
            x=left,
            y=top + 16,
            width=round(max(_LEAST, right - left), 2),
            height=9,
            rx=3,
            class_=f"fill {colour(span.group)}",
        )
        start = left < WIDTH / 2
        where, anchor = (left, "start") if start else (max(left + _LEAST, right), "end")
        return text(span.name, where, top + 12, text_anchor=anchor, class_="bar-name") + bar

    def _table(self) -> Table:
        rows = [[one.name, one.start, one.end] for one in self.spans]
        return Table(["", self.start, self.end], rows, times=(1, 2))
