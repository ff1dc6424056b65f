"""The period and time zone that a request names. Pure but for the names of time zones."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from postmta_ctl.core.periods import Interval, Period, latest, zone
from postmta_ctl.errors import InvalidRequest

LONGEST = timedelta(days=366)
LONGEST_BY_HOUR = timedelta(days=31)
YEARS = range(2000, 2200)
_SPACE_BEFORE_OFFSET = re.compile(r" (?=\d\d:\d\d$)")


class Latest(StrEnum):
    """A period that ends with the present hour."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"


_LENGTHS = {
    Latest.DAY: timedelta(hours=24),
    Latest.WEEK: timedelta(days=7),
    Latest.MONTH: timedelta(days=30),
    Latest.QUARTER: timedelta(days=90),
}


def period_of(name: Latest | None, start: str | None, end: str | None, now: datetime) -> Period:
    """The period that a request asks for, in whole hours; seven days if it asks for none.

    Raises:
        InvalidRequest: Names the parameter at fault.
    """
    if start is None and end is None:
        return latest(_LENGTHS[name or Latest.WEEK], now)
    if name is not None:
        raise InvalidRequest.of("period", "stands alone, without from and to", code="conflicting_parameters")
    if start is None:
        raise InvalidRequest.of("from", "is needed where to is given", code="missing")
    first = _moment("from", start)
    last = now if end is None else _moment("to", end)
    if first >= last:
        message = f"is not before {'now' if end is None else 'to'}"
        raise InvalidRequest.of("from", message, code="out_of_range")
    if last - first > LONGEST:
        raise InvalidRequest.of("to", f"is more than {LONGEST.days} days after from", code="out_of_range")
    return Period(first, last).widened()


def zone_of(name: str) -> ZoneInfo:
    """The time zone.

    Raises:
        InvalidRequest: There is none of this name.
    """
    if (found := zone(name)) is None:
        raise InvalidRequest.of(
            "tz", "is no name of the IANA time zone database, such as Europe/Berlin", code="unknown"
        )
    return found


def check_interval(interval: Interval, period: Period) -> None:
    """Bound the number of points.

    Raises:
        InvalidRequest: Too long a period was to be cut into hours.
    """
    if interval is Interval.HOUR and period.length > LONGEST_BY_HOUR:
        message = f"hour is for at most {LONGEST_BY_HOUR.days} days; take day"
        raise InvalidRequest.of("interval", message, code="out_of_range")


def _moment(field: str, text: str) -> datetime:
    # A plus sign that was not percent-encoded arrives as a space; no moment has one there otherwise.
    text = _SPACE_BEFORE_OFFSET.sub("+", text)
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        moment = None
    if moment is None or moment.tzinfo is None:
        message = "is no RFC 3339 time with an offset, such as 2026-11-22T12:00:00Z"
        raise InvalidRequest.of(field, message, code="invalid_time")
    if moment.year not in YEARS:
        raise InvalidRequest.of(field, f"is not between {YEARS.start} and {YEARS.stop}", code="out_of_range")
    return moment.astimezone(UTC)
