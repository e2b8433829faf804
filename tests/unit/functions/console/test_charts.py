"""Charts: what is drawn where, and that the table says the same."""

import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.console import charts
from functions.console.charts import scale, scatter

DAY = "2026-01-{:02d}T00:00:00.000000Z"


def line(*values: float, name: str = "quality", **more: object) -> charts.LineChart:
    points = [charts.Point(DAY.format(i), value) for i, value in enumerate(values, 1)]
    return charts.LineChart("Quality", "quality", "1 to 5", [charts.Line(name, points)], **more)


def parsed(markup: str) -> ET.Element:
    return ET.fromstring(markup)


def values(root: ET.Element, tag: str, attribute: str) -> list[str]:
    return [one.attrib[attribute] for one in root.iter(tag) if attribute in one.attrib]


def cells(root: ET.Element) -> list[list[str]]:
    rows = root.findall(".//tbody/tr")
    return [["".join(cell.itertext()) for cell in row] for row in rows]


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 5e-324), (-1e30, 1e30), (1e30, 1e30), (5e-324, 5e-324), (-1e30, 5e-324)]
)
def test_an_axis_of_extreme_values_has_two_marks_at_least(low: float, high: float) -> None:
    marks = scale.round_values(low, high)
    assert 2 <= len(marks) <= 20
    assert all(math.isfinite(one) for one in marks)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e9))
def test_an_axis_of_round_values_encloses_what_it_shows(low: float, width: float) -> None:
    marks = scale.round_values(low, low + width)
    slack = (marks[1] - marks[0]) * 1e-6 + abs(low) * 1e-9
    assert marks[0] <= low + slack
    assert marks[-1] >= low + width - slack
    assert 2 <= len(marks) <= 9
    assert marks == sorted(marks)


@given(st.floats(1e-6, 1e6), st.floats(1, 1e6))
def test_an_axis_of_powers_encloses_what_it_shows(low: float, ratio: float) -> None:
    marks = scale.round_powers(low, low * ratio)
    assert marks[0] <= low * 1.000001
    assert marks[-1] >= low * ratio * 0.999999
    assert marks == sorted(marks)


@given(st.integers(0, 4_000_000_000), st.integers(1, 400_000_000))
def test_times_of_an_axis_are_round_and_few(start: int, length: int) -> None:
    times = scale.round_times(start, start + length, 5)
    assert 1 <= len(times) <= 6
    assert all(start <= one <= start + length for one in times)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, "usd", "–"),
        (1234, "count", "1\u202f234"),
        (0.5, "share", "50 %"),
        (0.123, "share", "12.3 %"),
        (4.126, "quality", "4.13"),
        (0.00042, "usd", "$0.00042"),
        (0.0, "usd", "$0.00"),
        (-1234.5, "usd", "−$1\u202f234.50"),
        (12.34, "ms", "12.3 ms"),
        (1234.0, "ms", "1\u202f234 ms"),
        (0.5, "number", "0.5"),
    ],
)
def test_a_value_is_told_with_its_unit(value: float | None, unit: charts.Unit, words: str) -> None:
    assert charts.worded(value, unit) == words


def test_a_scale_puts_the_middle_of_powers_in_the_middle() -> None:
    assert scale.Scale(1, 100, 0, 10, log=True).at(10) == 5
    assert scale.Scale(3, 3, 0, 10).at(3) == 5


def test_a_line_has_a_dot_for_each_value_and_higher_is_higher() -> None:
    root = parsed(line(2.0, 4.0, 3.0).draw())
    tops = [float(one) for one in values(root, "circle", "cy")]
    assert tops[1] < tops[2] < tops[0]
    assert values(root, "circle", "data-tip")[1] == f"4.00, {DAY.format(2)}"


def test_the_table_of_a_line_says_what_is_drawn_with_its_interval() -> None:
    point = charts.Point(DAY.format(1), 0.5, 0.4, 0.6)
    chart = charts.LineChart("T", "share", "a", [charts.Line("rate", [point])])
    root = parsed(chart.draw())
    assert cells(root) == [[DAY.format(1), "50 % (40 % to 60 %)"]]
    assert root.find(".//time").attrib["datetime"] == DAY.format(1)


def test_an_interval_is_drawn_as_a_band_once_there_are_two() -> None:
    points = [charts.Point(DAY.format(i), 0.5, 0.4, 0.6) for i in (1, 2)]
    for count, bands in ((1, 0), (2, 1)):
        chart = charts.LineChart("T", "share", "a", [charts.Line("rate", points[:count])])
        assert chart.draw().count('class="band') == bands


