"""SQL of ingestion: a handful of statements whatever the size of the batch, with rows as plain tuples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.kumo_log import BadRecord
from postmta_ctl.core.status import RecipientState, summarise
from postmta_ctl.features.ingest.known import Known, MessageFacts
from postmta_ctl.features.ingest.reading import Key
from postmta_ctl.features.ingest.rows import EventRow
from postmta_ctl.store import among
from postmta_ctl.store.bulk import Bulk, BulkUpdate, Row
from postmta_ctl.store.tables import dead_letters, events, messages, organizations, recipients
from postmta_ctl.store.types import from_micros, to_micros

_KNOWN = """
    SELECT r.id, r.message_id, r.organization_id, r.address, r.status, r.status_at, r.code, r.reply, r.bounce_class,
        r.complained, r.attempts, r.node, r.spool_id, r.vmta, r.release, r.credits, r.credit_state,
        m.domain, m.tags, m.batch_id
    FROM recipients r JOIN messages m ON m.id = r.message_id
    WHERE r.id {among}"""
_STATUSES = """
    SELECT m.id, m.status, r.status FROM messages m JOIN recipients r ON r.message_id = m.id WHERE m.id {among}"""
_LOCK_MESSAGES = "SELECT id FROM messages WHERE id {among} ORDER BY id FOR NO KEY UPDATE"
_ADDED = "SELECT dedupe_key FROM events WHERE day = ? AND dedupe_key {among}"
_COLUMNS = EventRow.__struct_fields__
_events = Bulk(events, *_COLUMNS)
_people = BulkUpdate(
    recipients,
    "id",
    *("status", "status_at", "code", "reply", "bounce_class", "complained"),
    *("attempts", "node", "spool_id", "vmta", "release", "credit_state"),
)
_statuses = BulkUpdate(messages, "id", "status")
_STAGING = "CREATE TEMP TABLE IF NOT EXISTS events_in (LIKE events INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
_FROM_STAGING = """
    INSERT INTO events ({names}) SELECT {names} FROM events_in ORDER BY day, dedupe_key
    ON CONFLICT DO NOTHING RETURNING day, dedupe_key"""
_encode = msgspec.json.Encoder().encode


async def known_recipients(connection: AsyncConnection, recipient_ids: Collection[str]) -> dict[str, Known]:
    """The recipients of these ids; ids that are none of ours are left out.

    They are locked in the order of their ids, so that two batches that share recipients wait for each other.
    """
    if not recipient_ids:
        return {}
    # SQLite has one writer, and no such words.
    lock = " ORDER BY r.id FOR UPDATE OF r" if connection.dialect.name == "postgresql" else ""
    rows = await among.select_among(connection, _KNOWN + lock, recipient_ids)
    return {row[0]: _known(row) for row in rows}


def _known(row: Any) -> Known:
    rid, message_id, organization_id, address, status, at, code, reply, bounce_class, complained = row[:10]
    attempts, node, spool_id, vmta, release, credits, credit_state, domain, tags, batch_id = row[10:]
    state = RecipientState(
        status=status,
        at=from_micros(at),
        code=code,
        reply=reply,
        bounce_class=bounce_class,
        complained=bool(complained),
    )
    message = MessageFacts(domain, _tags(tags), batch_id)
    return Known(
        rid,
        message_id,
        organization_id,
        address,
        state,
        attempts,
        node,
        spool_id,
        vmta,
        release,
        credits,
        credit_state,
        message,
    )


@lru_cache(maxsize=1000)
def _tags(encoded: bytes) -> tuple[str, ...]:
    return msgspec.json.decode(encoded, type=tuple[str, ...])


async def organizations_by_slug(connection: AsyncConnection, slugs: Collection[str]) -> dict[str, str]:
    """Slug → id."""
    if not slugs:
        return {}
    query = select(organizations.c.slug, organizations.c.id).where(organizations.c.slug.in_(slugs))
    return {row.slug: row.id for row in await connection.execute(query)}


async def stored(connection: AsyncConnection, keys: Iterable[Key]) -> set[Key]:
    """Those of these events that are there already."""
    days: defaultdict[int, list[bytes]] = defaultdict(list)
    for day, key in keys:
        days[day].append(key)
    return {
        (day, key) for day, octets in days.items() for key in await among.known_octets(connection, _ADDED, day, octets)
    }


async def insert_events(connection: AsyncConnection, rows: Sequence[EventRow]) -> set[Key]:
    """Add events; the keys of those that were not there yet.

    On SQLite nobody else adds any after :func:`stored` has looked. On PostgreSQL somebody may.
    """
    if connection.dialect.name == "sqlite":
        await _events.add(connection, [_values(row) for row in rows])
        return {(row.day, row.dedupe_key) for row in rows}
    return await _copy_events(connection, [_values(row) for row in rows])


async def _copy_events(connection: AsyncConnection, rows: Sequence[Row]) -> set[Key]:
    """Add events by way of a table of this connection's own, which takes them by COPY.

    They go on in one order, so that two transactions that add the same ones wait for each other.
    """
    await connection.exec_driver_sql(_STAGING)
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    await driver.copy_records_to_table("events_in", records=rows, columns=_COLUMNS)
    added: Sequence[Any] = (await connection.exec_driver_sql(_FROM_STAGING.format(names=", ".join(_COLUMNS)))).all()
    return {(row[0], bytes(row[1])) for row in added}


def _values(row: EventRow) -> tuple[Any, ...]:
    """The row as the driver takes it."""
    values = list(msgspec.structs.astuple(row))
    values[_OCCURRED], values[_RECEIVED] = to_micros(row.occurred_at), to_micros(row.received_at)
    values[_DETAILS] = _encode(row.details)
    return tuple(values)


_OCCURRED, _RECEIVED, _DETAILS = map(_COLUMNS.index, ("occurred_at", "received_at", "details"))


async def update_recipients(connection: AsyncConnection, changed: Sequence[Known]) -> None:
    """Write the new state of these recipients."""
    rows = [
        (
            one.state.status,
            to_micros(one.state.at),
            one.state.code,
            one.state.reply,
            one.state.bounce_class,
            one.state.complained,
            one.attempts,
            one.node,
            one.spool_id,
            one.vmta,
            one.release,
            one.credit_state,
            one.id,
        )
        for one in changed
    ]
    await _people.change(connection, rows)


async def summarise_messages(connection: AsyncConnection, message_ids: Collection[str]) -> None:
    """Give messages the statuses that follow from those of their recipients."""
    if connection.dialect.name == "postgresql":
        # Somebody else may have changed another recipient of the same message: one of us has to see both.
        await among.select_among(connection, _LOCK_MESSAGES, message_ids)
    before: dict[str, str] = {}
    found: defaultdict[str, list[str]] = defaultdict(list)
    for message_id, summary, status in await among.select_among(connection, _STATUSES, message_ids):
        before[message_id] = summary
        found[message_id].append(status)
    after = {message_id: summarise(each) for message_id, each in found.items()}
    rows = [(status, message_id) for message_id, status in after.items() if status != before[message_id]]
    await _statuses.change(connection, rows)


async def insert_dead_letters(
    connection: AsyncConnection, node: str, found: Sequence[BadRecord], now: datetime
) -> None:
    """Keep records that could not be read."""
    rows = [
        {"received_at": now, "node": node, "reason": f"record {one.number}: {one.reason}", "record": one.raw}
        for one in found
    ]
    await connection.execute(insert(dead_letters), rows)
