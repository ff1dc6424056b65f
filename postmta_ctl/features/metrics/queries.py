"""SQL of what is measured when somebody asks."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import (
    credit_alerts,
    credit_balances,
    nodes,
    outbox,
    policy_changes,
    releases,
    webhook_deliveries,
)


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What waits, and since when the first of it could have been done."""

    waiting: int
    oldest: datetime | None


class NodeState(msgspec.Struct, frozen=True, kw_only=True):
    """How a node is."""

    name: str
    last_seen_at: datetime | None
    running_release: int | None


async def outbox_backlog(connection: AsyncConnection, now: datetime) -> tuple[int, Backlog]:
    """Recipients in the outbox, and those among them that are due."""
    depth = await connection.scalar(select(func.count()).select_from(outbox)) or 0
    due = select(func.count(), func.min(outbox.c.due_at)).where(outbox.c.due_at <= now)
    count, oldest = (await connection.execute(due)).one()
    return depth, Backlog(waiting=count, oldest=oldest)


async def webhook_backlog(connection: AsyncConnection) -> Backlog:
    """Deliveries to customers that an attempt is planned for."""
    planned = select(func.count(), func.min(webhook_deliveries.c.due_at)).where(
        webhook_deliveries.c.due_at.is_not(None)
    )
    count, oldest = (await connection.execute(planned)).one()
    return Backlog(waiting=count, oldest=oldest)


async def node_states(connection: AsyncConnection) -> list[NodeState]:
    """Every node."""
    rows = await connection.execute(select(nodes.c.name, nodes.c.last_seen_at, nodes.c.running_release))
    return [NodeState(**row) for row in rows.mappings()]


async def newest_release(connection: AsyncConnection) -> int:
    """Number of the newest release; 0 before the first."""
    return await connection.scalar(select(func.max(releases.c.number))) or 0


async def pending_changes(connection: AsyncConnection) -> int:
    """Changes that no release has taken up."""
    waiting = select(func.count()).where(policy_changes.c.release.is_(None))
    return await connection.scalar(waiting) or 0


async def credits_left(connection: AsyncConnection) -> dict[str, tuple[int, int]]:
    """Credits of all organizations by type: available and reserved."""
    total = select(
        credit_balances.c.type, func.sum(credit_balances.c.available), func.sum(credit_balances.c.reserved)
    ).group_by(credit_balances.c.type)
    return {kind: (int(available), int(reserved)) for kind, available, reserved in await connection.execute(total)}


async def organizations_low(connection: AsyncConnection) -> dict[str, int]:
    """How many organizations have fallen to a threshold of their own, by type of credit."""
    low = (
        select(credit_alerts.c.type, func.count(credit_alerts.c.organization_id.distinct()))
        .where(credit_alerts.c.fired_at.is_not(None))
        .group_by(credit_alerts.c.type)
    )
    return {kind: int(count) for kind, count in await connection.execute(low)}
