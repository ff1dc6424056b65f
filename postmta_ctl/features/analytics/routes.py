"""``/api/v1/analytics``."""

from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from litestar import Response, Router, get
from litestar.di import NamedDependency, Provide
from litestar.openapi import ResponseSpec
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from postmta_ctl.core.csv_text import MEDIA_TYPE
from postmta_ctl.core.periods import Interval, Period
from postmta_ctl.core.rollups import Dimension
from postmta_ctl.features.analytics import export, html_report, service
from postmta_ctl.features.analytics.bounce_reasons import bounce_reasons
from postmta_ctl.features.analytics.parameters import Latest, period_of, zone_of
from postmta_ctl.features.analytics.report import report
from postmta_ctl.features.analytics.schemas import (
    BounceReasons,
    Breakdown,
    Providers,
    Report,
    Summary,
    Timeseries,
    Trend,
)
from postmta_ctl.web import Caller, TheSystem, also, scope

READ = scope("analytics:read")
PAGE_HEADERS = {
    # The page holds words of strangers: even if one were not escaped, nothing of it could run or call anywhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}

Span = NamedDependency[Period]
"""Parameter ``span`` of a route: the period asked for."""
TimeZone = NamedDependency[ZoneInfo]
"""Parameter ``zone`` of a route: the time zone asked for."""
Start = Annotated[
    str | None,
    QueryParameter(name="from", description="RFC 3339; begins a period of at most 366 days, widened to whole hours."),
]
End = Annotated[str | None, QueryParameter(name="to", description="RFC 3339, not included; now if absent.")]
Limit = Annotated[int, QueryParameter(ge=1, le=500, description="Values to list; the others are summed as rest.")]


class Format(StrEnum):
    """How a report is written."""

    JSON = "json"
    HTML = "html"


def provide_span(
    system: TheSystem, period: FromQuery[Latest | None] = None, start: Start = None, end: End = None
) -> Period:
    """Dependency ``span``: ``period``, or ``from`` and ``to``, of the query string; the last seven days without."""
    return period_of(period, start, end, system.now())


def provide_zone(tz: FromQuery[str] = "UTC") -> ZoneInfo:
    """Dependency ``zone``: ``tz`` of the query string."""
    return zone_of(tz)


@get("/summary", opt=READ, summary="Delivery summary statistics")
async def get_summary(system: TheSystem, principal: Caller, span: Span) -> Summary:
    """Totals of the period and the rates between them. What has just happened is counted already."""
    async with system.db.reading() as connection:
        return await service.summary(connection, principal.organization_id, span)


@get("/timeseries", opt=READ, summary="Time-series delivery data")
async def get_timeseries(
    system: TheSystem, principal: Caller, span: Span, zone: TimeZone, interval: FromQuery[Interval] = Interval.DAY
) -> Timeseries:
    """A point for each hour or day on the clocks of ``tz``, zero or not; days of a clock change have 23 or 25 hours."""
    async with system.db.reading() as connection:
        return await service.timeseries(connection, principal.organization_id, span, interval, zone)


@get("/breakdown", opt=READ, summary="Delivery breakdown by dimension")
async def get_breakdown(
    system: TheSystem, principal: Caller, span: Span, by: FromQuery[Dimension], limit: Limit = 100
) -> Breakdown:
    """The values with the most events, and the sum of the rest. Where counts are kept by the day only, ``from`` and
    ``to`` are those of whole days."""
    async with system.db.reading() as connection:
        return await service.breakdown(connection, principal.organization_id, span, by, limit)


@get("/isp", opt=READ, summary="ISP-level delivery analytics")
async def get_isp(system: TheSystem, principal: Caller, span: Span, limit: Limit = 50) -> Providers:
    """By mailbox provider, each with how it answered every vMTA."""
    async with system.db.reading() as connection:
        return await service.providers(connection, principal.organization_id, span, limit)


@get("/trend", opt=READ, summary="Delivery trend analysis")
async def get_trend(system: TheSystem, principal: Caller, span: Span) -> Trend:
    """The period against the one of the same length before it."""
    async with system.db.reading() as connection:
        return await service.trend(connection, principal.organization_id, span)


@get("/bounce-reasons", opt=READ, summary="Bounce reason categorization")
async def get_bounce_reasons(system: TheSystem, principal: Caller, span: Span) -> BounceReasons:
    """Classes of bounces and deferrals with their counts, and what servers said."""
    async with system.db.reading() as connection:
        return await bounce_reasons(connection, principal.organization_id, span)


@get(
    "/report",
    opt=READ | also("text/html", "With `format=html`: a page that needs nothing but itself."),
    summary="Generate delivery report",
    responses={200: ResponseSpec(data_container=Report, description="The report; a page if format is html")},
)
async def get_report(
    system: TheSystem,
    principal: Caller,
    span: Span,
    zone: TimeZone,
    format: FromQuery[Format] = Format.JSON,  # noqa: A002 - the name is the parameter's, and errors give it
) -> Response[Report | str]:
    """All of the above in one document: JSON, or a page of HTML that needs nothing but itself."""
    async with system.db.reading() as connection:
        found = await report(connection, principal, span, zone, system.now())
    if format is Format.JSON:
        return Response(found, media_type="application/json")
    return Response(html_report.render(found), media_type="text/html", headers=PAGE_HEADERS)


@get(
    "/export",
    opt=READ,
    summary="Export analytics as CSV",
    media_type=MEDIA_TYPE,
    responses={200: ResponseSpec(data_container=str, media_type=MEDIA_TYPE, description="CSV as of RFC 4180")},
)
async def export_csv(
    *,
    system: TheSystem,
    principal: Caller,
    span: Span,
    zone: TimeZone,
    interval: FromQuery[Interval] = Interval.DAY,
    by: FromQuery[Dimension | None] = None,
) -> Stream:
    """A record for each hour or day, or with ``by`` one for each value in it. A cell that a spreadsheet would take for
    a formula begins with an apostrophe.
    """
    buckets = export.cut(span, interval, zone, by)
    rows = export.lines(system.db, principal.organization_id, buckets, by)
    name = f"analytics-{principal.organization}-{span.start:%Y%m%d}-{span.end:%Y%m%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Stream(rows, media_type=MEDIA_TYPE, headers=headers)


router = Router(
    "/api/v1/analytics",
    route_handlers=[
        get_summary,
        get_timeseries,
        get_breakdown,
        get_isp,
        get_trend,
        get_bounce_reasons,
        get_report,
        export_csv,
    ],
    dependencies={
        "span": Provide(provide_span, sync_to_thread=False),
        "zone": Provide(provide_zone, sync_to_thread=False),
    },
    tags=["Analytics"],
)
