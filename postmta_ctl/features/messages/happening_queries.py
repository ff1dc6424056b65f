"""SQL of events that no node tells of: what we did with a recipient ourselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.status import TERMINAL
from postmta_ctl.store.tables import events, messages, recipients


class Concerned(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient with what its events are told and counted by."""

    id: str
    organization_id: str
    message_id: str
    address: str
    domain: str
    campaign: str | None
    tags: list[str]
    batch_id: str | None


async def concerned(connection: AsyncConnection, recipient_ids: Collection[str]) -> list[Concerned]:
    """These recipients, in the order of their ids."""
    query = (
        select(
            recipients.c.id,
            recipients.c.organization_id,
            recipients.c.message_id,
            recipients.c.address,
            messages.c.domain,
            messages.c.campaign,
            messages.c.tags,
            messages.c.batch_id,
        )
        .join(messages, messages.c.id == recipients.c.message_id)
        .where(recipients.c.id.in_(recipient_ids))
        .order_by(recipients.c.id)
    )
    return [Concerned(**row) for row in (await connection.execute(query)).mappings()]


async def insert_events(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Add events."""
    await connection.execute(insert(events), list(rows))


async def end_waiting(connection: AsyncConnection, recipient_ids: Collection[str], status: str, now: Any) -> list[str]:
    """Give recipients whose status is not a last one such a status; the ids of those that were."""
    statement = (
        update(recipients)
        .where(recipients.c.id.in_(recipient_ids), recipients.c.status.not_in(TERMINAL))
        .values(status=status, status_at=now)
        .returning(recipients.c.id)
    )
    return sorted(await connection.scalars(statement))
