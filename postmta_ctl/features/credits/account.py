"""What other slices do with credits: reserve, consume, settle, refund. Each in the caller's own transaction.

Sending reserves a credit for each recipient in the transaction that accepts the message; the log record that ends a
recipient settles or refunds it in the transaction that keeps the record. A security check consumes one at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ledger import CreditType, Entry
from postmta_ctl.errors import FieldError, InsufficientCredits
from postmta_ctl.features.billing import subscriptions
from postmta_ctl.features.credits import postings, queries
from postmta_ctl.features.credits.queries import EntryRow
from postmta_ctl.system import System

NOT_COVERED = "submitted by SMTP when the balance was used up"
_ENDS: dict[str, Entry] = {"settled": "settle", "refunded": "refund"}


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Credits that are wanted for one request."""

    organization_id: str
    recipients: int
    reference: str
    """What they are for."""


async def reserve(
    system: System, connection: AsyncConnection, wishes: Sequence[Wish], *, cause: str
) -> list[int | InsufficientCredits]:
    """Hold one email credit for each recipient, for each wish all or none, in their order.

    Returns:
        For each wish what a recipient is charged, to be kept in ``recipients.credits``: 1, or 0 if the plan is not
        metered; or that the balance does not cover it.
    """
    available = await _available(system, connection, {one.organization_id for one in wishes})
    results: list[int | InsufficientCredits] = []
    rows: list[EntryRow] = []
    for wish in wishes:
        left = available[wish.organization_id]
        if left is not None and left < wish.recipients:
            results.append(insufficient("email", wish.recipients, left))
            continue
        if left is not None:
            available[wish.organization_id] = left - wish.recipients
        results.append(0 if left is None else 1)
        if wish.recipients:
            rows.append(_reservation(wish, cause, system.now(), metered=left is not None))
    if moving := [row for row in rows if row.reserved]:
        await queries.shift(connection, moving)
    if rows:
        await queries.insert_entries(connection, rows)
    return results


async def _available(
    system: System, connection: AsyncConnection, organization_ids: Collection[str]
) -> dict[str, int | None]:
    """The email credits of each, locked until the transaction ends; None: its plan is not metered."""
    found: dict[str, int | None] = {}
    for organization_id in sorted(organization_ids):
        if await _is_unmetered(system, connection, organization_id):
            found[organization_id] = None
            continue
        balance = (await queries.lock_balances(connection, organization_id)).get("email")
        found[organization_id] = balance.available if balance else 0
    return found


async def _is_unmetered(system: System, connection: AsyncConnection, organization_id: str) -> bool:
    key, version = ("unmetered until", organization_id), system.db.changes
    until: datetime | None = system.known.get(key, version)
    if until is not None and system.now() < until:
        return True
    found = await subscriptions.current(system, connection, organization_id)
    if found.plan.unmetered:
        system.known.set(key, found.row.period_end, version)
    return found.plan.unmetered


def _reservation(wish: Wish, cause: str, now: datetime, *, metered: bool) -> EntryRow:
    return postings.entry_row(
        wish.organization_id,
        "email",
        "reserve",
        wish.recipients,
        cause=cause,
        now=now,
        credits=wish.recipients if metered else 0,
        reference=wish.reference,
    )


async def reserve_covered(system: System, connection: AsyncConnection, organization_id: str, recipients: int) -> int:
    """Hold one email credit for each recipient of mail that a node has taken already, as far as the balance goes.

    The rest is entered in the ledger, too, with its quantity and without credits.

    Returns:
        How many were covered; 0 also under a plan that is not metered.
    """
    plan = (await subscriptions.current(system, connection, organization_id)).plan
    balance = (await queries.lock_balances(connection, organization_id)).get("email")
    covered = 0 if plan.unmetered else min(recipients, balance.available if balance else 0)
    if covered:
        await queries.draw(connection, organization_id, "email", covered, hold=True)
    rest = recipients - covered
    note = None if plan.unmetered else NOT_COVERED
    parts = ((covered, covered, None), (rest, 0, note))
    rows = [
        postings.entry_row(
            organization_id,
            "email",
            "reserve",
            quantity,
            cause="smtp",
            now=system.now(),
            credits=credits,
            note=words,
        )
        for quantity, credits, words in parts
        if quantity
    ]
    await queries.insert_entries(connection, rows)
    return covered


