"""SQL of traffic shaping."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.shaping import Limits
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import organizations, shaping_rules

EVERYBODY = "*"


class ShapingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A rule."""

    id: str
    organization_id: str | None
    organization: str | None
    """Slug."""
    kind: Literal["provider", "domain"]
    target: str
    limits: Limits
    note: str
    updated_at: datetime
    created_at: datetime


_RULE = select(shaping_rules, organizations.c.slug.label("organization")).select_from(
    shaping_rules.outerjoin(organizations, organizations.c.id == shaping_rules.c.organization_id)
)


async def page(connection: AsyncConnection, paging: PageRequest) -> list[ShapingRow]:
    """One page of the rules, and one more."""
    return [_row(row) for row in (await connection.execute(paging.apply(_RULE, shaping_rules.c.id))).mappings()]


async def of_all(connection: AsyncConnection) -> list[ShapingRow]:
    """Every rule."""
    return [_row(row) for row in (await connection.execute(_RULE.order_by(shaping_rules.c.id))).mappings()]


async def by_id(connection: AsyncConnection, shaping_id: str, *, lock: bool = False) -> ShapingRow | None:
    """The rule of this id; ``lock`` keeps others from changing it until the transaction ends."""
    query = _RULE.where(shaping_rules.c.id == shaping_id)
    query = query.with_for_update(of=shaping_rules) if lock else query
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else _row(row)


async def count(connection: AsyncConnection) -> int:
    """How many rules there are."""
    return await connection.scalar(select(func.count()).select_from(shaping_rules)) or 0


async def organization_id(connection: AsyncConnection, slug: str) -> str | None:
    """The organization of this slug."""
    found: str | None = await connection.scalar(select(organizations.c.id).where(organizations.c.slug == slug))
    return found


async def add(connection: AsyncConnection, row: ShapingRow) -> None:
    """Insert a rule."""
    await connection.execute(insert(shaping_rules).values(**_columns(row)))


async def save(connection: AsyncConnection, row: ShapingRow) -> None:
    """Write all of a rule."""
    await connection.execute(update(shaping_rules).where(shaping_rules.c.id == row.id).values(**_columns(row)))


async def remove(connection: AsyncConnection, shaping_id: str) -> None:
    """Delete a rule."""
    await connection.execute(delete(shaping_rules).where(shaping_rules.c.id == shaping_id))


def _columns(row: ShapingRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in ShapingRow.__struct_fields__ if name != "organization"}
    return values | {"holder": row.organization_id or EVERYBODY}


def _row(row: Any) -> ShapingRow:
    return msgspec.convert({name: row[name] for name in ShapingRow.__struct_fields__}, ShapingRow)
