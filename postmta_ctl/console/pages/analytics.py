"""``/console/analytics``: what became of mail, against the time before, as plots, tables and files."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response, get
from litestar.params import FromQuery
from litestar.response import Stream

from postmta_ctl.console import plots
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Page, page
from postmta_ctl.core.csv_text import MEDIA_TYPE
from postmta_ctl.core.periods import Interval, Period
from postmta_ctl.core.rollups import Dimension
from postmta_ctl.features.analytics import export, html_report
from postmta_ctl.features.analytics.parameters import Latest, period_of
from postmta_ctl.features.analytics.report import report
from postmta_ctl.features.analytics.schemas import Point
from postmta_ctl.web import AnyRequest, Caller, TheSystem

READ = needs("analytics:read")
UTC = ZoneInfo("UTC")
COUNTS = (
    ("delivered", "Delivered"),
    ("deferred", "Deferred"),
    ("bounced", "Bounced"),
    ("complained", "Complained"),
    ("unique_opened", "Opened"),
)
RATES = (("delivery_rate", "Delivered"), ("deferral_rate", "Deferred"), ("bounce_rate", "Bounced"))
TRENDS = ("queued", "delivered", "deferred", "bounced", "complained", "unsubscribed", "unique_opened", "unique_clicked")
TREND_RATES = ("delivery_rate", "deferral_rate", "bounce_rate", "complaint_rate", "unsubscribe_rate")
Span = FromQuery[Latest]


@get("/analytics", opt=READ)
async def analytics(request: AnyRequest, system: TheSystem, principal: Caller, period: Span = Latest.WEEK) -> Page:
    """Everything that the report has."""
    span = period_of(period, None, None, system.now())
    async with system.db.reading() as connection:
        found = await report(connection, principal, span, UTC, system.now())
    points, every = found.timeseries.points, Interval(found.timeseries.interval)
    return page(
        request,
        "analytics/page.html",
        found=found,
        period=period.value,
        periods=[one.value for one in Latest],
        counts=plots.by_time(_values(points, "counts", COUNTS), COUNTS, every=every),
        rates=plots.by_time(_values(points, "rates", RATES), RATES, "share", every),
        trends=TRENDS,
        trend_rates=TREND_RATES,
    )


def _values(
    points: Sequence[Point], of: str, lines: tuple[tuple[str, str], ...]
) -> list[tuple[datetime, dict[str, Any]]]:
    """Nothing to draw when nothing happened, instead of lines of zeros."""
    rows = [(one.start, {key: getattr(getattr(one, of), key) for key, _ in lines}) for one in points]
    return rows if any(value for _, values in rows for value in values.values()) else []


@get("/analytics/report", opt=READ, media_type="text/html")
async def printable(system: TheSystem, principal: Caller, period: Span = Latest.WEEK) -> Response[str]:
    """The report as a page that needs nothing but itself, to print or to hand on."""
    span = period_of(period, None, None, system.now())
    async with system.db.reading() as connection:
        found = await report(connection, principal, span, UTC, system.now())
    headers = _as_file(f"report-{principal.organization}", span, "html")
    return Response(html_report.render(found), media_type="text/html", headers=headers)


@get("/analytics/export", opt=READ, media_type=MEDIA_TYPE)
async def export_csv(
    system: TheSystem, principal: Caller, period: Span = Latest.WEEK, by: FromQuery[Dimension | None] = None
) -> Stream:
    """What is drawn, or with ``by`` what stands in a table, as a file."""
    span = period_of(period, None, None, system.now())
    interval = Interval.HOUR if period is Latest.DAY else Interval.DAY
    rows = export.lines(system.db, principal.organization_id, export.cut(span, interval, UTC, by), by)
    return Stream(rows, media_type=MEDIA_TYPE, headers=_as_file(f"analytics-{principal.organization}", span, "csv"))


def _as_file(name: str, span: Period, kind: str) -> dict[str, str]:
    name = f"{name}-{span.start:%Y%m%d}-{span.end:%Y%m%d}.{kind}"
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


PAGES = [analytics, printable, export_csv]
