"""SQL of the outbox: part of other slices' transactions, so a handful of statements whatever the number of events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.among import select_among
from postmta_ctl.store.bulk import Bulk, Row
from postmta_ctl.store.tables import webhook_deliveries, webhooks
from postmta_ctl.store.types import to_micros

PENDING = "pending"
_CONTEXTS = "SELECT id, tags, metadata FROM messages WHERE id {among}"
_tags, _metadata = msgspec.json.Decoder(list[str]).decode, msgspec.json.Decoder(dict[str, Any]).decode
_deliveries = Bulk(
    webhook_deliveries,
    *("id", "webhook_id", "organization_id", "type", "payload", "status", "due_at", "created_at"),
)


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """Something to tell an endpoint."""

    id: str
    webhook_id: str
    organization_id: str
    type: str
    payload: bytes
    at: datetime
    """When it was planned."""


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that is told of events."""

    id: str
    events: frozenset[str] | None

    def wants(self, kind: str) -> bool:
        """Whether it asked for events of this type."""
        return self.events is None or kind in self.events


async def listening(connection: AsyncConnection, organization_ids: Collection[str]) -> dict[str, list[Listening]]:
    """The enabled endpoints of these organizations.

    They stay there until the transaction ends: the deliveries refer to them. The lock is the one that PostgreSQL
    takes for a foreign key, and keeps nobody from changing an endpoint.
    """
    if not organization_ids:
        return {}
    query = select(webhooks.c.id, webhooks.c.organization_id, webhooks.c.events).where(
        webhooks.c.organization_id.in_(organization_ids), webhooks.c.enabled, webhooks.c.deleted_at.is_(None)
    )
    found: dict[str, list[Listening]] = {}
    for row in await connection.execute(query.with_for_update(read=True, key_share=True)):
        one = Listening(id=row.id, events=None if row.events is None else frozenset(row.events))
        found.setdefault(row.organization_id, []).append(one)
    return found


async def message_contexts(
    connection: AsyncConnection, message_ids: Collection[str]
) -> dict[str, tuple[list[str], dict[str, Any]]]:
    """Tags and metadata of these messages."""
    if not message_ids:
        return {}
    rows = await select_among(connection, _CONTEXTS, message_ids)
    return {row[0]: (_tags(row[1]), _metadata(row[2])) for row in rows}


async def insert_deliveries(connection: AsyncConnection, rows: Sequence[Delivery]) -> None:
    """Add deliveries that are due at once."""
    await _deliveries.add(connection, [_values(one) for one in rows])


def _values(one: Delivery) -> Row:
    at = to_micros(one.at)
    return one.id, one.webhook_id, one.organization_id, one.type, one.payload, PENDING, at, at
