"""SQL of messages, as the API needs them. The relay's is in ``relay_queries``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.features.messages.compose import NewMessage
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import (
    events,
    idempotency_keys,
    message_contents,
    messages,
    outbox,
    recipients,
    vmtas,
)

_content = msgspec.msgpack.Encoder()


class IdempotentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The first answer to a request that carried an Idempotency-Key."""

    fingerprint: bytes
    status_code: int
    answer: bytes


async def has_vmta(connection: AsyncConnection, organization_id: str, name: str) -> bool:
    """Whether the organization has a vMTA of this name."""
    query = select(vmtas.c.id).where(vmtas.c.organization_id == organization_id, vmtas.c.name == name)
    return (await connection.execute(query)).one_or_none() is not None


async def insert_messages(
    connection: AsyncConnection, organization_id: str, accepted: Sequence[NewMessage], batch_id: str | None = None
) -> None:
    """Store messages: their rows, contents and recipients, and an outbox row for each recipient."""
    rows = [_message_row(organization_id, message, batch_id) for message in accepted]
    await connection.execute(insert(messages), rows)
    contents = [{"message_id": one.id, "content": _content.encode(one.content)} for one in accepted]
    await connection.execute(insert(message_contents), contents)
    people = [(message, one) for message in accepted for one in message.recipients]
    await connection.execute(
        insert(recipients),
        [
            {
                "id": one.id,
                "message_id": message.id,
                "organization_id": organization_id,
                "address": one.address,
                "kind": one.kind,
                "status": "queued",
                "status_at": message.created_at,
            }
            for message, one in people
        ],
    )
    due = [{"recipient_id": one.id, "message_id": message.id, "due_at": message.created_at} for message, one in people]
    await connection.execute(insert(outbox), due)


def _message_row(organization_id: str, message: NewMessage, batch_id: str | None) -> dict[str, Any]:
    request = message.request
    return {
        "id": message.id,
        "organization_id": organization_id,
        "sender": message.sender.address,
        "domain": message.sender.domain,
        "subject": request.subject,
        "status": "queued",
        "tags": request.tags,
        "campaign": message.campaign,
        "batch_id": batch_id,
        "vmta": request.vmta,
        "metadata": request.metadata,
        "track_opens": request.track_opens,
        "track_clicks": request.track_clicks,
        "created_at": message.created_at,
    }


async def idempotent_answer(
    connection: AsyncConnection, organization_id: str, route: str, key: str
) -> IdempotentAnswer | None:
    """The answer that was given to this key before."""
    table = idempotency_keys.c
    query = select(table.fingerprint, table.status_code, table.answer).where(
        table.organization_id == organization_id, table.route == route, table.key == key
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else IdempotentAnswer(**row)


async def keep_answer(connection: AsyncConnection, **values: Any) -> None:
    """Keep the first answer to a key."""
    await connection.execute(insert(idempotency_keys).values(**values))


async def page_of_messages(
    connection: AsyncConnection, organization_id: str, status: str | None, paging: PageRequest
) -> Sequence[Any]:
    """One page of messages, and one more row."""
    query = select(messages).where(messages.c.organization_id == organization_id)
    if status is not None:
        query = query.where(messages.c.status == status)
    rows: Sequence[Any] = (await connection.execute(paging.apply(query, messages.c.id))).all()
    return rows


async def message_by_id(connection: AsyncConnection, organization_id: str, message_id: str) -> Any:
    """A message of the organization, or nothing."""
    query = select(messages).where(messages.c.id == message_id, messages.c.organization_id == organization_id)
    return (await connection.execute(query)).one_or_none()


async def recipients_of(connection: AsyncConnection, message_id: str) -> Sequence[Any]:
    """The recipients in the order they were named."""
    query = select(recipients).where(recipients.c.message_id == message_id).order_by(recipients.c.id)
    return (await connection.execute(query)).all()


async def events_of(connection: AsyncConnection, recipient_ids: list[str]) -> Sequence[Any]:
    """All that happened to these recipients, in order of time."""
    query = select(events).where(events.c.recipient_id.in_(recipient_ids)).order_by(events.c.occurred_at, events.c.id)
    return (await connection.execute(query)).all()


async def forget_answers(connection: AsyncConnection, before: datetime) -> None:
    """Drop idempotency records that have had their day."""
    await connection.execute(idempotency_keys.delete().where(idempotency_keys.c.created_at < before))
