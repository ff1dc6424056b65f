"""``/console``: what the organization's mail and the fleet are doing."""

from typing import Any
from zoneinfo import ZoneInfo

from litestar import get
from litestar.params import FromQuery

from postmta_ctl.console import plots
from postmta_ctl.console.attention import gather
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Page, fragment, page
from postmta_ctl.core.periods import Interval
from postmta_ctl.features.analytics import service as analytics
from postmta_ctl.features.analytics.parameters import Latest, period_of
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.nodes import service as nodes
from postmta_ctl.features.queues import service as queues
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, TheSystem

UTC = ZoneInfo("UTC")
READ = needs("analytics:read")
LINES = (
    ("accepted", "Accepted"),
    ("delivered", "Delivered"),
    ("deferred", "Deferred"),
    ("bounced", "Bounced"),
    ("complained", "Complained"),
)
"""What is counted and drawn, and how it is called."""
_BY_HOUR = (Latest.DAY, Latest.WEEK)
Span = FromQuery[Latest]


@get("/", opt=READ)
async def overview(request: AnyRequest, system: TheSystem, principal: Caller, period: Span = Latest.DAY) -> Page:
    """The page; its parts renew themselves."""
    context = await _counted(system, principal, period) | await _nodes(system, principal)
    return page(request, "overview/page.html", **context)


@get("/overview/counts", opt=READ)
async def counts(request: AnyRequest, system: TheSystem, principal: Caller, period: Span = Latest.DAY) -> Page:
    """Totals and their plot."""
    return fragment(request, "overview/counts.html", **await _counted(system, principal, period))


@get("/overview/nodes", opt=needs("nodes:read"))
async def fleet(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Nodes, and the release each runs."""
    return fragment(request, "overview/nodes.html", **await _nodes(system, principal))


@get("/overview/attention", opt=READ)
async def attention(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """What somebody should look at, with where it is mended."""
    return fragment(request, "overview/attention.html", items=await gather(system, principal))


@get("/overview/waiting", opt=needs("queues:read"))
async def waiting(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """What waits now; the nodes are asked, and one may be slow."""
    return fragment(request, "overview/waiting.html", status_of=await queues.status(system, principal))


async def _counted(system: System, principal: Principal, period: Latest) -> dict[str, Any]:
    span = period_of(period, None, None, system.now())
    interval = Interval.HOUR if period in _BY_HOUR else Interval.DAY
    async with system.db.reading() as connection:
        trend = await analytics.trend(connection, principal.organization_id, span)
        series = await analytics.timeseries(connection, principal.organization_id, span, interval, UTC)
    points = [(one.start, {key: getattr(one.counts, key) for key, _ in LINES}) for one in series.points]
    happened = any(value for _, values in points for value in values.values())
    plot = plots.by_time(points if happened else [], LINES, every=interval)
    return {
        "trend": trend,
        "plot": plot,
        "lines": LINES,
        "period": period.value,
        "periods": [one.value for one in Latest],
    }


async def _nodes(system: System, principal: Principal) -> dict[str, Any]:
    shown = "nodes:read" in principal.scopes
    return {"shows_nodes": shown, "nodes": await nodes.list_nodes(system) if shown else []}


PAGES = [overview, counts, fleet, attention, waiting]
