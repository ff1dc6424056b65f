"""SQL of the health check."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import nodes, outbox


async def backlog(connection: AsyncConnection, now: datetime) -> tuple[int, datetime | None]:
    """How many recipients wait for the relay, and since when the oldest of them."""
    due = select(func.count(), func.min(outbox.c.due_at)).where(outbox.c.due_at <= now)
    count, oldest = (await connection.execute(due)).one()
    return count, oldest


class NodeSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a node."""

    name: str
    last_seen_at: datetime | None
    last_error: str | None
    running_release: int | None


async def nodes_seen(connection: AsyncConnection) -> list[NodeSeen]:
    """Every node, by name."""
    columns = (nodes.c[name] for name in NodeSeen.__struct_fields__)
    rows = await connection.execute(select(*columns).order_by(nodes.c.name))
    return [NodeSeen(**row) for row in rows.mappings()]
