"""SQL of holds, and of what events say of queues."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import (
    events,
    hold_nodes,
    messages,
    nodes,
    organizations,
    outbox,
    queue_holds,
    recipients,
)

_WAITING = ("accepted", "deferred")


class HoldRow(msgspec.Struct, frozen=True, kw_only=True):
    """A hold of one queue."""

    id: str
    organization_id: str
    queue: str
    reason: str
    author: str
    expires_at: datetime | None = None
    released_at: datetime | None = None
    block_id: str | None = None
    """Of the block that holds it; None: somebody does."""
    created_at: datetime


class HeldOn(msgspec.Struct, frozen=True, kw_only=True):
    """How a node stands to a hold."""

    hold_id: str
    node_id: str
    node: str
    suspension_id: str | None
    online_since: datetime | None
    error: str | None


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What events say of a queue."""

    oldest: datetime | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None


_HOLD = select(*(queue_holds.c[name] for name in HoldRow.__struct_fields__))


async def organization_id(connection: AsyncConnection, slug: str) -> str | None:
    """The organization of this slug."""
    found: str | None = await connection.scalar(select(organizations.c.id).where(organizations.c.slug == slug))
    return found


async def waiting_here(connection: AsyncConnection, organization_id: str | None) -> int:
    """Recipients in the outbox, of one organization or of all."""
    query = select(func.count()).select_from(outbox)
    if organization_id is not None:
        query = query.join(recipients, recipients.c.id == outbox.c.recipient_id)
        query = query.where(recipients.c.organization_id == organization_id)
    return await connection.scalar(query) or 0


async def holds(connection: AsyncConnection, organization_id: str | None = None) -> list[HoldRow]:
    """The holds of one organization, or of all, by the queue's name."""
    query = _HOLD.order_by(queue_holds.c.queue)
    if organization_id is not None:
        query = query.where(queue_holds.c.organization_id == organization_id)
    return [HoldRow(**row) for row in (await connection.execute(query)).mappings()]


async def hold_of(connection: AsyncConnection, queue: str) -> HoldRow | None:
    """The hold of this queue."""
    row = (await connection.execute(_HOLD.where(queue_holds.c.queue == queue))).mappings().one_or_none()
    return None if row is None else HoldRow(**row)


async def add_hold(connection: AsyncConnection, row: HoldRow) -> None:
    """Insert a hold."""
    await connection.execute(insert(queue_holds).values(**msgspec.structs.asdict(row)))


async def change_hold(connection: AsyncConnection, hold_id: str, **values: Any) -> None:
    """Write what has changed of a hold."""
    await connection.execute(update(queue_holds).where(queue_holds.c.id == hold_id).values(**values))


async def remove_hold(connection: AsyncConnection, hold_id: str) -> None:
    """Delete a hold, and how the nodes stood to it."""
    await connection.execute(delete(hold_nodes).where(hold_nodes.c.hold_id == hold_id))
    await connection.execute(delete(queue_holds).where(queue_holds.c.id == hold_id))


async def ask_again(connection: AsyncConnection, hold_id: str) -> None:
    """What the nodes hold is not what is wanted any more."""
    await connection.execute(update(hold_nodes).where(hold_nodes.c.hold_id == hold_id).values(suspension_id=None))


async def held_on(connection: AsyncConnection, hold_ids: Collection[str]) -> list[HeldOn]:
    """How each node stands to these holds."""
    query = (
        select(hold_nodes, nodes.c.name.label("node"))
        .join(nodes, nodes.c.id == hold_nodes.c.node_id)
        .where(hold_nodes.c.hold_id.in_(hold_ids))
        .order_by(nodes.c.name)
    )
    return [HeldOn(**row) for row in (await connection.execute(query)).mappings()]


async def note(connection: AsyncConnection, hold_id: str, node_id: str, **values: Any) -> None:
    """Write how a node stands to a hold."""
    await forget(connection, hold_id, node_id)
    await connection.execute(insert(hold_nodes).values(hold_id=hold_id, node_id=node_id, **values))


async def forget(connection: AsyncConnection, hold_id: str, node_id: str) -> None:
    """The node has nothing to do with the hold any more."""
    where = (hold_nodes.c.hold_id == hold_id, hold_nodes.c.node_id == node_id)
    await connection.execute(delete(hold_nodes).where(*where))


async def troubles(connection: AsyncConnection, queues: Collection[str], since: datetime) -> dict[str, Trouble]:
    """What the deferrals since then say of these queues."""
    deferred = (events.c.type == "message.deferred", events.c.queue.in_(queues), events.c.occurred_at >= since)
    newest = select(func.max(events.c.id)).where(*deferred).group_by(events.c.queue)
    last = select(events.c.queue, events.c.reply, events.c.occurred_at).where(events.c.id.in_(newest))
    waits = (
        select(events.c.queue, func.min(messages.c.created_at).label("oldest"))
        .join(recipients, recipients.c.id == events.c.recipient_id)
        .join(messages, messages.c.id == recipients.c.message_id)
        .where(*deferred, recipients.c.status.in_(_WAITING))
        .group_by(events.c.queue)
    )
    oldest = {row.queue: row.oldest for row in await connection.execute(waits)}
    return {
        row.queue: Trouble(oldest=oldest.get(row.queue), last_error=row.reply, last_error_at=row.occurred_at)
        for row in await connection.execute(last)
    }
