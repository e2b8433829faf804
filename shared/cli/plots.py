"""Draws lines and points as one SVG, for reports that are read without a browser's scripts."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 420, 70, 40, 210, 50
COLOURS = tuple(
    "#1f5fbf #c2410c #15803d #7e22ce #b91c1c #0f766e #a16207 #475569 #db2777 #0ea5e9 #84cc16 "
    "#1e1b4b".split()
)
_MARKS = 5
"""On an axis, at most."""


class Series(NamedTuple):
    """Points (x, y); one point is drawn as a dot, more as a line."""

    name: str
    points: Sequence[tuple[float, float]]


def svg(title: str, x_label: str, y_label: str, series: Sequence[Series]) -> str:
    """Returns a plot with axes, up to five round marks on each, and a legend."""
    xs = [x for one in series for x, _ in one.points]
    ys = [y for one in series for _, y in one.points]
    low_x, high_x, low_y, high_y = min(xs), max(xs), min(ys), max(ys)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - low_x) / ((high_x - low_x) or 1)
        up = (y - low_y) / ((high_y - low_y) or 1)
        return round(LEFT + wide * across, 1), round(TOP + high * (1 - up), 1)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'font-family="sans-serif" font-size="12" role="img"><title>{escape(title)}</title>'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for value, told in _marks(low_y, high_y):
        _, down = at(low_x, value)
        parts += [
            f'<line x1="{LEFT}" x2="{LEFT + wide}" y1="{down}" y2="{down}" stroke="#ddd"/>',
            f'<text x="{LEFT - 6}" y="{down + 4}" text-anchor="end">{told}</text>',
        ]
    for value, told in _marks(low_x, high_x):
        across, _ = at(value, low_y)
        parts.append(f'<text x="{across}" y="{TOP + high + 16}" text-anchor="middle">{told}</text>')
    parts += [
        (
            f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x_label)}'
            "</text>"
        ),
        (
            f'<text x="16" y="{TOP + high / 2}" text-anchor="middle" '
            f'transform="rotate(-90 16 {TOP + high / 2})">{escape(y_label)}</text>'
        ),
    ]
    for number, one in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        drawn = [at(x, y) for x, y in one.points]
        if len(drawn) == 1:
            parts.append(f'<circle cx="{drawn[0][0]}" cy="{drawn[0][1]}" r="5" fill="{colour}"/>')
        else:
            line = " ".join(f"{x},{y}" for x, y in drawn)
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
            )
        down = TOP + 16 * number + 10
        parts += [
            (
                f'<rect x="{WIDTH - RIGHT + 12}" y="{down - 9}" width="10" height="10" '
                f'fill="{colour}"/>'
            ),
            f'<text x="{WIDTH - RIGHT + 28}" y="{down}">{escape(one.name)}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def _marks(low: float, high: float) -> list[tuple[float, str]]:
    """Returns round values within a range, and how they are spelled."""
    if low == high:
        return [(low, f"{low:,.4g}")]
    least = (high - low) / _MARKS
    size = 10.0 ** math.floor(math.log10(least))
    step = next(one * size for one in (1, 2, 5, 10) if one * size >= least)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(place * step, f"{place * step:,.{digits}f}") for place in range(first, last + 1)]
