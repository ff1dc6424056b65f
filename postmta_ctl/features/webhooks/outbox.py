"""The outbox: what is to be delivered is written in the transaction of the event, so neither is without the other.

Events of organizations that have no endpoint cost one query for the transaction, whatever their number.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.event_types import EVENT_TYPES
from postmta_ctl.core.ids import new_id, new_ids
from postmta_ctl.features.webhooks import outbox_queries as queries
from postmta_ctl.features.webhooks.payloads import attempt_payload, mail_data, payload
from postmta_ctl.system import System

if TYPE_CHECKING:
    from postmta_ctl.features.ingest.rows import EventRow


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an organization may want to be told of."""

    organization_id: str
    type: str
    """One of ``core.event_types``."""
    at: datetime
    data: msgspec.Struct
    """See ``payloads``."""


async def listeners(system: System, connection: AsyncConnection, organization_ids: Collection[str]) -> set[str]:
    """Those of the organizations that have an endpoint. That one has none is known for a second."""
    version = system.db.changes
    unknown = {one for one in organization_ids if not system.known.get(("nobody listens", one), version)}
    found = set(await queries.listening(connection, unknown))
    for one in unknown - found:
        system.known.set(("nobody listens", one), True, version)
    return found


async def announce(connection: AsyncConnection, happened: Sequence[Happening], now: datetime) -> None:
    """Plan a delivery of each to every endpoint that asked for it."""
    listening = await queries.listening(connection, {one.organization_id for one in happened})
    rows: list[queries.Delivery] = []
    for one in happened:
        endpoints = [each for each in listening.get(one.organization_id, ()) if each.wants(one.type)]
        if endpoints:
            body = payload(one.type, one.at, one.data)
            rows += (_row(each.id, one.organization_id, one.type, body, now) for each in endpoints)
    await queries.insert_deliveries(connection, rows)


async def announce_mail(connection: AsyncConnection, events: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """The same for events of messages.

    Args:
        events: By the column names of ``events``; those that are nobody's, or of a type that is not announced, are
            passed over.
        now: The time of the transaction.
    """
    announced = [row for row in events if row["organization_id"] and row["type"] in EVENT_TYPES]
    listening = await queries.listening(connection, {row["organization_id"] for row in announced})
    wanted = [
        (row, endpoints)
        for row in announced
        if (endpoints := [one for one in listening.get(row["organization_id"], ()) if one.wants(row["type"])])
    ]
    if not wanted:
        return
    messages = await queries.message_contexts(connection, {row["message_id"] for row, _ in wanted if row["message_id"]})
    rows = []
    for row, endpoints in wanted:
        tags, metadata = messages.get(row["message_id"] or "", ([], {}))
        body = payload(row["type"], row["occurred_at"], mail_data(row, tags, metadata))
        rows += [_row(one.id, row["organization_id"], row["type"], body, now) for one in endpoints]
    await queries.insert_deliveries(connection, rows)


async def announce_records(connection: AsyncConnection, rows: Sequence[EventRow], now: datetime) -> None:
    """The same for the events that log records became, of which there are many."""
    listening = await queries.listening(connection, {row.organization_id for row in rows if row.organization_id})
    wanted = [
        (row, one.id)
        for row in rows
        if row.type in EVENT_TYPES
        for one in listening.get(row.organization_id or "", ())
        if one.wants(row.type)
    ]
    contexts = await queries.message_contexts(connection, {row.message_id for row, _ in wanted if row.message_id})
    bodies: dict[bytes, bytes] = {}
    deliveries = []
    for delivery_id, (row, webhook_id) in zip(new_ids(now, len(wanted)), wanted, strict=True):
        # Endpoints of one organization are told the same.
        if (body := bodies.get(row.dedupe_key)) is None:
            body = bodies[row.dedupe_key] = attempt_payload(row, *contexts.get(row.message_id or "", ([], {})))
        deliveries.append(queries.Delivery(delivery_id, webhook_id, row.organization_id or "", row.type, body, now))
    await queries.insert_deliveries(connection, deliveries)


def _row(webhook_id: str, organization_id: str, kind: str, body: bytes, now: datetime) -> queries.Delivery:
    return queries.Delivery(new_id(now), webhook_id, organization_id, kind, body, now)
