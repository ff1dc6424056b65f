"""SQL of the changes that wait to be released."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import policy_changes


async def add(connection: AsyncConnection, **values: Any) -> None:
    """Insert a change that no release has taken up yet."""
    await connection.execute(insert(policy_changes).values(**values))
