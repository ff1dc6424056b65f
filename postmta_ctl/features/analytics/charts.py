"""Where the lines and columns of a plot stand. Pure geometry in the units of an SVG view box; nothing is drawn here."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

WIDTH, HEIGHT = 760, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 30
"""Room around the plot for labels."""
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
MAX_COLUMN = 56.0
"""A single column as wide as the plot would look like a background."""
LABEL_WIDTH = 58
_STEPS = (1, 2, 5)


class Tick(msgspec.Struct, frozen=True):
    """A label at an axis."""

    at: float
    label: str


class Segment(msgspec.Struct, frozen=True):
    """One part of a stacked column."""

    series: str
    x: float
    y: float
    width: float
    height: float
    title: str
    is_whole: bool


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """Both axes, and what stands between them."""

    rows: list[Tick]
    """Along the vertical axis."""
    columns: list[Tick]
    """Along the horizontal axis."""
    segments: list[Segment] = []
    lines: list[list[tuple[float, float]]] = []
    """Points of a line; it is broken where there is no value."""
    dots: list[Segment] = []
    """Where a line has a value; ``x`` and ``y`` are the middle."""


class Column(msgspec.Struct, frozen=True):
    """What stands at one place of the horizontal axis."""

    label: str
    values: dict[str, int]
    is_whole: bool = True


def stacked(columns: Sequence[Column]) -> Plot:
    """Columns whose parts stand on each other in the order of their values, lowest first."""
    ticks = whole_ticks(max((sum(one.values.values()) for one in columns), default=0))
    segments = [segment for index, one in enumerate(columns) for segment in _stack(one, index, len(columns), ticks[-1])]
    rows = [Tick(_y(value, ticks[-1]), f"{value:,}") for value in ticks]
    return Plot(rows=rows, columns=_labels([one.label for one in columns]), segments=segments)


def _stack(column: Column, index: int, count: int, top: int) -> list[Segment]:
    width = min(PLOT_WIDTH / count * 0.74, MAX_COLUMN)
    x, below, found = _x(index, count) - width / 2, 0, []
    for series, value in column.values.items():
        if value:
            y = _y(below + value, top)
            title = f"{column.label}: {value:,} {series}"
            height = _y(below, top) - y
            found.append(Segment(series, _round(x), y, _round(width), _round(height), title, column.is_whole))
        below += value
    return found


def line(labels: Sequence[str], rates: Sequence[float | None]) -> Plot:
    """A line through rates, in percent."""
    ticks = percent_ticks(max((rate for rate in rates if rate is not None), default=0.0))
    top, count = ticks[-1], len(rates)
    lines: list[list[tuple[float, float]]] = [[]]
    dots = []
    for index, rate in enumerate(rates):
        if rate is None:
            lines.append([])
            continue
        point = _round(_x(index, count)), _y(rate * 100, top)
        lines[-1].append(point)
        dots.append(Segment("rate", *point, 0, 0, f"{labels[index]}: {rate:.2%}", is_whole=True))
    rows = [Tick(_y(value, top), f"{value:g} %") for value in ticks]
    return Plot(rows=rows, columns=_labels(labels), lines=[one for one in lines if len(one) > 1], dots=dots)


def whole_ticks(highest: int) -> list[int]:
    """Round whole numbers from 0 to at least the highest value, four to six of them unless it is small."""
    step = 1
    exponent = 0
    while step * 5 < highest:
        exponent += 1
        step = _STEPS[exponent % 3] * 10 ** (exponent // 3)
    return [number * step for number in range(max(1, -(-highest // step)) + 1)]


def percent_ticks(highest: float) -> list[float]:
    """The same for a rate, in percent. The axis reaches to 1 % at least, so that next to nothing looks like it."""
    hundredths = math.ceil(round(highest * 10_000, 2))
    return [value / 100 for value in whole_ticks(max(100, hundredths))]


def _labels(labels: Sequence[str]) -> list[Tick]:
    """As many as have room, at equal distances."""
    every = -(-len(labels) * LABEL_WIDTH // PLOT_WIDTH) or 1
    return [Tick(_round(_x(index, len(labels))), labels[index]) for index in range(0, len(labels), every)]


def _x(index: int, count: int) -> float:
    return LEFT + PLOT_WIDTH * (index + 0.5) / count


def _y(value: float, top: float) -> float:
    return _round(TOP + PLOT_HEIGHT * (1 - value / top))


def _round(number: float) -> float:
    return round(number, 2)
