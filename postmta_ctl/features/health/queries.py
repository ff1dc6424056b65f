"""SQL of the health check."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import nodes, outbox


async def backlog(connection: AsyncConnection, now: datetime) -> tuple[int, datetime | None]:
    """How many recipients wait for the relay, and since when the oldest of them."""
    due = select(func.count(), func.min(outbox.c.due_at)).where(outbox.c.due_at <= now)
    count, oldest = (await connection.execute(due)).one()
    return count, oldest


async def nodes_seen(connection: AsyncConnection) -> list[tuple[str, datetime | None, str | None]]:
    """Each node's name, when it was last seen, and what was last wrong with it."""
    rows = await connection.execute(select(nodes.c.name, nodes.c.last_seen_at, nodes.c.last_error))
    return [(row.name, row.last_seen_at, row.last_error) for row in rows]
