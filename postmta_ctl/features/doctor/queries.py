"""SQL that only looks."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import domains, organizations


async def damage(connection: AsyncConnection) -> list[str]:
    """What SQLite finds wrong in its file; it is not asked of a server, which looks after its own."""
    checked = [str(row[0]) for row in await connection.execute(text("PRAGMA quick_check"))]
    dangling = [
        f"{row[0]} refers to {row[2]} that is gone"
        for row in await connection.execute(text("PRAGMA foreign_key_check"))
    ]
    return [one for one in checked if one != "ok"] + sorted(set(dangling))


async def server_time(connection: AsyncConnection) -> datetime:
    """What the database server takes for the time."""
    found: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return found.astimezone(UTC)


async def domain_ids(connection: AsyncConnection) -> list[tuple[str, str, str]]:
    """Organization's id, its slug, and id of every domain, by name."""
    query = select(domains.c.organization_id, organizations.c.slug, domains.c.id).join_from(domains, organizations)
    return [tuple(row) for row in await connection.execute(query.order_by(domains.c.name, organizations.c.slug))]
