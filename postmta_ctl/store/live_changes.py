"""Noting that a file of live data has to be written anew, in the transaction that is the reason for it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import live_changes


async def mark(connection: AsyncConnection, paths: Iterable[str]) -> None:
    """Have these files (``core.live_data``) brought to the nodes once the transaction is committed."""
    rows = [{"path": path} for path in sorted(set(paths))]
    if rows:
        await connection.execute(insert(live_changes), rows)
