"""How a warm-up is drawn. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import msgspec

from postmta_ctl.console.filters import words
from postmta_ctl.console.plots import Mark, Plot, by_time
from postmta_ctl.core.periods import Interval
from postmta_ctl.features.warmup.forecast_schemas import WarmupForecast
from postmta_ctl.features.warmup.schemas import WarmupStatus

_LINES = (("allowance", "Allowance"), ("delivered", "Delivered"), ("deferred", "Deferred"), ("bounced", "Bounced"))
_FORECAST_LINES = (
    ("planned", "Planned"),
    ("through_new", "Through new vMTAs"),
    ("through_established", "Through established ones"),
    ("delayed", "Delayed"),
)


def course(status: WarmupStatus) -> Plot:
    """Allowance and use by day, with a mark where something was decided about the vMTA as a whole."""
    # Today has a row of its own once something was sent.
    known = {one.day: one for one in (*([status.today] if status.today else []), *status.days)}
    days = [known[day] for day in sorted(known)]
    lines = by_time(
        ((_start(one.day), {key: getattr(one, key) for key, _ in _LINES}) for one in days),
        _LINES,
        every=Interval.DAY,
    )
    # Of a day's decisions the last is what it ended with; that a stage follows the other is no news.
    told = {
        one.created_at.astimezone(UTC).date(): words(one.kind)
        for one in reversed(status.decisions)
        if one.provider is None and one.kind != "advanced"
    }
    marks = [Mark(int(_start(day).timestamp()), label) for day, label in sorted(told.items()) if day in known]
    return msgspec.structs.replace(lines, marks=marks)


def outlook(forecast: WarmupForecast) -> Plot:
    """What is to be sent by day, and how it leaves."""
    return by_time(
        ((_start(one.day), {key: getattr(one, key) for key, _ in _FORECAST_LINES}) for one in forecast.days),
        _FORECAST_LINES,
        every=Interval.DAY,
    )


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