def test_markers_outside_of_the_time_shown_are_left_out() -> None:
    markers = [charts.Marker(DAY.format(day), f"snapshot {day}") for day in (2, 20)]
    drawn = line(1, 2, 3, markers=markers).draw()
    assert "snapshot 2" in drawn
    assert "snapshot 20" not in drawn


def test_a_legend_names_each_of_several_lines() -> None:
    one, two = line(1, 2), line(3, 4, name="other")
    assert "legend" not in one.draw()
    both = charts.LineChart("T", "count", "a", [*one.lines, *two.lines]).draw()
    items = ["".join(item.itertext()) for item in parsed(both).findall(".//ul/li")]
    assert items == ["quality", "other"]


@pytest.mark.parametrize(
    "chart",
    [
        charts.LineChart("T", "count", "a", [charts.Line("x", [])], nothing="Run first."),
        charts.BarChart("T", "count", "a", ["x"], [], nothing="Run first."),
        charts.StackChart("T", "count", "a", ["x"], [], 60, nothing="Run first."),
        charts.ScatterChart("T", "usd", "a", "share", "b", [], nothing="Run first."),
        charts.SpanChart("T", "a", "b", [], nothing="Run first."),
        charts.IntervalChart("T", "share", "a", [], nothing="Run first."),
    ],
)
def test_a_chart_of_nothing_says_what_to_do(chart: charts.LineChart) -> None:
    drawn = chart.draw()
    assert "Run first." in drawn
    assert "<svg" not in drawn


def test_bars_are_as_long_as_their_values() -> None:
    bars = [
        charts.Bar("a", [1.0]),
        charts.Bar("b", [2.0], low=1.0, high=3.0),
        charts.Bar("c", [None]),
    ]
    root = parsed(charts.BarChart("T", "count", "a", ["n"], bars).draw())
    one, two = (float(width) for width in values(root, "rect", "width"))
    assert two == pytest.approx(2 * one, rel=0.01)
    assert cells(root) == [["a", "1"], ["b", "2 (1 to 3)"], ["c", "–"]]
    assert len(root.findall(".//line[@class='whisker']")) == 1


def test_a_reference_is_drawn_across_the_bars_and_told() -> None:
    chart = charts.BarChart(
        "T", "share", "a", ["n"], [charts.Bar("a", [0.2])], reference=(0.5, "mean 50 %"), most=1.0
    )
    assert "The dashed line: mean 50 %." in chart.draw()


def test_a_stack_is_as_high_as_its_counts_together() -> None:
    stacks = [charts.Stack(DAY.format(1), [1, 2]), charts.Stack(DAY.format(2), [0, 3])]
    root = parsed(charts.StackChart("T", "count", "a", ["x", "y"], stacks, 86_400).draw())
    heights = [float(one) for one in values(root, "rect", "height")][-3:]
    assert heights[0] + heights[1] == pytest.approx(heights[2], abs=0.05)
    assert cells(root) == [[DAY.format(1), "1", "2"], [DAY.format(2), "0", "3"]]


def test_the_frontier_leaves_out_what_another_beats_in_both() -> None:
    dots = [
        charts.Dot("cheap", 1, 0.5),
        charts.Dot("worse", 2, 0.4),
        charts.Dot("best", 3, 0.9),
        charts.Dot("other group", 0.5, 1.0, group=1),
    ]
    assert [one.name for one in scatter.unbeaten(dots)] == ["cheap", "best"]


def test_costs_far_apart_are_drawn_by_powers() -> None:
    dots = [charts.Dot("a", 0.001, 0.5), charts.Dot("b", 1.0, 0.7)]
    drawn = charts.ScatterChart("T", "usd", "cost", "share", "right", dots, frontier=True).draw()
    assert "cost, logarithmic" in drawn


def test_the_diagonal_says_where_both_are_equal() -> None:
    chart = charts.ScatterChart(
        "T", "share", "a", "share", "b", [charts.Dot("x", 0.5, 0.5)], diagonal=True, whole=(0, 1)
    )
    ends = parsed(chart.draw()).find(".//line[@class='marker']").attrib
    assert float(ends["x1"]) < float(ends["x2"])
    assert float(ends["y1"]) > float(ends["y2"])