async def consume(
    system: System,
    connection: AsyncConnection,
    organization_id: str,
    kind: CreditType,
    amount: int,
    *,
    cause: str,
    reference: str | None = None,
) -> EntryRow:
    """Spend credits at once, all or none.

    Raises:
        InsufficientCredits: The balance does not cover them.
    """
    return await _spend(
        system,
        connection,
        organization_id,
        kind=kind,
        entry="consume",
        amount=amount,
        cause=cause,
        reference=reference,
    )


async def require(
    system: System, connection: AsyncConnection, organization_id: str, kind: CreditType, amount: int
) -> None:
    """Look whether credits could be consumed, before work that costs more than the look. Nothing is taken or held.

    Raises:
        InsufficientCredits: The balance does not cover them.
    """
    plan = (await subscriptions.current(system, connection, organization_id)).plan
    balance = (await queries.balances(connection, organization_id)).get(kind)
    if not plan.unmetered and (balance.available if balance else 0) < amount:
        raise await _insufficient(connection, organization_id, kind, amount)


async def _spend(
    system: System,
    connection: AsyncConnection,
    organization_id: str,
    *,
    kind: CreditType,
    entry: Entry,
    amount: int,
    cause: str,
    reference: str | None,
) -> EntryRow:
    plan = (await subscriptions.current(system, connection, organization_id)).plan
    now = system.now()
    credits = 0 if plan.unmetered else amount
    if credits and not await queries.draw(connection, organization_id, kind, credits, hold=entry == "reserve"):
        raise await _insufficient(connection, organization_id, kind, amount)
    row = postings.entry_row(
        organization_id, kind, entry, amount, cause=cause, now=now, credits=credits, reference=reference
    )
    await queries.insert_entries(connection, [row])
    return row


async def _insufficient(
    connection: AsyncConnection, organization_id: str, kind: CreditType, needed: int
) -> InsufficientCredits:
    balance = (await queries.balances(connection, organization_id)).get(kind)
    return insufficient(kind, needed, balance.available if balance else 0)


def insufficient(kind: CreditType, needed: int, available: int) -> InsufficientCredits:
    """What to answer when a balance does not cover what is needed."""
    message = f"{needed} needed, {available} available"
    return InsufficientCredits(
        f"{kind} credits: {message}.",
        errors=(FieldError(field=f"credits.{kind}", message=message, code="insufficient_credits"),),
    )


async def finish(
    connection: AsyncConnection, ended: Iterable[tuple[str, str, int]], now: datetime, *, cause: str, reference: str
) -> None:
    """Settle or refund recipients whose ``credit_state`` has just ended.

    Args:
        connection: The transaction that changes the recipients.
        ended: For each recipient its organization, ``settled`` or ``refunded``, and its ``credits``.
        now: When.
        cause: What brought it about.
        reference: What it is about, such as the node.
    """
    entries = ((organization_id, _ENDS[state], credits) for organization_id, state, credits in ended)
    await postings.finish(connection, entries, cause=cause, now=now, reference=reference)


async def refund_recipients(
    connection: AsyncConnection, recipient_ids: Collection[str], now: datetime, *, cause: str, reference: str
) -> None:
    """Refund recipients that will never reach a node; those that were settled or refunded stay as they are."""
    if not recipient_ids:
        return
    released = await queries.release_recipients(connection, recipient_ids)
    await finish(
        connection,
        [(organization_id, "refunded", credits) for organization_id, credits in released],
        now,
        cause=cause,
        reference=reference,
    )
