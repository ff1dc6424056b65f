"""SQL of invoices, payments and checkouts.

An invoice is inserted and never changed: what is paid is another table. Its number comes from a counter row that is
locked until the transaction ends, so that numbers have no gaps. It is the last lock that a transaction takes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import checkouts, counters, invoices, payments


class Credits(msgspec.Struct, frozen=True, kw_only=True):
    """Credits that somebody buys."""

    type: str
    amount: int


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkout is about, as it was offered then."""

    description: str
    credits: Credits


class InvoiceRow(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice, and when it was paid."""

    id: str
    organization_id: str
    number: int
    issued_at: datetime
    due_at: datetime
    currency: str
    total: int
    lines: list[dict[str, Any]]
    seller: dict[str, str]
    buyer: dict[str, str]
    grants: Credits | None = None
    paid_at: datetime | None = None
    provider: str | None = None


class CheckoutRow(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is about to pay."""

    id: str
    organization_id: str
    provider: str
    item: Item | None
    invoice_id: str | None
    currency: str
    amount: int
    state: str
    """``open``, ``completed`` (paid), or ``expired`` (never will be)."""
    created_at: datetime


_INVOICES: Select[Any] = select(
    *(column for column in invoices.c), payments.c.paid_at, payments.c.provider
).outerjoin_from(invoices, payments, payments.c.invoice_id == invoices.c.id)


async def next_number(connection: AsyncConnection, counter: str) -> int:
    """The next number of a series from 1. It is given back when the transaction fails."""
    statement = _dialect(connection).insert(counters).values(name=counter, value=1)
    statement = statement.on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + 1})
    number: int = (await connection.execute(statement.returning(counters.c.value))).scalar_one()
    return number


async def add_invoice(connection: AsyncConnection, row: InvoiceRow) -> None:
    """Insert an invoice."""
    values = {name: getattr(row, name) for name in row.__struct_fields__ if name not in ("paid_at", "provider")}
    await connection.execute(insert(invoices).values(**values))


async def invoice(connection: AsyncConnection, invoice_id: str, organization_id: str | None) -> InvoiceRow | None:
    """The invoice of this id; of any organization if none is named, as for the operator."""
    query = _INVOICES.where(invoices.c.id == invoice_id)
    if organization_id is not None:
        query = query.where(invoices.c.organization_id == organization_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else msgspec.convert(row, InvoiceRow)


async def page_of_invoices(connection: AsyncConnection, organization_id: str, paging: PageRequest) -> list[InvoiceRow]:
    """One page of the organization's invoices, and one more."""
    query = paging.apply(
        _INVOICES.where(invoices.c.organization_id == organization_id),
        invoices.c.id,
        issued_at=invoices.c.issued_at,
        due_at=invoices.c.due_at,
        total=invoices.c.total,
    )
    return [msgspec.convert(row, InvoiceRow) for row in (await connection.execute(query)).mappings()]


async def unpaid(connection: AsyncConnection, organization_id: str, *, limit: int) -> list[datetime]:
    """When the organization's unpaid invoices are due, the earliest first."""
    query = (
        select(invoices.c.due_at)
        .outerjoin_from(invoices, payments, payments.c.invoice_id == invoices.c.id)
        .where(invoices.c.organization_id == organization_id, payments.c.paid_at.is_(None))
    )
    return list(await connection.scalars(query.order_by(invoices.c.due_at).limit(limit)))


async def add_payment(
    connection: AsyncConnection, invoice_id: str, *, provider: str, reference: str, now: datetime
) -> bool:
    """Note that an invoice is paid; false when it was already."""
    values = {"invoice_id": invoice_id, "provider": provider, "reference": reference, "paid_at": now}
    statement = _dialect(connection).insert(payments).values(**values).on_conflict_do_nothing()
    return bool((await connection.execute(statement)).rowcount == 1)


async def add_checkout(connection: AsyncConnection, row: CheckoutRow) -> None:
    """Insert a checkout."""
    await connection.execute(insert(checkouts).values(**msgspec.structs.asdict(row)))


async def checkout(connection: AsyncConnection, checkout_id: str) -> CheckoutRow | None:
    """The checkout of this id."""
    query = select(checkouts).where(checkouts.c.id == checkout_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else msgspec.convert(row, CheckoutRow)


async def end_checkout(connection: AsyncConnection, checkout_id: str, state: str) -> bool:
    """Move a checkout to this state; false when it is there already, or completed, which is final.

    An expired one may still be completed: the answer to a request that made a page may have been lost on its way.
    """
    statement = update(checkouts).where(checkouts.c.id == checkout_id, checkouts.c.state.not_in((state, "completed")))
    return (await connection.execute(statement.values(state=state))).rowcount == 1


def _dialect(connection: AsyncConnection) -> Any:
    return sqlite if connection.dialect.name == "sqlite" else postgresql
