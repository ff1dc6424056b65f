"""A range of whole days in UTC, as ``period=7d`` or ``from`` and ``to`` name it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from postmta_ctl.core.errors import InputError

MAX_DAYS = 366
_PERIOD = re.compile(r"([1-9][0-9]{0,3})d", re.ASCII)


class DayRange(msgspec.Struct, frozen=True):
    """Days, both ends included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        """Midnight at which the first day begins."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        """Midnight at which the last day is over."""
        return datetime.combine(self.last, time(), UTC) + timedelta(days=1)

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1))


def day_range(period: str | None, first: date | None, last: date | None, *, today: date) -> DayRange:
    """Read what was asked for; the last 30 days if it was nothing.

    Args:
        period: ``7d``: so many days up to today, today included.
        first: The first day instead, with ``last`` or up to today.
        last: The last day.
        today: Today in UTC.

    Raises:
        InputError: It is no period, both forms at once, backwards, or too long.
    """
    if period is not None and (first is not None or last is not None):
        raise InputError("invalid", "stands alone, or from and to do", field="period")
    if first is None:
        if last is not None:
            raise InputError("missing", "is missing beside to", field="from")
        days = _days(period or "30d")
        return DayRange(today - timedelta(days=days - 1), today)
    last = last or today
    if not first <= last:
        raise InputError("invalid", "lies after to", field="from")
    if (last - first).days >= MAX_DAYS:
        raise InputError("out_of_range", f"at most {MAX_DAYS} days are answered at once", field="from")
    return DayRange(first, last)


def _days(period: str) -> int:
    form = _PERIOD.fullmatch(period)
    if form is None or int(form[1]) > MAX_DAYS:
        raise InputError("invalid", f"is a number of days up to {MAX_DAYS}, such as 7d", field="period")
    return int(form[1])
