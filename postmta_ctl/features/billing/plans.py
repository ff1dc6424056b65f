"""Showing, raising and lowering an organization's plan."""

from __future__ import annotations

from typing import NoReturn

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ids import is_id
from postmta_ctl.core.ledger import CREDIT_TYPES
from postmta_ctl.core.money import prorate
from postmta_ctl.core.periods import Period
from postmta_ctl.core.plans import Catalogue, added_allowances, allowances
from postmta_ctl.core.plans import Plan as CataloguePlan
from postmta_ctl.errors import Conflict, FieldError, InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.billing import catalogue, invoices, queries, subscriptions
from postmta_ctl.features.billing.invoice_queries import InvoiceRow
from postmta_ctl.features.billing.schemas import CurrentPlan, Limit, Plan, Upgraded
from postmta_ctl.features.billing.subscriptions import Subscription
from postmta_ctl.features.credits import postings
from postmta_ctl.features.credits import queries as credit_queries
from postmta_ctl.features.credits.usage import used_by_type
from postmta_ctl.system import System


async def current_plan(system: System, organization_id: str) -> CurrentPlan:
    """The plan of an organization, its limits, and what it may change to."""
    subscription = await subscriptions.read(system, organization_id)
    plans = catalogue.load(system.settings)
    async with system.db.reading() as connection:
        counts = await queries.counts(connection, organization_id)
    limits = subscription.plan.limits
    return CurrentPlan(
        plan=_shown(plans, subscription.plan),
        period_start=subscription.row.period_start,
        period_end=subscription.row.period_end,
        next_plan=subscription.row.next_plan,
        limits=[Limit(name=name, used=counts[name], limit=getattr(limits, name)) for name in limits.__struct_fields__],
        offered=[_shown(plans, one) for one in plans.plans if one.offered],
    )


def _shown(plans: Catalogue, plan: CataloguePlan) -> Plan:
    return Plan(
        id=plan.id,
        name=plan.name,
        price=plan.price,
        currency=plans.currency,
        unmetered=plan.unmetered,
        credits=plan.credits,
        limits=msgspec.structs.asdict(plan.limits),
        requests_per_minute=msgspec.structs.asdict(plan.requests_per_minute),
    )


async def upgrade(system: System, principal: Principal, plan_id: str) -> Upgraded:
    """Change to a larger plan at once; the rest of the period is charged, and the rest of the old plan set off.

    Raises:
        InvalidRequest: No such plan is offered.
        Conflict: It is not larger than the present one, or invoices are unpaid.
    """
    organization_id = principal.organization_id
    plans = catalogue.load(system.settings)
    wanted = _offered(plans, plan_id)
    async with system.db.transaction() as connection:
        subscription = await subscriptions.current(system, connection, organization_id, lock=True)
        if plans.rank(wanted) <= plans.rank(subscription.plan):
            raise Conflict(f"plan: {wanted.id} is not larger than {subscription.plan.id}.", code="not_an_upgrade")
        await invoices.require_good_standing(system, connection, organization_id)
        invoice = await _upgraded(system, connection, subscription, wanted)
        await _record(system, connection, principal, "plan.upgraded", subscription, plan=wanted.id)
    shown = None if invoice is None else invoices.shown(system, invoice)
    return Upgraded(current=await current_plan(system, organization_id), invoice=shown)


def _offered(plans: Catalogue, plan_id: str) -> CataloguePlan:
    offered = {one.id: one for one in plans.plans if one.offered}
    if plan_id not in offered:
        raise InvalidRequest.of("plan", f"is one of {', '.join(offered)}", code="plan_unknown")
    return offered[plan_id]


async def _upgraded(
    system: System, connection: AsyncConnection, subscription: Subscription, wanted: CataloguePlan
) -> InvoiceRow | None:
    row, present, now = subscription.row, subscription.plan, system.now()
    period = Period(row.period_start, row.period_end)
    await queries.change_subscription(connection, msgspec.structs.replace(row, plan=wanted.id, next_plan=None))
    added = added_allowances(present, wanted, period, now)
    await postings.grant_allowance(connection, row.organization_id, added, period.start, now)
    rest = f"{now:%Y-%m-%d} to {period.end:%Y-%m-%d}"
    charged, set_off = (prorate(one.price, start=period.start, end=period.end, now=now) for one in (wanted, present))
    lines = [invoices.Line(description=f"{wanted.name}, {rest}", amount=charged)] if charged else []
    if set_off:
        lines.append(invoices.Line(description=f"Unused: {present.name}, {rest}", amount=-min(set_off, charged)))
    return await invoices.issue(system, connection, row.organization_id, lines) if charged else None


