"""Issuing invoices, taking payments for them, and showing them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ids import is_id, new_id
from postmta_ctl.core.money import Money
from postmta_ctl.errors import Conflict, NotFound
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.billing import catalogue, invoice_queries, queries
from postmta_ctl.features.billing.invoice_queries import Credits, InvoiceRow
from postmta_ctl.features.billing.schemas import Invoice, InvoiceLine, Party
from postmta_ctl.features.credits import postings
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.system import System

_COUNTER = "invoice"
MAX_OPEN = 20
"""Open invoices of one organization, after which it buys nothing more."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What is charged, in minor units; a credit is negative."""

    description: str
    amount: int


def number_text(number: int) -> str:
    """An invoice number as it is written."""
    return f"INV-{number:06d}"


async def issue(
    system: System,
    connection: AsyncConnection,
    organization_id: str,
    lines: Sequence[Line],
    *,
    grants: Credits | None = None,
) -> InvoiceRow:
    """Write an invoice with the next number. Call it last in a transaction: all others wait for the number.

    Args:
        system: Seller, currency and clock.
        connection: The transaction.
        organization_id: The customer.
        lines: What is charged; the sum is not negative.
        grants: What is added once it is paid.
    """
    now = system.now()
    row = InvoiceRow(
        id=new_id(now),
        organization_id=organization_id,
        number=await invoice_queries.next_number(connection, _COUNTER),
        issued_at=now,
        due_at=now + timedelta(days=system.settings.billing.payment_days),
        currency=catalogue.load(system.settings).currency,
        total=sum(line.amount for line in lines),
        lines=[msgspec.structs.asdict(line) for line in lines],
        seller=seller(system),
        buyer=await buyer(connection, organization_id),
        grants=grants,
    )
    await invoice_queries.add_invoice(connection, row)
    if row.total == 0:
        # Nobody pays nothing; an invoice over nothing is only the record of what was set off.
        await pay(connection, row, provider="none", reference="nothing to pay", now=now)
    return row


async def require_good_standing(system: System, connection: AsyncConnection, organization_id: str) -> None:
    """Before an organization runs up another invoice, see that it pays those it has.

    Raises:
        Conflict: One is overdue, or too many are open.
    """
    due = await invoice_queries.unpaid(connection, organization_id, limit=MAX_OPEN)
    if due and due[0] <= system.now():
        raise Conflict("Pay the overdue invoices first.", code="invoice_overdue")
    if len(due) == MAX_OPEN:
        raise Conflict(f"Pay some of your {MAX_OPEN} open invoices first.", code="too_many_open_invoices")


def seller(system: System) -> dict[str, str]:
    """Who sells, as invoices show it."""
    billing = system.settings.billing
    name = billing.seller_name or system.settings.public_host
    return {"legal_name": name, "address": billing.seller_address, "tax_id": billing.seller_tax_id}


async def buyer(connection: AsyncConnection, organization_id: str) -> dict[str, Any]:
    """Who buys: what the organization said of itself, or at least its name."""
    details = await queries.details(connection, organization_id) or {}
    if not details.get("legal_name"):
        details["legal_name"] = await queries.organization_name(connection, organization_id)
    return details


async def pay(
    connection: AsyncConnection,
    invoice: InvoiceRow,
    *,
    provider: str,
    reference: str,
    now: datetime,
) -> bool:
    """Note that an invoice is paid, and grant what it was for; false when it had been paid before."""
    paid = await invoice_queries.add_payment(connection, invoice.id, provider=provider, reference=reference, now=now)
    if paid and invoice.grants is not None:
        await postings.grant(
            connection,
            invoice.organization_id,
            invoice.grants.type,
            invoice.grants.amount,
            cause="package",
            now=now,
            reference=number_text(invoice.number),
        )
    return paid


def shown(system: System, row: InvoiceRow) -> Invoice:
    """An invoice as the API shows it."""
    status: Literal["open", "overdue", "paid"]
    status = "paid" if row.paid_at else "overdue" if row.due_at <= system.now() else "open"
    return Invoice(
        id=row.id,
        number=number_text(row.number),
        status=status,
        issued_at=row.issued_at,
        due_at=row.due_at,
        paid_at=row.paid_at,
        currency=row.currency,
        total=row.total,
        lines=msgspec.convert(row.lines, list[InvoiceLine]),
        seller=msgspec.convert(row.seller, Party),
        buyer=msgspec.convert(row.buyer, Party),
        payment_instructions="" if row.paid_at else system.settings.billing.payment_instructions,
    )


async def list_invoices(system: System, organization_id: str, paging: PageRequest) -> Page[Invoice]:
    """The organization's invoices, newest first."""
    async with system.db.reading() as connection:
        rows = await invoice_queries.page_of_invoices(connection, organization_id, paging)
    return paging.page([shown(system, row) for row in rows])


async def get(system: System, organization_id: str, invoice_id: str) -> Invoice:
    """One invoice.

    Raises:
        NotFound: The organization has no such invoice.
    """
    async with system.db.reading() as connection:
        return shown(system, await find(connection, invoice_id, organization_id))


async def find(connection: AsyncConnection, invoice_id: str, organization_id: str | None) -> InvoiceRow:
    """The invoice of this id; of any organization if none is named.

    Raises:
        NotFound: There is none.
    """
    row = await invoice_queries.invoice(connection, invoice_id, organization_id) if is_id(invoice_id) else None
    if row is None:
        raise NotFound("There is no such invoice.")
    return row


async def mark_paid(system: System, principal: Principal, invoice_id: str, reference: str) -> Invoice:
    """The operator has the money: note it, and add what was bought.

    Raises:
        NotFound: There is no such invoice.
        Conflict: It is paid already.
    """
    now = system.now()
    async with system.db.transaction() as connection:
        row = await find(connection, invoice_id, None)
        if not await pay(connection, row, provider="manual", reference=reference, now=now):
            raise Conflict("The invoice is paid already.", code="already_paid")
        before, paid = shown(system, row), shown(system, await find(connection, invoice_id, None))
        await audit.record(
            connection,
            principal,
            "invoice.paid",
            invoice_id,
            before=before,
            after={"invoice": paid, "reference": reference},
            now=now,
            organization_id=row.organization_id,
        )
    return paid


def as_html(invoice: Invoice) -> str:
    """The invoice as a page to print; whatever anybody wrote into it is text there."""

    def money(minor: int) -> str:
        return str(Money(minor=minor, currency=invoice.currency))

    return _templates().get_template("invoice.html").render(invoice=invoice, money=money)


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined)
