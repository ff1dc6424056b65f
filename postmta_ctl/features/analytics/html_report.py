"""The report as one page: its own styles, plots in SVG, no script, and every value escaped by the template engine."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2

from postmta_ctl.core.periods import HOUR, Interval
from postmta_ctl.core.rates import rates_of
from postmta_ctl.features.analytics import charts
from postmta_ctl.features.analytics.schemas import CountChange, Point, RateChange, Report, Summary

TILES = (
    ("delivered", "Delivered", "counts", True),
    ("delivery_rate", "Delivery rate", "rates", True),
    ("bounce_rate", "Bounce rate", "rates", False),
    ("deferral_rate", "Deferral rate", "rates", False),
    ("complaint_rate", "Complaint rate", "rates", False),
    ("unique_open_rate", "Unique open rate", "rates", True),
)
"""Name, heading, where it stands in the trend, and whether more of it is better."""
TITLES = {"sending_domain": "Sending domains", "vmta": "vMTAs", "tag": "Tags"}
NOTHING = "\N{EN DASH}"
"""Shown where there is no number."""
SERIES = ("delivered", "bounced", "deferred")


def render(report: Report) -> str:
    """The page."""
    tz = ZoneInfo(report.timeseries.tz)
    points = report.timeseries.points
    labels = [_label(point, report.timeseries.interval) for point in points]
    columns = [
        charts.Column(label, {name: getattr(point.counts, name) for name in SERIES}, point.is_whole)
        for label, point in zip(labels, points, strict=True)
    ]
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            tz=tz,
            tiles=TILES,
            titles=TITLES,
            charts=charts,
            volume=charts.stacked(columns)
            if any(segment for one in columns for segment in one.values.values())
            else None,
            bounces=_bounces(labels, points),
            has_partial=not all(point.is_whole for point in points),
        )
    )


def _bounces(labels: list[str], points: list[Point]) -> charts.Plot | None:
    rates = [point.rates.bounce_rate for point in points]
    return charts.line(labels, rates) if any(rate is not None for rate in rates) else None


def _label(point: Point, interval: str) -> str:
    return f"{point.start:%H:%M}" if interval == Interval.HOUR else f"{point.start.day} {point.start:%b}"


def _number(count: int) -> str:
    return f"{count:,}"


def _percent(rate: float | None) -> str:
    return NOTHING if rate is None else f"{rate:.2%}"


def _length(summary: Summary) -> str:
    hours = (summary.end - summary.start) // HOUR
    if hours == 1:
        return "hour"
    return f"{hours} hours" if hours % 24 or hours == 24 else f"{hours // 24} days"


def _moment(moment: datetime, tz: ZoneInfo) -> str:
    return f"{moment.astimezone(tz):%Y-%m-%d %H:%M}"


def _change(change: CountChange | RateChange) -> str:
    """Against the period before: counts by their share, rates in percentage points."""
    if isinstance(change, CountChange):
        return NOTHING if change.relative is None else f"{change.relative:+.1%}"
    return NOTHING if change.difference is None else f"{change.difference * 100:+.2f} pp"


def _mood(change: CountChange | RateChange, more_is_better: bool) -> str:
    difference = change.difference or 0
    if difference == 0:
        return "same"
    return "good" if (difference > 0) == more_is_better else "bad"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _number,
        "percent": _percent,
        "moment": _moment,
        "length_of": _length,
        "change": _change,
        "mood": _mood,
        "rates": rates_of,
    }
    return environment
