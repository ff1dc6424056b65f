"""SQL of retention: few rows at a time, so that nobody waits long for the writer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ids import first_id
from postmta_ctl.store.tables import message_contents, organizations, outbox
from postmta_ctl.store.types import to_micros

_DELETE = """
    DELETE FROM {table} WHERE id IN (
        SELECT id FROM (SELECT id, received_at FROM {table} ORDER BY id LIMIT {limit}) AS oldest
        WHERE received_at < {before})"""


async def delete_oldest(connection: AsyncConnection, table: str, before: datetime, limit: int) -> int:
    """Delete rows that came before a moment, of the ``limit`` that came first; how many there were.

    Ids are given in the order in which rows come, so the oldest are found without an index of their own.

    Args:
        connection: Within a transaction.
        table: One of ours, with the columns ``id`` and ``received_at``.
        before: When the youngest of them came.
        limit: Rows at most.
    """
    statement = _DELETE.format(table=table, limit=limit, before=to_micros(before))
    return int((await connection.exec_driver_sql(statement)).rowcount)


async def delete_contents(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete contents of messages that were accepted before a moment and wait for no node; how many there were.

    Args:
        connection: Within a transaction.
        before: When the youngest of them was accepted.
        limit: Rows at most.
    """
    waits = exists().where(outbox.c.message_id == message_contents.c.message_id)
    oldest = (
        select(message_contents.c.message_id)
        .where(message_contents.c.message_id < first_id(before), ~waits)
        .order_by(message_contents.c.message_id)
        .limit(limit)
    )
    return (
        await connection.execute(delete(message_contents).where(message_contents.c.message_id.in_(oldest)))
    ).rowcount


async def organization_ids(connection: AsyncConnection) -> list[str]:
    """All organizations."""
    return list(await connection.scalars(select(organizations.c.id).order_by(organizations.c.id)))
