"""SQL of credit alerts."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import credit_alerts, credit_balances


class AlertRow(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold."""

    id: str
    organization_id: str
    type: str
    threshold: int
    emails: list[str]
    fired_at: datetime | None
    created_at: datetime


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold that the balance has fallen to or risen above."""

    alert: AlertRow
    available: int


async def add(connection: AsyncConnection, row: AlertRow) -> None:
    """Insert an alert."""
    await connection.execute(insert(credit_alerts).values(**msgspec.structs.asdict(row)))


async def of_organization(connection: AsyncConnection, organization_id: str) -> list[AlertRow]:
    """All alerts of an organization, by type and then the highest first."""
    table = credit_alerts.c
    query = select(credit_alerts).where(table.organization_id == organization_id)
    rows = await connection.execute(query.order_by(table.type, table.threshold.desc()))
    return [AlertRow(**row) for row in rows.mappings()]


async def change(connection: AsyncConnection, row: AlertRow) -> None:
    """Write an alert as it is in the row."""
    values = {"threshold": row.threshold, "emails": row.emails, "fired_at": row.fired_at}
    await connection.execute(update(credit_alerts).where(credit_alerts.c.id == row.id).values(values))


async def by_id(
    connection: AsyncConnection, organization_id: str, alert_id: str, *, lock: bool = False
) -> AlertRow | None:
    """An alert of the organization; ``lock`` keeps others from changing it until the transaction ends."""
    owned = (credit_alerts.c.id == alert_id, credit_alerts.c.organization_id == organization_id)
    query = select(credit_alerts).where(*owned)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return None if row is None else AlertRow(**row)


async def remove(connection: AsyncConnection, organization_id: str, alert_id: str) -> None:
    """Delete an alert of the organization."""
    owned = (credit_alerts.c.id == alert_id, credit_alerts.c.organization_id == organization_id)
    await connection.execute(delete(credit_alerts).where(*owned))


async def crossings(connection: AsyncConnection, *, limit: int) -> list[Crossing]:
    """Alerts whose mark does not fit the balance: to be fired, or to be armed again."""
    alert, balance = credit_alerts.c, credit_balances.c
    is_low = balance.available <= alert.threshold
    query = (
        select(credit_alerts, balance.available)
        .join_from(
            credit_alerts,
            credit_balances,
            (balance.organization_id == alert.organization_id) & (balance.type == alert.type),
        )
        .where((is_low & alert.fired_at.is_(None)) | (~is_low & alert.fired_at.is_not(None)))
        .order_by(alert.id)
        .limit(limit)
    )
    rows = (await connection.execute(query)).mappings()
    return [
        Crossing(alert=AlertRow(**{name: row[name] for name in AlertRow.__struct_fields__}), available=row["available"])
        for row in rows
    ]


async def fire(connection: AsyncConnection, alert_id: str, now: datetime) -> bool:
    """Mark an alert as fired; false when somebody else has."""
    mark = update(credit_alerts).where(credit_alerts.c.id == alert_id, credit_alerts.c.fired_at.is_(None))
    return (await connection.execute(mark.values(fired_at=now))).rowcount == 1


async def arm(connection: AsyncConnection, alert_ids: list[str]) -> None:
    """Let these fire again at the next crossing."""
    await connection.execute(update(credit_alerts).where(credit_alerts.c.id.in_(alert_ids)).values(fired_at=None))


async def count(connection: AsyncConnection, organization_id: str) -> int:
    """How many alerts the organization has."""
    query = select(func.count()).select_from(credit_alerts).where(credit_alerts.c.organization_id == organization_id)
    return await connection.scalar(query) or 0
