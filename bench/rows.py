"""What is measured. A row is a pair of measurements, made in turns; its module says what each side does."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Literal

import msgspec


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement."""

    value: float
    cpu: float | None = None
    """Seconds of CPU for each unit, of the processes that are measured."""


Measure = Callable[[], Sample]
Sides = Callable[[], AbstractContextManager[tuple[Measure, Measure]]]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    name: str
    what: str
    against: str
    unit: str
    reach: float
    better: Literal["more", "less"] = "more"
    """Whether the ratio should be above ``reach`` or below it."""
    rounds: int = 4
    missing: str | None = None
    """Why it cannot be measured here, if so."""
    sides: Sides
    """Sets both sides up, and gives what measures each."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came out, as it is written to the JSON file."""

    name: str
    ratio: float
    reach: float
    spread: tuple[float, float]
    """Smallest and largest ratio of the rounds."""
    ours: float
    other: float
    ours_cpu: float | None
    """Microseconds of CPU for each unit."""
    other_cpu: float | None
    reached: bool


ROWS: dict[str, Row] = {}


def add(row: Row) -> None:
    """Put a row into the table."""
    ROWS[row.name] = row


def measure(row: Row, after_each: Callable[[], None] = lambda: None) -> Result:
    """Measure both sides in turns; each round begins with the other side than the one before.

    Args:
        row: What to measure.
        after_each: Called after each of its measurements.
    """
    ours: list[Sample] = []
    other: list[Sample] = []
    with row.sides() as (measure_ours, measure_other):
        for number in range(row.rounds):
            pair = [(measure_ours, ours), (measure_other, other)]
            for function, samples in pair if number % 2 == 0 else reversed(pair):
                samples.append(function())
                after_each()
    return result(row, ours, other)


def result(row: Row, ours: list[Sample], other: list[Sample]) -> Result:
    """Medians, and the ratio of the medians."""
    ratios = [mine.value / theirs.value for mine, theirs in zip(ours, other, strict=True)]
    ratio = statistics.median(ratios)
    return Result(
        name=row.name,
        ratio=round(ratio, 3),
        reach=row.reach,
        spread=(round(min(ratios), 3), round(max(ratios), 3)),
        ours=round(statistics.median(one.value for one in ours), 1),
        other=round(statistics.median(one.value for one in other), 1),
        ours_cpu=_microseconds(ours),
        other_cpu=_microseconds(other),
        reached=ratio >= row.reach if row.better == "more" else ratio <= row.reach,
    )


def _microseconds(samples: list[Sample]) -> float | None:
    known = [one.cpu for one in samples if one.cpu is not None]
    return round(statistics.median(known) * 1e6, 1) if known else None


def table(rows: list[tuple[Row, Result]]) -> Iterator[str]:
    """The results as a table of Markdown."""
    yield "| row | ratio | reach | spread | ours | against | unit | CPU µs, ours / against |"
    yield "|---|---|---|---|---|---|---|---|"
    for row, one in rows:
        sign = "≥" if row.better == "more" else "≤"
        cpu = "-" if one.ours_cpu is None else f"{one.ours_cpu:g} / {one.other_cpu:g}"
        mark = "" if one.reached else " (not reached)"
        yield (
            f"| {row.name}: {row.what}, against {row.against} | {one.ratio:g}{mark} | {sign} {row.reach:g} "
            f"| {one.spread[0]:g} to {one.spread[1]:g} | {one.ours:g} | {one.other:g} | {row.unit} | {cpu} |"
        )
