"""Charts as SVG, drawn on the server from the services' figures: pure functions to markup.

Every chart has axes with units, says each value where one points at it, and carries the same
figures as a table, for those who do not see it. There is no style in the markup: colours and
dashes are classes of app.css, so that the pages need no inline style and follow light and dark.
"""

from functions.console.charts.bars import Bar, BarChart, Stack, StackChart
from functions.console.charts.intervals import Interval, IntervalChart
from functions.console.charts.lines import Line, LineChart, Marker, Point
from functions.console.charts.scale import Unit, worded
from functions.console.charts.scatter import Dot, ScatterChart
from functions.console.charts.spans import Span, SpanChart

__all__ = [
    "Bar",
    "BarChart",
    "Dot",
    "Interval",
    "IntervalChart",
    "Line",
    "LineChart",
    "Marker",
    "Point",
    "ScatterChart",
    "Span",
    "SpanChart",
    "Stack",
    "StackChart",
    "Unit",
    "worded",
]
