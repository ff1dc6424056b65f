"""SQL of tracking."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import exists, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.log_events import domain_of
from postmta_ctl.core.providers import OTHER, well_known
from postmta_ctl.core.rollups import Fact
from postmta_ctl.store import rollups
from postmta_ctl.store.tables import domains, events, messages, recipients


async def insert_event(
    connection: AsyncConnection, row: Any, kind: str, details: dict[str, Any], *, now: datetime, key: bytes
) -> dict[str, Any]:
    """Add an event of a recipient, and count it. Returns the event's row.

    Args:
        connection: The transaction.
        row: What :func:`recipient` found.
        kind: Type of the event.
        details: What has no column of its own.
        now: When it happened.
        key: Makes the event its own: an open is counted each time.
    """
    earlier = select(events.c.type, events.c.provider, events.c.details).where(events.c.recipient_id == row.id)
    before = (await connection.execute(earlier)).all()
    provider = next((one.provider for one in before if one.provider), None) or well_known(domain_of(row.address))
    event = {
        "dedupe_key": key,
        "organization_id": row.organization_id,
        "message_id": row.message_id,
        "recipient_id": row.id,
        "recipient": row.address,
        "vmta": row.vmta,
        "provider": provider,
        "type": kind,
        "record_type": "Tracking",
        "occurred_at": now,
        "received_at": now,
        "node": "",
        "details": details,
    }
    await connection.execute(insert(events).values(**event))
    fact = Fact(
        organization_id=row.organization_id,
        type=kind,
        at=now,
        sending_domain=row.domain,
        recipient_domain=domain_of(row.address),
        vmta=row.vmta or "",
        provider=provider or OTHER,
        tags=tuple(row.tags),
        batch=row.batch_id or "",
        is_first=not is_bot(details) and all(one.type != kind or is_bot(one.details) for one in before),
    )
    await rollups.count(connection, [fact])
    return event


async def is_tracking_host(connection: AsyncConnection, host: str) -> bool:
    """Whether a domain that is held has this host for its tracking links."""
    name = host.partition(".")[2]
    known = select(domains.c.id).where(
        domains.c.name == name, domains.c.tracking_host == host, domains.c.verified_at.is_not(None)
    )
    return bool(await connection.scalar(select(exists(known))))


def is_bot(details: dict[str, Any] | None) -> bool:
    """Whether a program fetched it, and no person read: it counts as an open, but not as somebody who opened."""
    return bool(details and details.get("is_bot"))


async def recipient(connection: AsyncConnection, recipient_id: str) -> Any:
    """The recipient with its message, locked: two opens at once must not both be the first."""
    query = (
        select(
            recipients.c.id,
            recipients.c.status,
            recipients.c.status_at,
            recipients.c.message_id,
            recipients.c.organization_id,
            recipients.c.address,
            recipients.c.vmta,
            messages.c.domain,
            messages.c.tags,
            messages.c.batch_id,
        )
        .join(messages, messages.c.id == recipients.c.message_id)
        .where(recipients.c.id == recipient_id)
        .with_for_update(of=recipients)
    )
    return (await connection.execute(query)).one_or_none()
