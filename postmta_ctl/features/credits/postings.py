"""Writing to the ledger and to the balance, always both in the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ids import new_id
from postmta_ctl.core.ledger import CreditType, Entry, effect, unused_allowance
from postmta_ctl.features.credits import queries
from postmta_ctl.features.credits.queries import EntryRow

PLAN = "plan"
"""The cause of entries that come from a plan's allowance."""
LAPSED = "unused allowance"


def entry_row(
    organization_id: str,
    kind: str,
    entry: Entry,
    quantity: int,
    *,
    cause: str,
    now: datetime,
    credits: int | None = None,
    reference: str | None = None,
    note: str | None = None,
) -> EntryRow:
    """An entry of the ledger.

    Args:
        organization_id: Whose it is.
        kind: Type of credit.
        entry: What happens; decides what changes.
        quantity: Recipients or checks.
        cause: What brought it about, as a word.
        now: When.
        credits: What it comes to, if not the quantity: 0 where nothing is metered.
        reference: What it is about.
        note: A reason in words.
    """
    change = effect(entry, quantity if credits is None else credits)
    return EntryRow(
        id=new_id(now),
        organization_id=organization_id,
        type=kind,
        entry=entry,
        quantity=quantity,
        available=change.available,
        reserved=change.reserved,
        cause=cause,
        reference=reference,
        note=note,
        created_at=now,
    )


async def grant(
    connection: AsyncConnection,
    organization_id: str,
    kind: str,
    amount: int,
    *,
    cause: str,
    now: datetime,
    reference: str | None = None,
    note: str | None = None,
) -> EntryRow:
    """Add credits to a balance."""
    row = entry_row(organization_id, kind, "grant", amount, cause=cause, now=now, reference=reference, note=note)
    await queries.add_available(connection, organization_id, kind, amount)
    await queries.insert_entries(connection, [row])
    return row


async def grant_allowance(
    connection: AsyncConnection,
    organization_id: str,
    amounts: Mapping[CreditType, int],
    period: datetime,
    now: datetime,
) -> None:
    """Grant what a plan includes for the period that began then."""
    for kind, amount in sorted(amounts.items()):
        await grant(connection, organization_id, kind, amount, cause=PLAN, now=now, reference=_name(period))


async def end_allowance(connection: AsyncConnection, organization_id: str, period: datetime, now: datetime) -> None:
    """Take away what is left of the allowance for the period that began then."""
    balances = await queries.lock_balances(connection, organization_id)
    granted = await queries.caused_since(connection, organization_id, period, cause=PLAN, reference=_name(period))
    drawn = await queries.drawn_since(connection, organization_id, period)
    rows = [
        entry_row(organization_id, kind, "adjust", -unused, cause=PLAN, now=now, reference=_name(period), note=LAPSED)
        for kind, balance in balances.items()
        if (
            unused := unused_allowance(
                granted=granted.get(kind, 0), drawn=drawn.get(kind, 0), available=balance.available
            )
        )
    ]
    if rows:
        await queries.shift(connection, rows)
        await queries.insert_entries(connection, rows)


def _name(period: datetime) -> str:
    """A period in the ledger: grants and lapses of the same one cancel out, whenever they are written."""
    return f"period of {period:%Y-%m-%d}"


async def finish(
    connection: AsyncConnection,
    ended: Iterable[tuple[str, Entry, int]],
    *,
    cause: str,
    now: datetime,
    reference: str | None = None,
) -> None:
    """End the reservations of many recipients, with one entry for each organization and outcome.

    Args:
        connection: The transaction.
        ended: For each recipient its organization, ``settle`` or ``refund``, and the credits that were reserved.
        cause: What brought it about.
        now: When.
        reference: What it is about.
    """
    quantities: Counter[tuple[str, Entry]] = Counter()
    credits: Counter[tuple[str, Entry]] = Counter()
    for organization_id, entry, reserved in ended:
        quantities[organization_id, entry] += 1
        credits[organization_id, entry] += reserved
    rows = [
        entry_row(key[0], "email", key[1], quantity, cause=cause, now=now, credits=credits[key], reference=reference)
        for key, quantity in sorted(quantities.items())
    ]
    if moving := [row for row in rows if row.reserved]:
        await queries.shift(connection, moving)
    if rows:
        await queries.insert_entries(connection, rows)
