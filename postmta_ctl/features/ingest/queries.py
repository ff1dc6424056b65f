"""SQL of ingestion: a handful of statements whatever the size of the batch, with rows as plain tuples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.kumo_log import BadRecord
from postmta_ctl.features.ingest.known import Known
from postmta_ctl.features.ingest.reading import Key
from postmta_ctl.features.ingest.rows import EventRow
from postmta_ctl.features.ingest.summaries import SUMMARISE
from postmta_ctl.store import among
from postmta_ctl.store.bulk import Bulk, BulkUpdate, Row
from postmta_ctl.store.tables import dead_letters, events, organizations, recipients

_KNOWN = """
    SELECT r.*, m.domain, m.tags, m.batch_id
    FROM recipients r JOIN messages m ON m.id = r.message_id
    WHERE r.id {among}"""
# Octets cannot be in JSON, and SQLite's truth values are numbers.
_KNOWN_SQLITE = f"""
    SELECT json_group_array(json_array(
        id, message_id, organization_id, address,
        json_array(status, status_at, code, reply, bounce_class, json(iif(complained, 'true', 'false'))),
        attempts, node, spool_id, vmta, release, credits, credit_state,
        json_array(domain, json(CAST(tags AS TEXT)), batch_id)
    )) FROM ({_KNOWN})"""  # noqa: S608
# They are locked in the order of their ids, so that two batches that share recipients wait for each other.
_KNOWN_POSTGRESQL = f"""
    SELECT json_agg(json_build_array(
        id, message_id, organization_id, address,
        json_build_array(status, status_at, code, reply, bounce_class, complained),
        attempts, node, spool_id, vmta, release, credits, credit_state,
        json_build_array(domain, convert_from(tags, 'UTF8')::json, batch_id)
    ))::text FROM ({_KNOWN} ORDER BY r.id FOR UPDATE OF r) AS known"""  # noqa: S608
_LOCK_MESSAGES = """
    SELECT count(*) FROM (SELECT id FROM messages WHERE id {among} ORDER BY id FOR NO KEY UPDATE) AS locked"""
_ADDED = "SELECT dedupe_key FROM events WHERE day = ? AND dedupe_key {among}"
_COLUMNS = EventRow.__struct_fields__
_events = Bulk(events, *_COLUMNS)
_people = BulkUpdate(
    recipients,
    "id",
    *("status", "status_at", "code", "reply", "bounce_class", "complained"),
    *("attempts", "node", "spool_id", "vmta", "release", "credit_state"),
)
_STAGING = "CREATE TEMP TABLE IF NOT EXISTS events_in (LIKE events INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
_FROM_STAGING = """
    INSERT INTO events ({names}) SELECT {names} FROM events_in ORDER BY day, dedupe_key
    ON CONFLICT DO NOTHING RETURNING day, dedupe_key"""
_decode_known = msgspec.json.Decoder(list[Known] | None).decode


async def known_recipients(connection: AsyncConnection, recipient_ids: Collection[str]) -> dict[str, Known]:
    """The recipients of these ids, locked; ids that are none of ours are left out.

    They come as one text: see ``store.one_row``.
    """
    if not recipient_ids:
        return {}
    query = _KNOWN_SQLITE if connection.dialect.name == "sqlite" else _KNOWN_POSTGRESQL
    ((found,),) = await among.select_among(connection, query, recipient_ids)
    return {one.id: one for one in (_decode_known(found) if found else None) or ()}


async def organizations_by_slug(connection: AsyncConnection, slugs: Collection[str]) -> dict[str, str]:
    """Slug → id."""
    if not slugs:
        return {}
    query = select(organizations.c.slug, organizations.c.id).where(organizations.c.slug.in_(slugs))
    return {row.slug: row.id for row in await connection.execute(query)}


async def stored(connection: AsyncConnection, keys: Iterable[Key]) -> set[Key]:
    """Those of these events that are there already.

    PostgreSQL is not asked: somebody else may add some after that, so it is what adding them says that counts.
    """
    if connection.dialect.name == "postgresql":
        return set()
    days: defaultdict[int, list[bytes]] = defaultdict(list)
    for day, key in keys:
        days[day].append(key)
    return {
        (day, key) for day, octets in days.items() for key in await among.known_octets(connection, _ADDED, day, octets)
    }


async def insert_events(connection: AsyncConnection, rows: Sequence[EventRow]) -> set[Key]:
    """Add events; the keys of those that were not there yet.

    On SQLite :func:`stored` has found them, and nobody else has added any since.
    """
    values = [msgspec.structs.astuple(row) for row in rows]
    if connection.dialect.name == "sqlite":
        await _events.add(connection, values)
        return {(row.day, row.dedupe_key) for row in rows}
    return await _copy_events(connection, values)


async def _copy_events(connection: AsyncConnection, rows: Sequence[Row]) -> set[Key]:
    """Add events by way of a table of this connection's own, which takes them by COPY.

    They go on in one order, so that two transactions that add the same ones wait for each other.
    """
    await connection.exec_driver_sql(_STAGING)
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    await driver.copy_records_to_table("events_in", records=rows, columns=_COLUMNS)
    added = await driver.fetch(_FROM_STAGING.format(names=", ".join(_COLUMNS)))
    return {(day, key) for day, key in added}


async def update_recipients(connection: AsyncConnection, changed: Sequence[Known]) -> None:
    """Write the new state of these recipients."""
    rows = [
        (
            one.state.status,
            one.state.at,
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
    await among.change_among(connection, SUMMARISE, message_ids)


async def insert_dead_letters(
    connection: AsyncConnection, node: str, found: Sequence[BadRecord], now: datetime
) -> None:
    """Keep records that could not be read."""
    rows = [
        {"received_at": now, "node": node, "reason": f"record {one.number}: {one.reason}", "record": one.raw}
        for one in found
    ]
    await connection.execute(insert(dead_letters), rows)