def test_a_span_goes_from_its_start_to_its_end() -> None:
    spans = [
        charts.Span("a", DAY.format(1), DAY.format(11)),
        charts.Span("b", DAY.format(6), DAY.format(11)),
        charts.Span("c", DAY.format(11), DAY.format(11)),
    ]
    root = parsed(charts.SpanChart("T", "Found", "Seen", spans).draw())
    one, two, three = (float(width) for width in values(root, "rect", "width"))
    assert two == pytest.approx(one / 2, abs=0.1)
    assert three > 0


def test_a_calibration_curve_joins_its_dots_from_the_left_with_their_intervals() -> None:
    dots = [
        charts.Dot("many", 0.9, 0.6, low=0.5, high=0.7),
        charts.Dot("few", 0.3, 0.4, low=0.1, high=0.8),
        charts.Dot("unknown", 0.5, 0.5),
    ]
    chart = charts.ScatterChart("T", "share", "stated", "share", "kept", dots, joined=True)
    root = parsed(chart.draw())
    curve = values(root, "polyline", "points")[0].split()
    assert [float(one.split(",")[0]) for one in curve] == sorted(
        float(one) for one in values(root, "circle", "cx")
    )
    whiskers = root.findall(".//line[@class='whisker thin']")
    assert len(whiskers) == 2
    assert all(float(one.attrib["y1"]) > float(one.attrib["y2"]) for one in whiskers)
    assert cells(root)[0] == ["many", "90 %", "60 %, 50 % to 70 %"]
    assert cells(root)[2] == ["unknown", "50 %", "50 %"]


def test_an_interval_lies_around_its_difference_and_zero_is_in_the_middle() -> None:
    rows = [
        charts.Interval("better", 0.2, 0.1, 0.3),
        charts.Interval("open", -0.1, -3.0, 0.4),
        charts.Interval("unknown", 0.0, None, None),
    ]
    root = parsed(charts.IntervalChart("T", "share", "difference", rows, most=0.5).draw())
    zero = float(root.findall(".//line[@class='axis']")[-1].attrib["x1"])
    better, wide = root.findall(".//line[@class='whisker']")
    assert zero < float(better.attrib["x1"]) < float(better.attrib["x2"])
    assert float(wide.attrib["x1"]) < zero < float(wide.attrib["x2"])
    assert float(wide.attrib["x1"]) >= 0, "what goes beyond the chart is cut off"
    dots = [float(one) for one in values(root, "circle", "cx")]
    assert dots[1] < dots[2] == zero < dots[0]
    assert cells(root) == [
        ["better", "+20 % (+10 % to +30 %)"],
        ["open", "−10 % (−300 % to +40 %)"],
        ["unknown", "0 %"],
    ]


def test_both_times_of_a_span_are_times_in_the_table_and_snapshots_are_marked() -> None:
    spans = [charts.Span("a", DAY.format(3), DAY.format(11))]
    markers = [charts.Marker(DAY.format(day), f"snapshot {day}") for day in (1, 5, 20)]
    drawn = charts.SpanChart("T", "Found", "Seen", spans, markers=markers).draw()
    times = [one.attrib["datetime"] for one in parsed(drawn).findall(".//td/time")]
    assert times == [DAY.format(3), DAY.format(11)]
    assert "snapshot 5" in drawn
    assert "snapshot 20" in drawn, "what came after the last of them belongs to its story"
    assert 'snapshot 1"' not in drawn


HOSTILE = "<script>alert(1)</script>\"'&"


@pytest.mark.parametrize(
    "drawn",
    [
        line(1, 2, name=HOSTILE, markers=[charts.Marker(DAY.format(2), HOSTILE)]).draw(),
        charts.BarChart(HOSTILE, "count", HOSTILE, [HOSTILE], [charts.Bar(HOSTILE, [1])]).draw(),
        charts.StackChart(
            HOSTILE, "count", "a", [HOSTILE, "b"], [charts.Stack(DAY.format(1), [1, 1])], 60
        ).draw(),
        charts.ScatterChart(
            "T", "count", HOSTILE, "count", HOSTILE, [charts.Dot(HOSTILE, 1, 1)]
        ).draw(),
        charts.SpanChart(
            HOSTILE, "a", "b", [charts.Span(HOSTILE, DAY.format(1), DAY.format(2))]
        ).draw(),
    ],
)
def test_names_of_others_are_never_markup(drawn: str) -> None:
    assert not list(parsed(drawn).iter("script"))
    assert not re.search(r"<[^>]*\s(style|on\w+)=", drawn)


def test_a_name_is_shown_as_it_is() -> None:
    drawn = charts.BarChart("T", "count", "a", ["n"], [charts.Bar(HOSTILE, [1])]).draw()
    assert cells(parsed(drawn))[0][0] == HOSTILE
