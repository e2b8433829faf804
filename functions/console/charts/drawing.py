"""What all charts share: the frame around the drawing, its grid, its legend and its table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from markupsafe import Markup, escape

from functions.console.charts.scale import Scale, Unit, round_times, tick_words, time_style

WIDTH, HEIGHT = 480.0, 224.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 470.0, 28.0, 200.0
SERIES = 6
"""Colours there are; a chart with more series repeats them with other dashes."""

Look = Literal["line", "box", "dot"]

_FORMATS = {"second": "%H:%M:%S", "minute": "%H:%M", "day": "%d %b"}


@dataclass(frozen=True, slots=True)
class Table:
    """The same figures in words; `times` are the columns that hold `Timestamp`s."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    times: Sequence[int] = ()


def figure(
    title: str,
    drawing: str,
    table: Table,
    *,
    legend: Sequence[str] = (),
    look: Look = "line",
    note: str = "",
    height: float = HEIGHT,
) -> Markup:
    """Returns a chart: title, legend, drawing, the line for the value pointed at, and the table.

    Args:
        title: what it shows, also the drawing's name for those who do not see it.
        drawing: SVG markup, escaped where it has texts of others.
        table: the same in words.
        legend: names of the series in order; none for a single one.
        look: what stands for a series in the legend.
        note: one sentence on how to read it.
        height: of the drawing, in its own units.
    """
    label = f"{title}. The figures are in the table below."
    return Markup(
        '<figure class="plot"><figcaption>{}</figcaption>{}'
        '<svg viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>'
        '<p class="plot-tip" aria-hidden="true">{}</p>{}</figure>'
    ).format(
        title,
        _legend(legend, look),
        WIDTH,
        height,
        label,
        Markup(drawing),  # noqa: S704 -- made by the functions here, which escape
        note,
        _table(table),
    )


def empty(title: str, why: str) -> Markup:
    """Returns what stands in a chart's place where there is nothing to draw."""
    return Markup(
        '<figure class="plot plot-empty"><figcaption>{}</figcaption><p>{}</p></figure>'
    ).format(title, why)


def colour(place: int) -> str:
    """Returns the class of the series at a place."""
    return f"s{place % SERIES}" + (" again" if place >= SERIES else "")


def shape(name: str, words: str = "", **attributes: object) -> str:
    """Returns an SVG element; with `words` it tells them where one points at it."""
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    told = f' data-tip="{escape(words)}"' if words else ""
    inner = f"<title>{escape(words)}</title>" if words else ""
    shown = "".join(f' {key}="{escape(value)}"' for key, value in given.items())
    return f"<{name}{shown}{told}>{inner}</{name}>" if inner else f"<{name}{shown}/>"


def text(words: str, x: float, y: float, **attributes: object) -> str:
    """Returns a text in the drawing."""
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    shown = "".join(f' {key}="{escape(value)}"' for key, value in given.items())
    return f'<text x="{x:g}" y="{y:g}"{shown}>{escape(words)}</text>'


def value_axis(scale: Scale, values: Sequence[float], unit: Unit, name: str) -> str:
    """Returns the horizontal grid with its values on the left and its name on top."""
    parts = [text(name, 4, 12, class_="axis-name")]
    for value, words in zip(values, tick_words(values, unit), strict=True):
        y = scale.at(value)
        parts.append(shape("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(text(words, LEFT - 6, y + 4, text_anchor="end"))
    return "".join(parts)


def time_axis(scale: Scale, bottom: float = BOTTOM) -> str:
    """Returns times below the drawing; the page turns them to the reader's zone."""
    style = time_style(scale.low, scale.high)
    parts = [shape("line", x1=scale.start, x2=scale.end, y1=bottom, y2=bottom, class_="axis")]
    times = round_times(scale.low, scale.high, 4)
    for value in times:
        at = datetime.fromtimestamp(value, UTC)
        x = scale.at(value)
        parts.append(shape("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="axis"))
        words, stamp = at.strftime(_FORMATS[style]), f"{at:%Y-%m-%dT%H:%M:%SZ}"
        parts.append(
            text(
                words,
                x,
                bottom + 18,
                text_anchor=_anchor(x, scale),
                data_time=stamp,
                data_style=style,
            )
        )
    return "".join(parts)


def _anchor(x: float, scale: Scale) -> str:
    """Returns where a text hangs, so that it stays within the drawing."""
    if x - scale.start < 24:  # noqa: PLR2004 -- half a label
        return "start"
    return "end" if scale.end - x < 24 else "middle"  # noqa: PLR2004


def number_axis(
    scale: Scale, values: Sequence[float], unit: Unit, name: str, bottom: float = BOTTOM
) -> str:
    """Returns values below the drawing and the axis's name under them."""
    parts = [shape("line", x1=scale.start, x2=scale.end, y1=bottom, y2=bottom, class_="axis")]
    for value, words in zip(values, tick_words(values, unit), strict=True):
        x = scale.at(value)
        parts.append(shape("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="axis"))
        parts.append(text(words, x, bottom + 18, text_anchor=_anchor(x, scale)))
    middle = (scale.start + scale.end) / 2
    parts.append(text(name, middle, bottom + 36, text_anchor="middle", class_="axis-name"))
    return "".join(parts)


def _legend(names: Sequence[str], look: Look) -> Markup:
    if not names:
        return Markup("")
    items = Markup("")
    for place, name in enumerate(names):
        swatch = Markup(_swatch(place, look))  # noqa: S704 -- a class and numbers
        items += Markup('<li><svg viewBox="0 0 22 10" aria-hidden="true">{}</svg>{}</li>').format(
            swatch, name
        )
    return Markup('<ul class="legend">{}</ul>').format(items)


def _swatch(place: int, look: Look) -> str:
    if look == "line":
        return shape("line", x1=0, x2=22, y1=5, y2=5, class_=f"line {colour(place)}")
    if look == "dot":
        return shape("circle", cx=11, cy=5, r=4, class_=f"fill {colour(place)}")
    return shape("rect", x=4, y=0, width=14, height=10, class_=f"fill {colour(place)}")


def _table(table: Table) -> Markup:
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in table.head)
    rows = Markup("").join(_row(row, times=table.times) for row in table.rows)
    return Markup(
        '<details class="plot-table"><summary>As a table</summary>'
        '<div class="table-wrap" tabindex="0" role="region" aria-label="Table">'
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div></details>"
    ).format(head, rows)


def _row(cells: Sequence[str], *, times: Sequence[int]) -> Markup:
    first, *rest = (_cell(words, time=place in times) for place, words in enumerate(cells))
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(
        first, Markup("").join(Markup("<td>{}</td>").format(one) for one in rest)
    )


def _cell(words: str, *, time: bool) -> Markup:
    return Markup('<time datetime="{0}">{0}</time>').format(words) if time else escape(words)
