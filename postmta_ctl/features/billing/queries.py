"""SQL of subscriptions and billing details."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import (
    api_keys,
    billing_details,
    domains,
    organizations,
    subscriptions,
    users,
    vmtas,
    webhooks,
)


class SubscriptionRow(msgspec.Struct, frozen=True, kw_only=True):
    """Which plan an organization has, and the period it is in."""

    organization_id: str
    plan: str
    next_plan: str | None
    anchor: datetime
    period_start: datetime
    period_end: datetime
    created_at: datetime


async def subscription(
    connection: AsyncConnection, organization_id: str, *, lock: bool = False
) -> SubscriptionRow | None:
    """The organization's subscription; with ``lock``, nobody else changes it until the transaction ends."""
    query = select(subscriptions).where(subscriptions.c.organization_id == organization_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return None if row is None else SubscriptionRow(**row)


async def open_subscription(connection: AsyncConnection, row: SubscriptionRow) -> bool:
    """Insert a subscription; false when somebody else has just done so."""
    dialect = _dialect(connection)
    statement = dialect.insert(subscriptions).values(**msgspec.structs.asdict(row)).on_conflict_do_nothing()
    return bool((await connection.execute(statement)).rowcount == 1)


async def change_subscription(connection: AsyncConnection, row: SubscriptionRow) -> None:
    """Write the subscription as it is in the row."""
    values = {name: getattr(row, name) for name in ("plan", "next_plan", "period_start", "period_end")}
    owned = subscriptions.c.organization_id == row.organization_id
    await connection.execute(update(subscriptions).where(owned).values(**values))


async def ended(connection: AsyncConnection, now: datetime, *, limit: int) -> list[str]:
    """Organizations whose period has ended."""
    query = select(subscriptions.c.organization_id).where(subscriptions.c.period_end <= now)
    return list(await connection.scalars(query.order_by(subscriptions.c.period_end).limit(limit)))


async def counts(connection: AsyncConnection, organization_id: str) -> dict[str, int]:
    """How many the organization has of each thing that a plan may limit."""
    found = {}
    for table in (users, domains, vmtas, webhooks, api_keys):
        query = select(func.count()).select_from(table).where(table.c.organization_id == organization_id)
        found[table.name] = await connection.scalar(query) or 0
    return found


async def organization_exists(connection: AsyncConnection, organization_id: str) -> bool:
    """Whether there is such an organization."""
    return await connection.scalar(select(organizations.c.id).where(organizations.c.id == organization_id)) is not None


async def organization_name(connection: AsyncConnection, organization_id: str) -> str:
    """What the organization calls itself."""
    query = select(organizations.c.name).where(organizations.c.id == organization_id)
    name: str = (await connection.execute(query)).scalar_one()
    return name


async def details(connection: AsyncConnection, organization_id: str) -> dict[str, Any] | None:
    """What the organization said of itself for its invoices."""
    query = select(billing_details.c.details).where(billing_details.c.organization_id == organization_id)
    found: dict[str, Any] | None = await connection.scalar(query)
    return found


async def set_details(connection: AsyncConnection, organization_id: str, values: dict[str, Any], now: datetime) -> None:
    """Keep what the organization says of itself."""
    row = {"details": values, "updated_at": now}
    statement = _dialect(connection).insert(billing_details).values(organization_id=organization_id, **row)
    await connection.execute(statement.on_conflict_do_update(index_elements=["organization_id"], set_=row))


def _dialect(connection: AsyncConnection) -> Any:
    return sqlite if connection.dialect.name == "sqlite" else postgresql