async def downgrade(system: System, principal: Principal, plan_id: str) -> CurrentPlan:
    """Change to a smaller plan at the end of the period; the present plan's own id takes that back.

    Raises:
        InvalidRequest: No such plan is offered.
        Conflict: It is larger than the present one, or what the organization has or uses does not fit into it.
    """
    plans = catalogue.load(system.settings)
    async with system.db.transaction() as connection:
        subscription = await subscriptions.current(system, connection, principal.organization_id, lock=True)
        row, present = subscription.row, subscription.plan
        wanted = present if plan_id == present.id else _offered(plans, plan_id)
        if plans.rank(wanted) > plans.rank(present):
            raise Conflict(f"plan: {wanted.id} is larger than {present.id}.", code="not_a_downgrade")
        if wanted != present:
            await _must_fit(connection, subscription, wanted)
        next_plan = None if wanted == present else wanted.id
        await queries.change_subscription(connection, msgspec.structs.replace(row, next_plan=next_plan))
        await _record(
            system, connection, principal, "plan.downgraded", subscription, plan=present.id, next_plan=next_plan
        )
    return await current_plan(system, principal.organization_id)


async def _must_fit(connection: AsyncConnection, subscription: Subscription, wanted: CataloguePlan) -> None:
    """The things there are, and what was used in this period, must be within the plan."""
    row = subscription.row
    counts = await queries.counts(connection, row.organization_id)
    problems = [
        FieldError(field=name, message=f"{there} there, {wanted.id} has {limit}", code="over_limit")
        for name, there, limit in wanted.limits.exceeded(counts)
    ]
    days = await credit_queries.days(connection, row.organization_id, row.period_start, row.period_end)
    used = used_by_type(days)
    problems += [
        FieldError(
            field=f"credits.{kind}",
            message=f"{used[kind]} used in this period, {wanted.id} includes {included}",
            code="over_limit",
        )
        for kind in CREDIT_TYPES
        if not wanted.unmetered and used[kind] > (included := wanted.credits.get(kind, 0))
    ]
    if problems:
        _does_not_fit(wanted, problems)


def _does_not_fit(wanted: CataloguePlan, problems: list[FieldError]) -> NoReturn:
    named = "; ".join(f"{one.field}: {one.message}" for one in problems)
    raise Conflict(f"Does not fit into {wanted.id}: {named}.", code="does_not_fit", errors=tuple(problems))


async def assign(system: System, principal: Principal, organization_id: str, plan_id: str) -> CurrentPlan:
    """Give an organization any plan of the catalogue, at once and without an invoice, as the operator may.

    Raises:
        NotFound: There is no such organization.
        InvalidRequest: There is no such plan.
    """
    plans = catalogue.load(system.settings)
    if plan_id not in (one.id for one in plans.plans):
        raise InvalidRequest.of("plan", f"is one of {', '.join(one.id for one in plans.plans)}", code="plan_unknown")
    wanted = plans.plan(plan_id)
    async with system.db.transaction() as connection:
        if not is_id(organization_id) or not await queries.organization_exists(connection, organization_id):
            raise NotFound("There is no such organization.")
        subscription = await subscriptions.current(system, connection, organization_id, lock=True)
        row, now = subscription.row, system.now()
        if wanted != subscription.plan:
            await postings.end_allowance(connection, organization_id, row.period_start, now)
            await postings.grant_allowance(connection, organization_id, allowances(wanted), row.period_start, now)
        await queries.change_subscription(connection, msgspec.structs.replace(row, plan=wanted.id, next_plan=None))
        await _record(system, connection, principal, "plan.assigned", subscription, plan=wanted.id)
    return await current_plan(system, organization_id)


async def _record(
    system: System,
    connection: AsyncConnection,
    principal: Principal,
    action: str,
    subscription: Subscription,
    *,
    plan: str,
    next_plan: str | None = None,
) -> None:
    """Write down a change of plan, in the log of whose plan it is."""
    row = subscription.row
    await audit.record(
        connection,
        principal,
        action,
        row.organization_id,
        before={"plan": row.plan, "next_plan": row.next_plan},
        after={"plan": plan, "next_plan": next_plan},
        now=system.now(),
        organization_id=row.organization_id,
    )


async def require_room(system: System, connection: AsyncConnection, organization_id: str, name: str) -> None:
    """Before one more of a thing is made, see that the plan has room for it.

    Args:
        system: Catalogue and clock.
        connection: The transaction that makes it; another one that counts waits until it ends.
        organization_id: Who makes it.
        name: What it is, as :class:`postmta_ctl.core.plans.Limits` names it.

    Raises:
        Conflict: The plan allows no more.
    """
    subscription = await subscriptions.current(system, connection, organization_id)
    if getattr(subscription.plan.limits, name) is None:
        return
    subscription = await subscriptions.current(system, connection, organization_id, lock=True)
    counts = await queries.counts(connection, organization_id)
    counts[name] += 1
    for exceeded, _, limit in subscription.plan.limits.exceeded(counts):
        if exceeded == name:
            message = f"The plan {subscription.plan.name} has {limit} {name}; upgrade to make more."
            raise Conflict(message, code="plan_limit_reached")
