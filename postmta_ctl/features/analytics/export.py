"""Counts as CSV, a day or hour at a time, so that its length is no matter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC
from zoneinfo import ZoneInfo

from postmta_ctl.core import periods
from postmta_ctl.core.csv_text import line
from postmta_ctl.core.periods import Bucket, Interval, Period
from postmta_ctl.core.rates import FIELDS, Counts, counts_of
from postmta_ctl.core.rollups import Dimension
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.analytics import queries
from postmta_ctl.features.analytics.parameters import check_interval
from postmta_ctl.store.engine import Database
from postmta_ctl.store.rollup_folding import BY_DAY_BEFORE, mark

_PART = 200
"""Buckets that are read at once, where each is one row."""


def cut(period: Period, interval: Interval, tz: ZoneInfo, by: Dimension | None) -> list[Bucket]:
    """The days or hours to write.

    Raises:
        InvalidRequest: They would be too many, or not be made of whole hours, by which a property is counted.
    """
    check_interval(interval, period)
    found = periods.buckets(period, interval, tz)
    if by is not None and any(_is_broken(one) for one in found):
        message = f"the days and hours of {tz.key} are not whole hours of UTC, by which {by.value} is counted"
        raise InvalidRequest.of("tz", message, code="not_whole_hours")
    return found


def _is_broken(bucket: Bucket) -> bool:
    return (bucket.start.astimezone(UTC).minute, bucket.end.astimezone(UTC).minute) != (0, 0)


async def lines(db: Database, organization_id: str, buckets: list[Bucket], by: Dimension | None) -> AsyncIterator[str]:
    """The records, the header first. Nothing of the database is held while the reader takes its time."""
    properties = () if by is None else (by.value,)
    yield line(("start", "end", *properties, *FIELDS))
    rows = _totals(db, organization_id, buckets) if by is None else _by_value(db, organization_id, buckets, by)
    async for row in rows:
        yield row


async def _totals(db: Database, organization_id: str, buckets: list[Bucket]) -> AsyncIterator[str]:
    for first in range(0, len(buckets), _PART):
        part = buckets[first : first + _PART]
        async with db.reading() as connection:
            found = await queries.totals_by_bucket(connection, organization_id, part)
        for bucket, by_type in zip(part, found, strict=True):
            yield line((*_times(bucket), *_numbers(counts_of(by_type))))


async def _by_value(db: Database, organization_id: str, buckets: list[Bucket], by: Dimension) -> AsyncIterator[str]:
    async with db.reading() as connection:
        folded = await mark(connection, BY_DAY_BEFORE)
    for bucket in buckets if folded is None else periods.by_days_before(buckets, folded):
        period = Period(bucket.start.astimezone(UTC), bucket.end.astimezone(UTC))
        async with db.reading() as connection:
            found = await queries.by_value(connection, organization_id, by, period)
        for value, by_type in found.items():
            yield line((*_times(bucket), value, *_numbers(counts_of(by_type))))


def _times(bucket: Bucket) -> tuple[str, str]:
    return bucket.start.isoformat(), bucket.end.isoformat()


def _numbers(counts: Counts) -> tuple[int, ...]:
    return tuple(getattr(counts, name) for name in FIELDS)
