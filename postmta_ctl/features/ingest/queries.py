"""SQL of ingestion: plain tuples in bulk, a handful of statements whatever the size of the batch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import dead_letters, events, messages, organizations, recipients


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a recipient before the batch."""

    id: str
    message_id: str
    organization_id: str
    address: str
    status: str
    status_at: Any
    complained: bool
    attempts: int
    code: int | None
    reply: str | None
    bounce_class: str | None
    node: str | None
    spool_id: str | None
    vmta: str | None
    release: int | None = None
    credits: int = 0
    credit_state: str | None = None


class MessageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What of a message its events are counted by."""

    domain: str
    tags: list[str]
    batch_id: str | None


_FIXED = ("id", "message_id", "organization_id", "address", "credits")


async def known_recipients(connection: AsyncConnection, recipient_ids: Collection[str]) -> dict[str, Known]:
    """The recipients of these ids; ids that are none of ours are left out.

    They are locked in the order of their ids, so that two batches that share recipients wait for each other.
    """
    columns = [recipients.c[name] for name in Known.__struct_fields__]
    query = select(*columns).where(recipients.c.id.in_(recipient_ids)).order_by(recipients.c.id).with_for_update()
    return {row["id"]: Known(**row) for row in (await connection.execute(query)).mappings()}


async def message_facts(connection: AsyncConnection, message_ids: Collection[str]) -> dict[str, MessageFacts]:
    """What the events of these messages are counted by."""
    columns = [messages.c[name] for name in MessageFacts.__struct_fields__]
    rows = await connection.execute(select(messages.c.id, *columns).where(messages.c.id.in_(message_ids)))
    return {row.id: MessageFacts(domain=row.domain, tags=row.tags, batch_id=row.batch_id) for row in rows}


async def organizations_by_slug(connection: AsyncConnection, slugs: Collection[str]) -> dict[str, str]:
    """Slug → id."""
    query = select(organizations.c.slug, organizations.c.id).where(organizations.c.slug.in_(slugs))
    return {row.slug: row.id for row in await connection.execute(query)}


async def insert_events(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> set[bytes]:
    """Add the events that are not there yet; the dedupe keys of those that were added."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(events).on_conflict_do_nothing(index_elements=["dedupe_key"])
    added = await connection.execute(statement.returning(events.c.dedupe_key), list(rows))
    return {bytes(key) for key in added.scalars()}


async def update_recipients(connection: AsyncConnection, changed: Sequence[Known]) -> None:
    """Write the new state of these recipients."""
    names = [name for name in Known.__struct_fields__ if name not in _FIXED]
    statement = (
        update(recipients)
        .where(recipients.c.id == bindparam("the_id"))
        .values({name: bindparam(f"new_{name}") for name in names})
    )
    rows = [{"the_id": one.id} | {f"new_{name}": getattr(one, name) for name in names} for one in changed]
    await connection.execute(statement, rows)


async def insert_dead_letters(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep records that could not be read."""
    await connection.execute(insert(dead_letters), list(rows))
