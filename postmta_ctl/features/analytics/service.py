"""The answers of analytics, each from one consistent state of the database."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import periods
from postmta_ctl.core.periods import Bucket, Interval, Period
from postmta_ctl.core.rates import FIELDS, Counts, Rates, counts_of, minus, quotient, rates_of
from postmta_ctl.core.rollups import Dimension
from postmta_ctl.features.analytics import queries
from postmta_ctl.features.analytics.parameters import check_interval
from postmta_ctl.features.analytics.schemas import (
    Breakdown,
    CountChange,
    Point,
    Provider,
    Providers,
    RateChange,
    Share,
    Summary,
    Timeseries,
    Trend,
    VmtaReplies,
)

RATES = Rates.__struct_fields__


async def summary(connection: AsyncConnection, organization_id: str, period: Period) -> Summary:
    """Totals of the period."""
    counts = counts_of(await queries.totals(connection, organization_id, period))
    return Summary(start=period.start, end=period.end, counts=counts, rates=rates_of(counts))


async def timeseries(
    connection: AsyncConnection, organization_id: str, period: Period, interval: Interval, tz: ZoneInfo
) -> Timeseries:
    """A point for each day or hour of the time zone.

    Raises:
        InvalidRequest: They would be too many.
    """
    check_interval(interval, period)
    cut = periods.buckets(period, interval, tz)
    found = await queries.totals_by_bucket(connection, organization_id, cut)
    return Timeseries(
        start=period.start,
        end=period.end,
        interval=interval.value,
        tz=tz.key,
        points=[_point(bucket, counts_of(one)) for bucket, one in zip(cut, found, strict=True)],
    )


def _point(bucket: Bucket, counts: Counts) -> Point:
    return Point(start=bucket.start, end=bucket.end, is_whole=bucket.is_whole, counts=counts, rates=rates_of(counts))


async def breakdown(
    connection: AsyncConnection, organization_id: str, period: Period, by: Dimension, limit: int
) -> Breakdown:
    """The busiest values of a property, and the rest as one."""
    period = await queries.counted(connection, period)
    busiest = await queries.busiest(connection, organization_id, by, period, limit)
    rest = counts_of(await queries.totals_of_dimension(connection, organization_id, by, period))
    data = []
    for value, by_type in busiest.items():
        counts = counts_of(by_type)
        rest = minus(rest, counts)
        data.append(Share(value=value, counts=counts, rates=rates_of(counts)))
    return Breakdown(by=by.value, start=period.start, end=period.end, data=data, rest=rest)


async def providers(connection: AsyncConnection, organization_id: str, period: Period, limit: int) -> Providers:
    """The busiest providers, each with the replies to every vMTA."""
    found = await breakdown(connection, organization_id, period, Dimension.PROVIDER, limit)
    period = Period(found.start, found.end)
    replies = await _replies(connection, organization_id, period)
    data = [
        Provider(provider=one.value, counts=one.counts, rates=one.rates, vmtas=replies.get(one.value, []))
        for one in found.data
    ]
    return Providers(start=period.start, end=period.end, data=data, rest=found.rest)


async def _replies(connection: AsyncConnection, organization_id: str, period: Period) -> dict[str, list[VmtaReplies]]:
    """Provider → replies to each vMTA."""
    counted: dict[tuple[str, str], dict[int, int]] = {}
    for provider, vmta, code_class, count in await queries.attempts(connection, organization_id, period):
        counted.setdefault((provider, vmta), {})[code_class] = count
    found: dict[str, list[VmtaReplies]] = {}
    for (provider, vmta), by_class in counted.items():
        one = VmtaReplies(vmta=vmta, taken=by_class.get(2, 0), deferred=by_class.get(4, 0), refused=by_class.get(5, 0))
        found.setdefault(provider, []).append(one)
    return found


async def trend(connection: AsyncConnection, organization_id: str, period: Period) -> Trend:
    """The period against the one before."""
    now = await summary(connection, organization_id, period)
    before = await summary(connection, organization_id, period.before)
    return Trend(
        start=now.start,
        end=now.end,
        previous_start=before.start,
        previous_end=before.end,
        counts={name: _count_change(getattr(now.counts, name), getattr(before.counts, name)) for name in FIELDS},
        rates={name: _rate_change(getattr(now.rates, name), getattr(before.rates, name)) for name in RATES},
    )


def _count_change(current: int, previous: int) -> CountChange:
    difference = current - previous
    return CountChange(
        current=current, previous=previous, difference=difference, relative=quotient(difference, previous)
    )


def _rate_change(current: float | None, previous: float | None) -> RateChange:
    difference = None if current is None or previous is None else round(current - previous, 6)
    return RateChange(current=current, previous=previous, difference=difference)
