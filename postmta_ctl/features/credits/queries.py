"""SQL of balances and of the ledger.

Whoever changes several balances takes them in the order of (organization, type), so that two transactions wait for
each other instead of locking each other out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BigInteger, bindparam, func, select, type_coerce, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.bulk import Bulk
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import credit_balances, credit_entries, recipients
from postmta_ctl.store.types import EPOCH, to_micros

_entries = Bulk(
    credit_entries,
    "id",
    "organization_id",
    "type",
    "entry",
    "quantity",
    "available",
    "reserved",
    "cause",
    "reference",
    "note",
    "created_at",
)
_DAY = timedelta(days=1) // timedelta(microseconds=1)


class BalanceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One balance."""

    type: str
    available: int
    reserved: int


class EntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the ledger."""

    id: str
    organization_id: str
    type: str
    entry: str
    quantity: int
    available: int
    reserved: int
    cause: str
    reference: str | None
    note: str | None
    created_at: datetime


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the entries of one kind made on one day sum up to."""

    day: datetime
    type: str
    entry: str
    quantity: int


async def draw(connection: AsyncConnection, organization_id: str, kind: str, amount: int, *, hold: bool) -> bool:
    """Take from the available balance if it covers the amount; with ``hold``, move it to the reserved one."""
    table = credit_balances.c
    statement = (
        update(credit_balances)
        .where(table.organization_id == organization_id, table.type == kind, table.available >= amount)
        .values(available=table.available - amount, reserved=table.reserved + (amount if hold else 0))
    )
    return (await connection.execute(statement)).rowcount == 1


async def add_available(connection: AsyncConnection, organization_id: str, kind: str, amount: int) -> None:
    """Add to the available balance, which is made when there is none."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(credit_balances).values(
        organization_id=organization_id, type=kind, available=amount, reserved=0
    )
    table = credit_balances.c
    statement = statement.on_conflict_do_update(
        index_elements=["organization_id", "type"], set_={"available": table.available + amount}
    )
    await connection.execute(statement)


async def shift(connection: AsyncConnection, changes: Sequence[EntryRow]) -> None:
    """Apply the changes of these entries to balances that are there."""
    table = credit_balances.c
    statement = (
        update(credit_balances)
        .where(table.organization_id == bindparam("org"), table.type == bindparam("kind"))
        .values(available=table.available + bindparam("more"), reserved=table.reserved + bindparam("held"))
    )
    ordered = sorted(changes, key=lambda one: (one.organization_id, one.type))
    rows = [
        {"org": one.organization_id, "kind": one.type, "more": one.available, "held": one.reserved} for one in ordered
    ]
    await connection.execute(statement, rows)


async def insert_entries(connection: AsyncConnection, entries: Sequence[EntryRow]) -> None:
    """Append to the ledger."""
    rows = [
        (
            one.id,
            one.organization_id,
            one.type,
            one.entry,
            one.quantity,
            one.available,
            one.reserved,
            one.cause,
            one.reference,
            one.note,
            to_micros(one.created_at),
        )
        for one in entries
    ]
    await _entries.add(connection, rows)


async def balances(connection: AsyncConnection, organization_id: str) -> dict[str, BalanceRow]:
    """The organization's balances by type; a type that never had any credit is left out."""
    columns = [credit_balances.c[name] for name in BalanceRow.__struct_fields__]
    query = select(*columns).where(credit_balances.c.organization_id == organization_id)
    return {row["type"]: BalanceRow(**row) for row in (await connection.execute(query)).mappings()}


async def lock_balances(connection: AsyncConnection, organization_id: str) -> dict[str, BalanceRow]:
    """As :func:`balances`, and nobody else changes them until the transaction ends."""
    table = credit_balances.c
    query = select(table.type, table.available, table.reserved).where(table.organization_id == organization_id)
    rows = await connection.execute(query.order_by(table.type).with_for_update())
    return {row["type"]: BalanceRow(**row) for row in rows.mappings()}


async def consumed(connection: AsyncConnection, organization_id: str, kind: str, reference: str) -> EntryRow | None:
    """The entry of a consumption under this reference."""
    table = credit_entries.c
    query = select(credit_entries).where(
        table.organization_id == organization_id,
        table.type == kind,
        table.entry == "consume",
        table.reference == reference,
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else EntryRow(**row)


async def caused_since(
    connection: AsyncConnection, organization_id: str, since: datetime, *, cause: str, reference: str
) -> dict[str, int]:
    """By type, the credits that came by a cause and reference since then, less those that went by it."""
    table = credit_entries.c
    query = select(table.type, func.sum(table.available)).where(table.cause == cause, table.reference == reference)
    return await _sums(connection, query, organization_id, since)


async def drawn_since(connection: AsyncConnection, organization_id: str, since: datetime) -> dict[str, int]:
    """By type, the credits spent since then, less those given back."""
    table = credit_entries.c
    query = select(table.type, -func.sum(table.available)).where(table.entry.in_(("reserve", "consume", "refund")))
    return await _sums(connection, query, organization_id, since)


async def _sums(connection: AsyncConnection, query: Any, organization_id: str, since: datetime) -> dict[str, int]:
    table = credit_entries.c
    query = query.where(table.organization_id == organization_id, table.created_at >= since).group_by(table.type)
    return {kind: int(total) for kind, total in await connection.execute(query)}


async def days(connection: AsyncConnection, organization_id: str, start: datetime, end: datetime) -> Sequence[DayRow]:
    """The sums of each day, type and kind of entry that has any, the end not included."""
    table = credit_entries.c
    day = (type_coerce(table.created_at, BigInteger) // _DAY).label("day")
    query = (
        select(day, table.type, table.entry, func.sum(table.quantity).label("quantity"))
        .where(table.organization_id == organization_id, table.created_at >= start, table.created_at < end)
        .group_by(day, table.type, table.entry)
    )
    rows = await connection.execute(query)
    return [
        DayRow(day=EPOCH + timedelta(days=int(number)), type=kind, entry=entry, quantity=int(quantity))
        for number, kind, entry, quantity in rows
    ]


async def page_of_entries(
    connection: AsyncConnection, organization_id: str, kind: str | None, paging: PageRequest
) -> list[EntryRow]:
    """One page of the ledger, and one entry more."""
    query = select(credit_entries).where(credit_entries.c.organization_id == organization_id)
    if kind is not None:
        query = query.where(credit_entries.c.type == kind)
    rows = await connection.execute(
        paging.apply(query, credit_entries.c.id, type=credit_entries.c.type, quantity=credit_entries.c.quantity)
    )
    return [EntryRow(**row) for row in rows.mappings()]


async def release_recipients(connection: AsyncConnection, recipient_ids: Collection[str]) -> list[tuple[str, int]]:
    """Mark the reservations of these recipients as refunded: organization and credits of each that had one."""
    statement = (
        update(recipients)
        .where(recipients.c.id.in_(recipient_ids), recipients.c.credit_state == "reserved")
        .values(credit_state="refunded")
        .returning(recipients.c.organization_id, recipients.c.credits)
    )
    return [(row.organization_id, row.credits) for row in await connection.execute(statement)]
