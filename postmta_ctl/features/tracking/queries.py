"""SQL of tracking."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store import among
from postmta_ctl.store.bulk import Bulk
from postmta_ctl.store.tables import domains, events
from postmta_ctl.store.types import from_micros, to_micros

_COLUMNS = (
    "day",
    "dedupe_key",
    "organization_id",
    "message_id",
    "recipient_id",
    "recipient",
    "vmta",
    "provider",
    "type",
    "record_type",
    "occurred_at",
    "received_at",
    "node",
    "details",
)
_events = Bulk(events, *_COLUMNS)
_PEOPLE = """
    SELECT r.id, r.status, r.status_at, r.message_id, r.organization_id, r.address, r.vmta, r.opened_at, r.clicked_at,
        m.domain, m.tags, m.batch_id,
        (SELECT e.provider FROM events e WHERE e.recipient_id = r.id AND e.provider IS NOT NULL LIMIT 1)
    FROM recipients r JOIN messages m ON m.id = r.message_id WHERE r.id {among} ORDER BY r.id"""
_KNOWN = "SELECT dedupe_key FROM events WHERE day = ? AND dedupe_key {among}"
_FIRST = {
    "message.opened": "UPDATE recipients SET opened_at = ? WHERE id = ?",
    "message.clicked": "UPDATE recipients SET clicked_at = ? WHERE id = ?",
}


class Person(msgspec.Struct, frozen=True):
    """A recipient with its message, and whether somebody opened it or followed a link before."""

    id: str
    status: str
    status_at: datetime
    message_id: str
    organization_id: str
    address: str
    vmta: str | None
    opened_at: int | None
    clicked_at: int | None
    domain: str
    tags: tuple[str, ...]
    batch_id: str | None
    provider: str | None
    """As a node named it."""


async def known(connection: AsyncConnection, fetches: Collection[tuple[int, bytes]]) -> set[bytes]:
    """Which of these fetches, given by day and key, are events already."""
    found: set[bytes] = set()
    for day in {day for day, _ in fetches}:
        keys = [key for its_day, key in fetches if its_day == day]
        found |= await among.known_octets(connection, _KNOWN, day, keys)
    return found


async def people(connection: AsyncConnection, recipient_ids: Collection[str]) -> dict[str, Person]:
    """The recipients of these ids, locked: two opens at once must not both be the first."""
    lock = " FOR UPDATE OF r" if connection.dialect.name == "postgresql" else ""
    rows = await among.select_among(connection, _PEOPLE + lock, sorted(recipient_ids))
    return {row[0]: _person(row) for row in rows}


def _person(row: Any) -> Person:
    rid, status, at, message_id, organization_id, address, vmta, opened_at, clicked_at, domain, tags, *more = row
    found = msgspec.json.decode(tags, type=tuple[str, ...])
    when = from_micros(at)
    return Person(
        rid, status, when, message_id, organization_id, address, vmta, opened_at, clicked_at, domain, found, *more
    )


async def insert_events(connection: AsyncConnection, found: Sequence[dict[str, Any]]) -> None:
    """Add events, by column names."""
    plain = [
        one
        | {
            "occurred_at": to_micros(one["occurred_at"]),
            "received_at": to_micros(one["received_at"]),
            "details": msgspec.json.encode(one["details"]),
        }
        for one in found
    ]
    await _events.add(connection, [tuple(one[name] for name in _COLUMNS) for one in plain])


async def mark_first(connection: AsyncConnection, kind: str, recipient_ids: Collection[str], now: datetime) -> None:
    """Note that a person opened, or followed a link, for the first time."""
    await among.write(connection, _FIRST[kind], [(to_micros(now), one) for one in sorted(recipient_ids)])


async def is_tracking_host(connection: AsyncConnection, host: str) -> bool:
    """Whether a domain that is held has this host for its tracking links."""
    name = host.partition(".")[2]
    known = select(domains.c.id).where(
        domains.c.name == name, domains.c.tracking_host == host, domains.c.verified_at.is_not(None)
    )
    return bool(await connection.scalar(select(exists(known))))
