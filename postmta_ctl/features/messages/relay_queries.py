"""SQL of the relay: lease what is due, and settle what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.mime import Content
from postmta_ctl.store.tables import events, message_contents, messages, organizations, outbox, recipients

_decode = msgspec.msgpack.Decoder(Content).decode


class Leased(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient that this relay has to itself until the lease ends."""

    recipient_id: str
    message_id: str
    address: str
    organization: str
    vmta: str | None
    campaign: str | None
    track_opens: bool
    track_clicks: bool
    attempts: int
    """With this one; that of a relay which died counts as well."""
    generation: int
    """How often the node is known not to have taken it: the fence on the node lets a new generation pass."""
    alone: bool
    accepted_at: datetime
    content: Content


async def lease(connection: AsyncConnection, owner: str, now: datetime, *, limit: int, lifetime: timedelta) -> int:
    """Take up to ``limit`` due recipients, oldest first. A lease is a due time in the future: it ends by itself.

    PostgreSQL passes over rows that another relay is taking; SQLite has one writer anyway.
    """
    due = select(outbox.c.recipient_id).where(outbox.c.due_at <= now).order_by(outbox.c.due_at).limit(limit)
    taken = (
        update(outbox)
        .where(outbox.c.recipient_id.in_(due.with_for_update(skip_locked=True)))
        .values(lease_owner=owner, due_at=now + lifetime, attempts=outbox.c.attempts + 1)
    )
    return (await connection.execute(taken)).rowcount


async def leased(connection: AsyncConnection, owner: str) -> list[Leased]:
    """What this relay holds, with all that an injection needs."""
    query = (
        select(
            outbox.c.recipient_id,
            outbox.c.message_id,
            outbox.c.attempts,
            outbox.c.generation,
            outbox.c.alone,
            recipients.c.address,
            organizations.c.slug.label("organization"),
            messages.c.vmta,
            messages.c.campaign,
            messages.c.track_opens,
            messages.c.track_clicks,
            messages.c.created_at.label("accepted_at"),
        )
        .join_from(outbox, recipients, outbox.c.recipient_id == recipients.c.id)
        .join(messages, messages.c.id == outbox.c.message_id)
        .join(organizations, organizations.c.id == messages.c.organization_id)
        .where(outbox.c.lease_owner == owner)
        .order_by(outbox.c.recipient_id)
    )
    rows = (await connection.execute(query)).mappings().all()
    contents = await _contents(connection, {row["message_id"] for row in rows})
    return [Leased(**row, content=contents[row["message_id"]]) for row in rows]


async def _contents(connection: AsyncConnection, message_ids: set[str]) -> dict[str, Content]:
    query = select(message_contents).where(message_contents.c.message_id.in_(message_ids))
    return {row.message_id: _decode(row.content) for row in await connection.execute(query)}


async def on_a_node(connection: AsyncConnection, recipient_ids: list[str]) -> dict[str, str]:
    """Those that a node has according to its log (``recipient id → node``).

    A Reception tells so, unless the node then failed to queue the message: that leaves a Bounce of the same spool
    id that is an event of the type ``message.deferred``.
    """
    failed = events.alias()
    query = select(events.c.recipient_id, events.c.node).where(
        events.c.recipient_id.in_(recipient_ids),
        events.c.record_type == "Reception",
        ~exists().where(
            failed.c.recipient_id == events.c.recipient_id,
            failed.c.spool_id == events.c.spool_id,
            failed.c.record_type == "Bounce",
            failed.c.type == "message.deferred",
        ),
    )
    return {row.recipient_id: row.node for row in await connection.execute(query)}


async def settle_injected(connection: AsyncConnection, injected: dict[str, str], now: datetime) -> None:
    """The node has these (``recipient id → node``). A status that a log record brought already is not undone."""
    if not injected:
        return
    statement = (
        update(recipients)
        .where(recipients.c.id == bindparam("rid"), recipients.c.status == "queued")
        .values(status="injected", status_at=now, node=bindparam("at_node"))
    )
    rows = [{"rid": rid, "at_node": node} for rid, node in injected.items()]
    await connection.execute(statement, rows)
    await remove(connection, list(injected))


async def settle_refused(connection: AsyncConnection, refused: dict[str, str], now: datetime) -> None:
    """The policy will never take these (``recipient id → its words``)."""
    if not refused:
        return
    statement = (
        update(recipients)
        .where(recipients.c.id == bindparam("rid"), recipients.c.status == "queued")
        .values(status="bounced", status_at=now, code=550, reply=bindparam("words"), bounce_class="policy")
    )
    await connection.execute(statement, [{"rid": rid, "words": words} for rid, words in refused.items()])
    await remove(connection, list(refused))


async def settle_later(connection: AsyncConnection, later: Sequence[dict[str, Any]]) -> None:
    """Give these back to the outbox: each with ``rid``, ``due``, ``next_generation``, ``by_itself``, ``words``."""
    if not later:
        return
    statement = (
        update(outbox)
        .where(outbox.c.recipient_id == bindparam("rid"))
        .values(
            due_at=bindparam("due"),
            generation=bindparam("next_generation"),
            alone=bindparam("by_itself"),
            last_error=bindparam("words"),
            lease_owner=None,
        )
    )
    await connection.execute(statement, list(later))


async def remove(connection: AsyncConnection, recipient_ids: list[str]) -> None:
    """These need no more injection."""
    await connection.execute(delete(outbox).where(outbox.c.recipient_id.in_(recipient_ids)))


async def message_ids_of(connection: AsyncConnection, recipient_ids: list[str]) -> set[str]:
    """The messages that these recipients belong to."""
    query = select(recipients.c.message_id).where(recipients.c.id.in_(recipient_ids))
    return set(await connection.scalars(query))


async def statuses(connection: AsyncConnection, message_ids: set[str]) -> dict[str, list[str]]:
    """The statuses of all recipients of each message."""
    query = select(recipients.c.message_id, recipients.c.status).where(recipients.c.message_id.in_(message_ids))
    found: dict[str, list[str]] = {}
    for row in await connection.execute(query):
        found.setdefault(row.message_id, []).append(row.status)
    return found


async def set_message_statuses(connection: AsyncConnection, by_message: dict[str, str]) -> None:
    """Write each message's summary status."""
    if not by_message:
        return
    statement = (
        update(messages)
        .where(messages.c.id == bindparam("mid"), messages.c.status != bindparam("summary"))
        .values(status=bindparam("summary"))
    )
    await connection.execute(statement, [{"mid": mid, "summary": status} for mid, status in by_message.items()])


async def backlog(connection: AsyncConnection) -> int:
    """How many recipients wait in the outbox."""
    return await connection.scalar(select(func.count()).select_from(outbox)) or 0
