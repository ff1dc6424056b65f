"""Which plan an organization has, and how one period follows another.

A subscription is opened when it is first asked for, with the plan of the setting ``default_plan``. A period that has
ended is renewed by whoever sees it first, the job or a request, so nobody spends from a period that is over.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.plans import Plan, allowances, day_of, month, month_at
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.billing import catalogue, invoices, queries
from postmta_ctl.features.billing.queries import SubscriptionRow
from postmta_ctl.features.credits import postings
from postmta_ctl.system import System

log = structlog.get_logger(__name__)
RENEWALS = 100
"""Organizations that one run of the job renews."""


class Subscription(msgspec.Struct, frozen=True):
    """An organization's subscription and its plan."""

    row: SubscriptionRow
    plan: Plan


async def read(system: System, organization_id: str) -> Subscription:
    """The subscription, without writing unless it must be opened or renewed."""
    async with system.db.reading() as connection:
        row = await queries.subscription(connection, organization_id)
    if row is not None and row.period_end > system.now():
        return _subscription(system, row)
    async with system.db.transaction() as connection:
        return await current(system, connection, organization_id)


async def current(
    system: System, connection: AsyncConnection, organization_id: str, *, lock: bool = False
) -> Subscription:
    """The subscription in the caller's transaction, opened or renewed if need be.

    Args:
        system: Catalogue and clock.
        connection: The transaction.
        organization_id: Whose.
        lock: Let nobody else change it, or count on it, until the transaction ends.
    """
    row = await queries.subscription(connection, organization_id, lock=lock)
    if row is None:
        await _open(system, connection, organization_id)
        row = await queries.subscription(connection, organization_id, lock=lock)
        assert row is not None
    if row.period_end <= system.now():
        row = await renew(system, connection, organization_id)
    return _subscription(system, row)


def _subscription(system: System, row: SubscriptionRow) -> Subscription:
    return Subscription(row, catalogue.plan_of(catalogue.load(system.settings), row.plan))


async def _open(system: System, connection: AsyncConnection, organization_id: str) -> None:
    now = system.now()
    plan = catalogue.plan_of(catalogue.load(system.settings), system.settings.default_plan)
    anchor = day_of(now)
    first = month(anchor, 0)
    row = SubscriptionRow(
        organization_id=organization_id,
        plan=plan.id,
        next_plan=None,
        anchor=anchor,
        period_start=first.start,
        period_end=first.end,
        created_at=now,
    )
    if await queries.open_subscription(connection, row):
        await postings.grant_allowance(connection, organization_id, allowances(plan), first.start, now)
        await _charge(system, connection, row, plan, since=first.start)


async def renew(system: System, connection: AsyncConnection, organization_id: str) -> SubscriptionRow:
    """Begin the period that it is now: a waiting downgrade takes effect, and the allowance starts anew."""
    row = await queries.subscription(connection, organization_id, lock=True)
    assert row is not None
    now = system.now()
    if row.period_end > now:
        return row  # somebody else was faster
    plan = await _next_plan(system, connection, row)
    period = month(row.anchor, month_at(row.anchor, now))
    renewed = msgspec.structs.replace(
        row, plan=plan.id, next_plan=None, period_start=period.start, period_end=period.end
    )
    await queries.change_subscription(connection, renewed)
    if renewed.plan != row.plan:
        await audit.record(
            connection,
            None,
            "plan.downgrade_took_effect",
            organization_id,
            before={"plan": row.plan, "next_plan": row.next_plan},
            after={"plan": renewed.plan, "next_plan": None},
            now=now,
            organization_id=organization_id,
        )
    await postings.end_allowance(connection, organization_id, row.period_start, now)
    await postings.grant_allowance(connection, organization_id, allowances(plan), period.start, now)
    await _charge(system, connection, renewed, plan, since=row.period_end)
    return renewed


async def _next_plan(system: System, connection: AsyncConnection, row: SubscriptionRow) -> Plan:
    """The plan of the next period: the one that was asked for, if the organization still fits into it."""
    plans = catalogue.load(system.settings)
    present = catalogue.plan_of(plans, row.plan)
    if row.next_plan is None:
        return present
    wanted = catalogue.plan_of(plans, row.next_plan)
    exceeded = list(wanted.limits.exceeded(await queries.counts(connection, row.organization_id)))
    if exceeded:
        log.warning("downgrade dropped", organization=row.organization_id, plan=wanted.id, exceeded=exceeded)
    return present if exceeded else wanted


async def _charge(
    system: System, connection: AsyncConnection, row: SubscriptionRow, plan: Plan, *, since: datetime
) -> None:
    """An invoice for each month from ``since`` to the end of the present period."""
    if not plan.price:
        return
    first, last = month_at(row.anchor, since), month_at(row.anchor, row.period_start)
    lines = [_line(plan, row.anchor, number) for number in range(first, last + 1)]
    await invoices.issue(system, connection, row.organization_id, lines)


def _line(plan: Plan, anchor: datetime, number: int) -> invoices.Line:
    period = month(anchor, number)
    return invoices.Line(
        description=f"{plan.name}, {period.start:%Y-%m-%d} to {period.end:%Y-%m-%d}", amount=plan.price
    )


async def renew_ended(system: System) -> bool:
    """Renew the subscriptions whose period has ended, each in a transaction of its own. True: there may be more."""
    async with system.db.reading() as connection:
        found = await queries.ended(connection, system.now(), limit=RENEWALS)
    for organization_id in found:
        async with system.db.transaction() as connection:
            await renew(system, connection, organization_id)
    return len(found) == RENEWALS
