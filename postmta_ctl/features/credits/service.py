"""Showing balances, spending and granting."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from postmta_ctl.core.ids import is_id
from postmta_ctl.core.ledger import CREDIT_TYPES, CreditType
from postmta_ctl.errors import Conflict, InvalidRequest, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.billing import catalogue, subscriptions
from postmta_ctl.features.billing import queries as billing_queries
from postmta_ctl.features.billing.subscriptions import Subscription
from postmta_ctl.features.credits import account, postings, queries
from postmta_ctl.features.credits.queries import BalanceRow, EntryRow
from postmta_ctl.features.credits.schemas import (
    Balance,
    Balances,
    Consume,
    Consumed,
    CreditPackage,
    Grant,
    LedgerEntry,
    Packages,
    Price,
)
from postmta_ctl.features.credits.usage import used_by_type
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.system import System


async def balances(system: System, organization_id: str) -> Balances:
    """All balances of an organization; those it never had credits of are zero."""
    subscription = await subscriptions.read(system, organization_id)
    start = subscription.row.period_start
    async with system.db.reading() as connection:
        rows = await queries.balances(connection, organization_id)
        days = await queries.days(connection, organization_id, start, system.now() + timedelta(days=1))
    used = used_by_type(days)
    return Balances(
        plan=subscription.plan.id,
        period_start=start,
        period_end=subscription.row.period_end,
        data=[_balance(subscription, kind, rows, used) for kind in CREDIT_TYPES],
    )


def _balance(
    subscription: Subscription, kind: CreditType, rows: Mapping[str, BalanceRow], used: Mapping[str, int]
) -> Balance:
    row = rows.get(kind) or BalanceRow(type=kind, available=0, reserved=0)
    plan = subscription.plan
    return Balance(
        type=kind,
        unmetered=plan.unmetered,
        available=None if plan.unmetered else row.available,
        reserved=row.reserved,
        included=plan.credits.get(kind, 0),
        used=used.get(kind, 0),
    )


async def balance(system: System, organization_id: str, kind: str) -> Balance:
    """One balance.

    Raises:
        NotFound: There is no such type of credit.
    """
    if kind not in CREDIT_TYPES:
        raise NotFound(f"There are no credits of this type; known are {', '.join(CREDIT_TYPES)}.")
    found = await balances(system, organization_id)
    return next(one for one in found.data if one.type == kind)


async def consume(system: System, principal: Principal, data: Consume) -> Consumed:
    """Spend credits; under a reference that was spent before, only show what was.

    Raises:
        InsufficientCredits: The balance does not cover it.
        Conflict: The reference was used for another amount.
    """
    try:
        entry = await _consumed(system, principal, data)
    except IntegrityError:
        # A request of the same reference committed between our look and our insert; now it is seen.
        entry = await _consumed(system, principal, data)
    if entry.quantity != data.amount:
        raise Conflict(f"reference: was spent for an amount of {entry.quantity} before.", code="reference_reused")
    return Consumed(entry=shown(entry), balance=await balance(system, principal.organization_id, data.type))


async def _consumed(system: System, principal: Principal, data: Consume) -> EntryRow:
    organization_id = principal.organization_id
    async with system.db.transaction() as connection:
        if data.reference is not None:
            earlier = await queries.consumed(connection, organization_id, data.type, data.reference)
            if earlier is not None:
                return earlier
        row = await account.consume(
            system, connection, organization_id, data.type, data.amount, cause="api", reference=data.reference
        )
        await audit.record(connection, principal, "credits.consumed", row.id, after=shown(row), now=row.created_at)
        return row


async def grant(system: System, principal: Principal, data: Grant) -> LedgerEntry:
    """Give credits to any organization.

    Raises:
        NotFound: There is no such organization.
        InvalidRequest: The balance would get larger than is kept.
    """
    async with system.db.transaction() as connection:
        known = is_id(data.organization_id)
        if not known or not await billing_queries.organization_exists(connection, data.organization_id):
            raise NotFound("There is no such organization.")
        await subscriptions.current(system, connection, data.organization_id)
        row = await postings.grant(
            connection,
            data.organization_id,
            data.type,
            data.amount,
            cause="operator",
            now=system.now(),
            reference=principal.name,
            note=data.reason,
        )
        found = await queries.balances(connection, data.organization_id)
        if found[data.type].available > MAX_BALANCE:
            raise InvalidRequest.of("amount", f"the balance would exceed {MAX_BALANCE}", code="out_of_range")
        await audit.record(
            connection,
            principal,
            "credits.granted",
            row.id,
            after=shown(row),
            now=row.created_at,
            organization_id=data.organization_id,
        )
    return shown(row)


MAX_BALANCE = 10**15
"""Below 2^53, so that every reader of JSON gets it exactly."""


async def ledger(system: System, organization_id: str, kind: str | None, paging: PageRequest) -> Page[LedgerEntry]:
    """The entries, newest first.

    Raises:
        InvalidRequest: There is no such type of credit.
    """
    if kind is not None and kind not in CREDIT_TYPES:
        raise InvalidRequest.of("type", f"is one of {', '.join(CREDIT_TYPES)}")
    async with system.db.reading() as connection:
        rows = await queries.page_of_entries(connection, organization_id, kind, paging)
    return paging.page([shown(row) for row in rows])


def shown(row: EntryRow) -> LedgerEntry:
    """An entry as the API shows it."""
    return LedgerEntry(**{name: getattr(row, name) for name in LedgerEntry.__struct_fields__})


def packages(system: System) -> Packages:
    """What can be bought."""
    plans = catalogue.load(system.settings)
    return Packages(
        [
            CreditPackage(
                id=one.id,
                name=one.name,
                type=one.type,
                amount=one.amount,
                price=Price(amount=one.price, currency=plans.currency),
            )
            for one in plans.packages
        ]
    )
