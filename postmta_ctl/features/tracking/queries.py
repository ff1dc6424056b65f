"""SQL of tracking."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import events, recipients


async def insert_event(
    connection: AsyncConnection, recipient_id: str, kind: str, details: dict[str, Any], *, now: datetime, key: bytes
) -> None:
    """Add an event of a recipient; nothing when the recipient is gone.

    Args:
        key: Makes the event its own: an open is counted each time.
    """
    query = select(recipients.c.message_id, recipients.c.organization_id, recipients.c.address)
    row = (await connection.execute(query.where(recipients.c.id == recipient_id))).one_or_none()
    if row is None:
        return
    await connection.execute(
        insert(events).values(
            dedupe_key=key,
            organization_id=row.organization_id,
            message_id=row.message_id,
            recipient_id=recipient_id,
            recipient=row.address,
            type=kind,
            record_type="Tracking",
            occurred_at=now,
            received_at=now,
            node="",
            details=details,
        )
    )
