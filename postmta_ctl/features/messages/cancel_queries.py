"""SQL of cancelling and rescheduling."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import kept_content
from postmta_ctl.core.status import TERMINAL
from postmta_ctl.store.among import one_of
from postmta_ctl.store.tables import (
    cancellations,
    message_contents,
    messages,
    organizations,
    outbox,
    recipients,
)

_IS_HERE = outbox.c.generation == outbox.c.attempts + 1
"""No node can have it: a relay counts an attempt when it begins, and a generation when it is known to have failed."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a recipient is: here, on a node, or done with."""

    id: str
    address: str
    status: str
    is_here: bool
    """No node can have it: it was not given to one, or each that was tried is known not to have taken it."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient that is to be cancelled on the node that has it."""

    recipient_id: str
    address: str
    author: str
    attempts: int
    organization: str
    vmta: str | None
    pool: str | None
    campaign: str | None
    node: str | None


async def lock(connection: AsyncConnection, message_id: str) -> list[Place]:
    """The recipients of a message, in the order of their ids, locked against the log and the relay."""
    locked = select(recipients.c.id).where(recipients.c.message_id == message_id).order_by(recipients.c.id)
    await connection.execute(locked.with_for_update())
    query = (
        select(recipients.c.id, recipients.c.address, recipients.c.status, _IS_HERE.label("is_here"))
        .outerjoin(outbox, outbox.c.recipient_id == recipients.c.id)
        .where(recipients.c.message_id == message_id)
        .order_by(recipients.c.id)
    )
    return [
        Place(id=row.id, address=row.address, status=row.status, is_here=bool(row.is_here))
        for row in await connection.execute(query)
    ]


async def take(connection: AsyncConnection, recipient_ids: Collection[str]) -> set[str]:
    """Remove these from the outbox, unless a relay has just taken them; those that were removed are ours for good."""
    statement = (
        delete(outbox).where(outbox.c.recipient_id.in_(recipient_ids), _IS_HERE).returning(outbox.c.recipient_id)
    )
    return set(await connection.scalars(statement))


async def want(connection: AsyncConnection, recipient_ids: Sequence[str], author: str, now: datetime) -> None:
    """Note that these are to be cancelled where they are; asked for again, they are due at once."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(cancellations).on_conflict_do_update(
        index_elements=["recipient_id"], set_={"due_at": now, "attempts": 0}
    )
    rows = [{"recipient_id": rid, "author": author, "requested_at": now, "due_at": now} for rid in recipient_ids]
    await connection.execute(statement.values(attempts=0), rows)


async def among(connection: AsyncConnection, recipient_ids: Collection[str]) -> set[str]:
    """Those of the recipients that are to be cancelled."""
    if not recipient_ids:
        return set()
    query = select(cancellations.c.recipient_id).where(one_of(connection, cancellations.c.recipient_id, recipient_ids))
    return set(await connection.scalars(query))


async def due(
    connection: AsyncConnection, now: datetime, *, limit: int, lease: timedelta, recipient_ids: Sequence[str] | None
) -> list[Wanted]:
    """Take cancellations whose turn it is, and keep others from them for the time of the lease."""
    chosen = select(cancellations.c.recipient_id).where(cancellations.c.due_at <= now)
    if recipient_ids is not None:
        chosen = chosen.where(cancellations.c.recipient_id.in_(recipient_ids))
    chosen = chosen.order_by(cancellations.c.due_at).limit(limit).with_for_update(skip_locked=True)
    statement = (
        update(cancellations)
        .where(cancellations.c.recipient_id.in_(chosen))
        .values(due_at=now + lease)
        .returning(cancellations.c.recipient_id)
    )
    taken = list(await connection.scalars(statement))
    query = (
        select(
            cancellations.c.recipient_id,
            cancellations.c.author,
            cancellations.c.attempts,
            recipients.c.address,
            recipients.c.node,
            organizations.c.slug.label("organization"),
            messages.c.vmta,
            messages.c.pool,
            messages.c.campaign,
        )
        .join_from(cancellations, recipients, recipients.c.id == cancellations.c.recipient_id)
        .join(messages, messages.c.id == recipients.c.message_id)
        .join(organizations, organizations.c.id == messages.c.organization_id)
        .where(cancellations.c.recipient_id.in_(taken))
        .order_by(cancellations.c.recipient_id)
    )
    return [Wanted(**row) for row in (await connection.execute(query)).mappings()]


async def put_off(connection: AsyncConnection, later: Sequence[dict[str, object]]) -> None:
    """Try these again: each with ``rid``, ``due``, ``words``."""
    statement = (
        update(cancellations)
        .where(cancellations.c.recipient_id == bindparam("rid"))
        .values(due_at=bindparam("due"), last_error=bindparam("words"), attempts=cancellations.c.attempts + 1)
    )
    await connection.execute(statement, list(later))


async def forget(connection: AsyncConnection, *, tries: int) -> None:
    """Drop the cancellations of recipients that are done with, and those that were tried often enough."""
    over = select(recipients.c.id).where(
        recipients.c.id == cancellations.c.recipient_id, recipients.c.status.in_(TERMINAL)
    )
    await connection.execute(delete(cancellations).where(over.exists() | (cancellations.c.attempts >= tries)))


async def reschedule(connection: AsyncConnection, message_id: str, due_at: datetime) -> set[str]:
    """Give what no node can have another due time; the recipients whose it was changed."""
    statement = (
        update(outbox)
        .where(outbox.c.message_id == message_id, _IS_HERE)
        .values(due_at=due_at, block_id=None)
        .returning(outbox.c.recipient_id)
    )
    return set(await connection.scalars(statement))


async def set_schedule(connection: AsyncConnection, message_id: str, scheduled_at: datetime | None, date: str) -> None:
    """Write when a message is to be sent, and the Date field that says the same."""
    statement = update(messages).where(messages.c.id == message_id).values(scheduled_at=scheduled_at)
    await connection.execute(statement)
    stored = await connection.scalar(
        select(message_contents.c.content).where(message_contents.c.message_id == message_id)
    )
    content = kept_content.read(stored or b"").opened()
    dated = msgspec.structs.replace(content, headers=content.headers | {"Date": date})
    await connection.execute(
        update(message_contents)
        .where(message_contents.c.message_id == message_id)
        .values(content=kept_content.keep(kept_content.kept(dated)))
    )
