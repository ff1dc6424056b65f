"""What a plot is drawn from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec


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
    marks: list[Mark] = []


def by_time(
    points: Iterable[tuple[datetime, Mapping[str, float | None]]],
    names: Sequence[tuple[str, str]],
    unit: Literal["count", "share"] = "count",
) -> Plot:
    """Make a plot of rows.

    Args:
        points: Moments in order, each with its values by key.
        names: Key and name of each line.
        unit: Of the values.
    """
    rows = list(points)
    times = [int(moment.timestamp()) for moment, _ in rows]
    return Plot(times, [Series(name, [values.get(key) for _, values in rows]) for key, name in names], unit)
