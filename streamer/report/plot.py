"""Numbers to SVG: a course with its band over a number axis, and intervals side by side.

Horizontal positions are percentages and heights are pixels: a plot follows the width of the page, and its text keeps
its size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.etree.ElementTree import Element

import numpy as np

from streamer.report.tag import tag

_HEIGHT, _BOTTOM, _TOP = 240, 26, 8
_ROW = 34
_BARS = 120
#: Share of the width in percent that numbers on the left may take, and that stays free on the right.
_LEFT, _RIGHT = 9.0, 2.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to percentages of the width, or to pixels from above."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """In [0, 1], held inside."""
        span = self.high - self.low
        return min(max((value - self.low) / span if span else 0.5, 0.0), 1.0)

    def across(self, value: float) -> float:
        """Percent of the width."""
        return _LEFT + (100 - _LEFT - _RIGHT) * self.share(value)

    def down(self, value: float) -> float:
        """Pixels from the top."""
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - self.share(value))


@dataclass(frozen=True, slots=True)
class Line:
    """A curve with an interval at each point."""

    name: str
    x: Sequence[float]
    value: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    look: str = "series-0"


def course(
    lines: Sequence[Line], *, label: str, told: Callable[[float], str], level: float | None = 0.0, x_name: str = ""
) -> Element:
    """Curves with bands. `level`: a horizontal line to compare with; `told`: how a value on the left is written."""
    xs = [x for line in lines for x in line.x]
    ys = [y for line in lines for y in (*line.low, *line.high)] + ([] if level is None else [level])
    across, down = Scale(min(xs), max(xs)), Scale(min(ys), max(ys))
    parts = [*_left(down, told), *_below(across, x_name)]
    if level is not None:
        parts.append(_horizontal(down.down(level), "level"))
    drawn = [tag("g", *_band(line, across, down), *_curve(line, across, down)) for line in lines]
    return tag("svg", *parts, *drawn, class_="plot", height=_HEIGHT, role="img", aria_label=label)


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its ends, and a border it is compared with."""

    name: str
    value: float
    low: float
    high: float
    border: float = 0.0


def forest(intervals: Sequence[Interval], *, label: str, told: Callable[[float], str]) -> Element:
    """Intervals under each other on one axis; each name stands above its line."""
    ends = [end for item in intervals for end in (item.low, item.high, item.border)] + [0.0]
    span = max(ends) - min(ends) or 1.0
    across = Scale(min(ends) - 0.04 * span, max(ends) + 0.04 * span)
    parts: list[Element] = []
    for index, item in enumerate(intervals):
        middle = index * _ROW + 24
        at, border = f"{across.across(item.value):.2f}%", f"{across.across(item.border):.2f}%"
        ends_at = {"x1": f"{across.across(item.low):.2f}%", "x2": f"{across.across(item.high):.2f}%"}
        written = f"{item.name}: {told(item.value)} ({told(item.low)} to {told(item.high)})"
        parts += [
            tag("text", written, x="0", y=middle - 11),
            tag("line", x1=border, x2=border, y1=middle - 6, y2=middle + 6, class_="border"),
            tag("line", **ends_at, y1=middle, y2=middle, class_="reach"),
            tag("circle", cx=at, cy=middle, r=4, class_="value"),
        ]
    height = len(intervals) * _ROW + 4
    return tag("svg", *parts, class_="plot", height=height, role="img", aria_label=label)


def _left(down: Scale, told: Callable[[float], str]) -> list[Element]:
    parts = []
    for value in (down.low, (down.low + down.high) / 2, down.high):
        y = down.down(value)
        parts += [_horizontal(y, "grid"), tag("text", told(value), x="0", y=f"{min(y + 4, _HEIGHT - _BOTTOM):.1f}")]
    return parts


def _below(across: Scale, name: str) -> list[Element]:
    places = ((across.low, "start"), ((across.low + across.high) / 2, "middle"), (across.high, "end"))
    return [
        tag(
            "text",
            f"{value:,.0f}{f' {name}' if anchor == 'end' and name else ''}",
            x=f"{across.across(value):.2f}%",
            y=_HEIGHT - 6,
            text_anchor=anchor,
        )
        for value, anchor in places
    ]


def _horizontal(y: float, look: str) -> Element:
    return tag("line", x1=f"{_LEFT}%", x2=f"{100 - _RIGHT}%", y1=f"{y:.1f}", y2=f"{y:.1f}", class_=look)


def _band(line: Line, across: Scale, down: Scale) -> list[Element]:
    """Bars side by side, as a polygon cannot have percentages; so many that the steps hardly show."""
    parts = []
    edges = np.linspace(line.x[0], line.x[-1], _BARS + 1)
    for start, end in pairwise(edges):
        middle = (start + end) / 2
        x, width = across.across(start), across.across(end) - across.across(start)
        top, bottom = (down.down(float(np.interp(middle, line.x, ends))) for ends in (line.high, line.low))
        shape = {"x": f"{x:.2f}%", "width": f"{width:.2f}%", "y": f"{top:.1f}", "height": f"{bottom - top:.1f}"}
        parts.append(tag("rect", **shape, class_=f"band {line.look}"))
    return parts


def _curve(line: Line, across: Scale, down: Scale) -> list[Element]:
    points = [(across.across(x), down.down(value)) for x, value in zip(line.x, line.value, strict=True)]
    curve = [
        tag("line", x1=f"{x1:.2f}%", y1=f"{y1:.1f}", x2=f"{x2:.2f}%", y2=f"{y2:.1f}", class_=f"curve {line.look}")
        for (x1, y1), (x2, y2) in pairwise(points)
    ]
    if curve:
        curve[0].append(tag("title", line.name))
    return curve
