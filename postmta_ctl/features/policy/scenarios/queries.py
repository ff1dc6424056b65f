"""SQL of the scenarios."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import policy_scenarios

THE_ONE = 1


class ScenariosRow(msgspec.Struct, frozen=True, kw_only=True):
    """The text, and who wrote it."""

    text: str
    updated_by: str
    updated_at: datetime


async def get(connection: AsyncConnection) -> ScenariosRow | None:
    """What was written; None: nothing yet."""
    query = select(*(policy_scenarios.c[name] for name in ScenariosRow.__struct_fields__))
    row = (await connection.execute(query.where(policy_scenarios.c.id == THE_ONE))).mappings().one_or_none()
    return None if row is None else ScenariosRow(**row)


async def text(connection: AsyncConnection) -> str:
    """The text alone; empty when nothing was written."""
    row = await get(connection)
    return row.text if row else ""


async def put(connection: AsyncConnection, row: ScenariosRow) -> None:
    """Write it."""
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    values = msgspec.structs.asdict(row)
    statement = dialect.insert(policy_scenarios).values(id=THE_ONE, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
