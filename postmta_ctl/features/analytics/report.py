"""The report: what the other answers say, from one state of the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.periods import Interval, Period
from postmta_ctl.core.rollups import Dimension
from postmta_ctl.features.analytics import service
from postmta_ctl.features.analytics.bounce_reasons import bounce_reasons
from postmta_ctl.features.analytics.schemas import Report
from postmta_ctl.features.auth.principal import Principal

LISTED = 10
"""Values of a table in the report."""
BY_HOUR = timedelta(hours=48)
"""Up to this long a period is shown by the hour."""
DIMENSIONS = (Dimension.SENDING_DOMAIN, Dimension.VMTA, Dimension.TAG)


async def report(
    connection: AsyncConnection, principal: Principal, period: Period, tz: ZoneInfo, now: datetime
) -> Report:
    """All about a period."""
    organization_id = principal.organization_id
    interval = Interval.HOUR if period.length <= BY_HOUR else Interval.DAY
    return Report(
        organization=principal.organization,
        generated_at=now,
        summary=await service.summary(connection, organization_id, period),
        trend=await service.trend(connection, organization_id, period),
        timeseries=await service.timeseries(connection, organization_id, period, interval, tz),
        providers=await service.providers(connection, organization_id, period, LISTED),
        breakdowns=[await service.breakdown(connection, organization_id, period, by, LISTED) for by in DIMENSIONS],
        bounce_reasons=await bounce_reasons(connection, organization_id, period),
    )
