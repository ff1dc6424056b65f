"""SQL of the schedules that organizations keep."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import warmup_schedules


class ScheduleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule of an organization's own."""

    id: str
    organization_id: str
    name: str
    daily_allowances: list[int]
    provider_shares: dict[str, float]
    updated_at: datetime
    created_at: datetime


_SCHEDULE = select(*(warmup_schedules.c[name] for name in ScheduleRow.__struct_fields__))


async def of_organization(connection: AsyncConnection, organization_id: str) -> list[ScheduleRow]:
    """Those of an organization, by name."""
    query = _SCHEDULE.where(warmup_schedules.c.organization_id == organization_id).order_by(warmup_schedules.c.name)
    return [ScheduleRow(**row) for row in (await connection.execute(query)).mappings()]


async def count(connection: AsyncConnection, organization_id: str) -> int:
    """How many an organization has."""
    query = select(func.count()).where(warmup_schedules.c.organization_id == organization_id)
    return await connection.scalar(query) or 0


async def by_id(
    connection: AsyncConnection, organization_id: str, schedule_id: str, *, lock: bool = False
) -> ScheduleRow | None:
    """A schedule of the organization; ``lock`` keeps others from changing it until the transaction ends."""
    query = _SCHEDULE.where(warmup_schedules.c.organization_id == organization_id, warmup_schedules.c.id == schedule_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return None if row is None else ScheduleRow(**row)


async def by_name(connection: AsyncConnection, organization_id: str, name: str) -> ScheduleRow | None:
    """The organization's schedule of this name."""
    query = _SCHEDULE.where(warmup_schedules.c.organization_id == organization_id, warmup_schedules.c.name == name)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else ScheduleRow(**row)


async def add(connection: AsyncConnection, row: ScheduleRow) -> None:
    """Insert a schedule."""
    await connection.execute(insert(warmup_schedules).values(**msgspec.structs.asdict(row)))


async def save(connection: AsyncConnection, row: ScheduleRow) -> None:
    """Write all of a schedule."""
    values = msgspec.structs.asdict(row)
    await connection.execute(update(warmup_schedules).where(warmup_schedules.c.id == row.id).values(**values))


async def remove(connection: AsyncConnection, schedule_id: str) -> None:
    """Delete a schedule."""
    await connection.execute(delete(warmup_schedules).where(warmup_schedules.c.id == schedule_id))
