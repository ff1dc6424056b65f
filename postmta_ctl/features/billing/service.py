"""Billing details, and what was used by period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ledger import CREDIT_TYPES
from postmta_ctl.core.periods import Period
from postmta_ctl.core.plans import month, month_at
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.billing import queries, subscriptions
from postmta_ctl.features.billing.schemas import BillingDetails, PeriodUsage, UsageRollup
from postmta_ctl.features.credits import queries as credit_queries
from postmta_ctl.features.credits.queries import DayRow
from postmta_ctl.features.credits.usage import used_by_type
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

MAX_PERIODS = 24


async def details(system: System, organization_id: str) -> BillingDetails:
    """What the organization's invoices say of it."""
    async with system.db.reading() as connection:
        return await _details(connection, organization_id)


async def _details(connection: AsyncConnection, organization_id: str) -> BillingDetails:
    return msgspec.convert(await queries.details(connection, organization_id) or {}, BillingDetails)


async def set_details(
    system: System, principal: Principal, data: BillingDetails, unchanged: Condition
) -> BillingDetails:
    """Set it, for invoices from now on.

    Raises:
        PreconditionFailed: It is another than the caller knows.
    """
    organization_id, now = principal.organization_id, system.now()
    async with system.db.transaction() as connection:
        await subscriptions.current(system, connection, organization_id, lock=True)
        before = await _details(connection, organization_id)
        unchanged.require(before)
        await queries.set_details(connection, organization_id, msgspec.structs.asdict(data), now)
        await audit.record(
            connection, principal, "billing.details_set", organization_id, before=before, after=data, now=now
        )
    return data


async def usage_rollup(system: System, organization_id: str, count: int) -> UsageRollup:
    """The last periods of the subscription, the present one first; those before it began are left out.

    Raises:
        InvalidRequest: So many are not answered at once.
    """
    if not 1 <= count <= MAX_PERIODS:
        raise InvalidRequest.of("periods", f"must be between 1 and {MAX_PERIODS}", code="out_of_range")
    row = (await subscriptions.read(system, organization_id)).row
    present = month_at(row.anchor, row.period_start)
    periods = [month(row.anchor, number) for number in range(present, max(present - count, -1), -1)]
    async with system.db.reading() as connection:
        days = await credit_queries.days(connection, organization_id, periods[-1].start, periods[0].end)
    return UsageRollup([_usage(period, days) for period in periods])


def _usage(period: Period, days: Sequence[DayRow]) -> PeriodUsage:
    # Periods begin at midnight, so each day belongs to one of them.
    within = [one for one in days if period.start <= one.day < period.end]
    used = used_by_type(within)
    granted: Counter[str] = Counter()
    for one in within:
        granted[one.type] += one.quantity if one.entry == "grant" else 0
    return PeriodUsage(
        start=period.start,
        end=period.end,
        used={kind: used[kind] for kind in CREDIT_TYPES},
        granted={kind: granted[kind] for kind in CREDIT_TYPES},
    )
