"""SQL of messages that nodes took by SMTP. Rows are made in the order of their ids, so that two batches never cross."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Table, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.features.ingest.submitted import Submitted
from postmta_ctl.store.tables import message_tags, messages, recipients

_CHUNK = 1000


def _insert_new(connection: AsyncConnection, table: Table, keys: list[str]) -> Any:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table).on_conflict_do_nothing(index_elements=keys)


async def insert_messages(connection: AsyncConnection, found: Sequence[Submitted], owners: Mapping[str, str]) -> None:
    """Add the messages that are not there; ``owners`` has the id of each organization by its slug."""
    by_id = {one.message_id: _message(one, owners[one.organization]) for one in found}
    statement: Insert = _insert_new(connection, messages, ["id"])
    await connection.execute(statement, [by_id[message_id] for message_id in sorted(by_id)])


def _message(one: Submitted, organization_id: str) -> dict[str, Any]:
    return {
        "id": one.message_id,
        "organization_id": organization_id,
        "sender": one.sender,
        "domain": one.domain,
        "subject": one.subject,
        "status": "queued",
        "tags": one.tags,
        "campaign": one.campaign,
        "batch_id": None,
        "vmta": one.vmta,
        "metadata": {},
        "track_opens": False,
        "track_clicks": False,
        "unsubscribe": one.unsubscribe,
        "scheduled_at": one.scheduled_at,
        "smtp_username": one.username,
        "created_at": one.created_at,
    }


async def insert_recipients(
    connection: AsyncConnection, found: Sequence[Submitted], owners: Mapping[str, str]
) -> set[str]:
    """Add the recipients that are not there; the ids of those that were added."""
    rows = [
        {
            "id": one.rid,
            "message_id": one.message_id,
            "organization_id": owners[one.organization],
            "address": one.address,
            "mailbox": one.mailbox,
            "kind": "to",
            "status": "queued",
            "status_at": one.created_at,
            "credits": 0,
            "credit_state": "reserved",
        }
        for one in found
    ]
    statement = _insert_new(connection, recipients, ["id"]).returning(recipients.c.id)
    return set(await connection.scalars(statement, rows))


async def insert_tags(connection: AsyncConnection, found: Sequence[Submitted], owners: Mapping[str, str]) -> None:
    """Add what lists of messages are filtered by."""
    keys = sorted({(owners[one.organization], tag, one.message_id) for one in found for tag in one.tags})
    if keys:
        names = ("organization_id", "tag", "message_id")
        statement: Insert = _insert_new(connection, message_tags, list(names))
        await connection.execute(statement, [dict(zip(names, key, strict=True)) for key in keys])


async def set_credits(connection: AsyncConnection, recipient_ids: Collection[str]) -> None:
    """Note that a credit was reserved for each of these."""
    ids = sorted(recipient_ids)
    for start in range(0, len(ids), _CHUNK):
        part = recipients.c.id.in_(ids[start : start + _CHUNK])
        await connection.execute(update(recipients).where(part).values(credits=1))
