"""Periods of time, and how they are cut into days and hours of a time zone.

A period is half-open: its start belongs to it, its end does not. So periods that follow each other share nothing and
miss nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import msgspec

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


class Interval(StrEnum):
    """Into what a period is cut."""

    HOUR = "hour"
    DAY = "day"


class Period(msgspec.Struct, frozen=True):
    """From ``start`` to before ``end``, both in UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it takes."""
        return self.end - self.start

    @property
    def before(self) -> Period:
        """The period of the same length that ends where this one starts."""
        return Period(self.start - self.length, self.start)

    def widened(self) -> Period:
        """The whole hours (of UTC) that it touches."""
        start, end = _hour_of(self.start), _hour_of(self.end)
        return Period(start, end if end == self.end else end + HOUR)

    def by_days_before(self, moment: datetime) -> Period:
        """The same, where a bound that lies before a moment is moved outwards to midnight of UTC."""
        end = _day_of(self.end, moment)
        return Period(_day_of(self.start, moment), end if end == self.end else end + DAY)


class Bucket(msgspec.Struct, frozen=True):
    """A day or hour of a time zone, as far as it lies in the period."""

    start: datetime
    """In the time zone, as the end is."""
    end: datetime
    is_whole: bool
    """False of the first and last one where the period cuts them."""


def latest(length: timedelta, now: datetime) -> Period:
    """As many whole hours as the length has, the present one being the last."""
    end = _hour_of(now.astimezone(UTC)) + HOUR
    return Period(end - length, end)


@cache
def _zone_names() -> set[str]:
    return available_timezones()


def zone(name: str) -> ZoneInfo | None:
    """The time zone that the IANA database knows by this name."""
    return ZoneInfo(name) if name in _zone_names() else None


def buckets(period: Period, interval: Interval, tz: ZoneInfo) -> list[Bucket]:
    """Cut a period at each midnight, or full hour, of the clocks in a time zone.

    When the clocks are changed, a day has 23 or 25 hours, and an hour that comes twice is two buckets.
    """
    after = _midnight_after if interval is Interval.DAY else _hour_after
    begin = _midnight_of if interval is Interval.DAY else _local_hour_of
    found, start = [], period.start
    whole_start = begin(start, tz)
    while start < period.end:
        whole_end = after(start, tz)
        end = min(whole_end, period.end)
        is_whole = (start, end) == (whole_start, whole_end)
        found.append(Bucket(start.astimezone(tz), end.astimezone(tz), is_whole))
        start = whole_start = whole_end
    return found


def by_days_before(cut: Sequence[Bucket], moment: datetime) -> list[Bucket]:
    """Buckets where before a moment only whole days of UTC can be told apart.

    Bounds that lie before it go to midnight of UTC, and buckets that have nothing left go. What remains follows without
    gaps and has all days that were touched.
    """
    found = []
    for number, one in enumerate(cut):
        start, end = (bound.astimezone(UTC) for bound in (one.start, one.end))
        is_last = number == len(cut) - 1
        wide = Period(start, end).by_days_before(moment)
        end = wide.end if is_last else _day_of(end, moment)
        if wide.start < end:
            is_whole = one.is_whole and (wide.start, end) == (one.start, one.end)
            found.append(Bucket(wide.start.astimezone(one.start.tzinfo), end.astimezone(one.end.tzinfo), is_whole))
    return found


def _day_of(bound: datetime, moment: datetime) -> datetime:
    return bound if bound >= moment else bound.replace(hour=0, minute=0, second=0, microsecond=0)


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _local_hour_of(moment: datetime, tz: ZoneInfo) -> datetime:
    local = moment.astimezone(tz)
    return moment - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _hour_after(moment: datetime, tz: ZoneInfo) -> datetime:
    return _local_hour_of(moment, tz) + HOUR


def _midnight_of(moment: datetime, tz: ZoneInfo) -> datetime:
    return _midnight(moment.astimezone(tz), tz)


def _midnight_after(moment: datetime, tz: ZoneInfo) -> datetime:
    return _midnight(moment.astimezone(tz) + timedelta(days=1), tz)


def _midnight(local: datetime, tz: ZoneInfo) -> datetime:
    # Where clocks are put forward at midnight there is none that day; zoneinfo then names the moment of the change.
    return datetime(local.year, local.month, local.day, tzinfo=tz).astimezone(UTC)
