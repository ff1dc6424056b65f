"""What a plot is drawn from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from postmta_ctl.core.periods import Interval


class Series(msgspec.Struct, frozen=True):
    """A line: a value for each time, None where there is none."""

    name: str
    values: list[float | None]


class Mark(msgspec.Struct, frozen=True):
    """Something that happened at a moment of the axis."""

    time: int
    label: str


class Plot(msgspec.Struct, frozen=True):
    """Lines over one axis of time, in seconds since the epoch."""

    times: list[int]
    series: list[Series]
    unit: Literal["count", "share"] = "count"
    every: Interval = Interval.HOUR
    """How far apart two neighbours are: the axis has no finer division."""
    marks: list[Mark] = []


def by_time(
    points: Iterable[tuple[datetime, Mapping[str, float | None]]],
    names: Sequence[tuple[str, str]],
    unit: Literal["count", "share"] = "count",
    every: Interval = Interval.HOUR,
) -> Plot:
    """Make a plot of rows.

    Args:
        points: Moments in order, each with its values by key.
        names: Key and name of each line.
        unit: Of the values; a share is between 0 and 1.
        every: What a point stands for.
    """
    rows = list(points)
    times = [int(moment.timestamp()) for moment, _ in rows]
    lines = [Series(name, [values.get(key) for _, values in rows]) for key, name in names]
    return Plot(times, lines, unit, every)
