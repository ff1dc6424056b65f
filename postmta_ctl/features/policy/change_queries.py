"""SQL of the changes that wait to be released."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import policy_changes


async def add(connection: AsyncConnection, **values: Any) -> int:
    """Insert a change that no release has taken up yet; its id."""
    added = await connection.scalar(insert(policy_changes).values(**values).returning(policy_changes.c.id))
    assert added is not None
    return added


async def release_of(connection: AsyncConnection, change_id: int) -> int | None:
    """Number of the release that took the change up; none while it waits."""
    return await connection.scalar(select(policy_changes.c.release).where(policy_changes.c.id == change_id))
