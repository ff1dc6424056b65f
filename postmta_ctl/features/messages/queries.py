"""SQL of messages, as the API needs them. The relay's is in ``relay_queries``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ids import first_id
from postmta_ctl.core.log_events import domain_of
from postmta_ctl.core.providers import OTHER, well_known
from postmta_ctl.core.rollups import Fact
from postmta_ctl.features.messages.compose import NewMessage, NewRecipient
from postmta_ctl.store import rollups
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import (
    domains,
    events,
    idempotency_keys,
    message_contents,
    message_tags,
    messages,
    outbox,
    pool_domains,
    pools,
    recipients,
    vmtas,
)

_ID_DRIFT = timedelta(seconds=1)
"""An id may be a little later than its row: see ``core.ids``."""
_content = msgspec.msgpack.Encoder()


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages to list; what is None does not matter. Addresses are dedupe keys."""

    status: str | None = None
    sender: str | None = None
    to: str | None = None
    domain: str | None = None
    tag: str | None = None
    batch_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class SendingDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A verified domain that mail comes from."""

    id: str
    pool: str | None
    """Name of the pool that its mail leaves from, unless the message says another."""


class IdempotentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The first answer to a request that carried an Idempotency-Key."""

    fingerprint: bytes
    status_code: int
    answer: bytes


async def sending_domain(connection: AsyncConnection, organization_id: str, name: str) -> SendingDomain | None:
    """The organization's verified domain of this name with the pool that its mail leaves from: one look-up."""
    same = (pool_domains.c.organization_id == domains.c.organization_id, pool_domains.c.domain == domains.c.name)
    query = (
        select(domains.c.id, pools.c.name.label("pool"))
        .outerjoin(pool_domains, and_(*same))
        .outerjoin(pools, pools.c.id == pool_domains.c.pool_id)
        .where(domains.c.organization_id == organization_id, domains.c.name == name, domains.c.status == "verified")
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else SendingDomain(**row)


async def has_pool(connection: AsyncConnection, organization_id: str, name: str) -> bool:
    """Whether the organization has a pool of this name."""
    query = select(pools.c.id).where(pools.c.organization_id == organization_id, pools.c.name == name)
    return await connection.scalar(query) is not None


async def has_vmta(connection: AsyncConnection, organization_id: str, name: str) -> bool:
    """Whether the organization has a vMTA of this name."""
    query = select(vmtas.c.id).where(vmtas.c.organization_id == organization_id, vmtas.c.name == name)
    return (await connection.execute(query)).one_or_none() is not None


async def insert_messages(
    connection: AsyncConnection,
    organization_id: str,
    accepted: Sequence[NewMessage],
    batch_id: str | None = None,
    *,
    credits: int,
) -> None:
    """Store messages: their rows, contents and recipients, an outbox row for each that is sent to, and counts.

    Args:
        connection: The transaction.
        organization_id: Whose they are.
        accepted: The messages.
        batch_id: Kept with each of them.
        credits: What was reserved for each recipient.
    """
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
                "mailbox": one.key,
                "kind": one.kind,
                "status": one.status,
                "status_at": message.created_at,
                "credits": credits if one.status == "queued" else 0,
                "credit_state": "reserved" if one.status == "queued" else None,
            }
            for message, one in people
        ],
    )
    due = [
        {"recipient_id": one.id, "message_id": message.id, "due_at": message.scheduled_at or message.created_at}
        for message in accepted
        for one in message.waiting
    ]
    if due:
        await connection.execute(insert(outbox), due)
    tags = [
        {"organization_id": organization_id, "tag": tag, "message_id": message.id}
        for message in accepted
        for tag in sorted(set(message.request.tags))
    ]
    if tags:
        await connection.execute(insert(message_tags), tags)
    await rollups.count(connection, [_queued(organization_id, message, one, batch_id) for message, one in people])


def _queued(organization_id: str, message: NewMessage, recipient: NewRecipient, batch_id: str | None) -> Fact:
    domain = domain_of(recipient.address)
    return Fact(
        organization_id=organization_id,
        type="message.queued",
        at=message.created_at,
        sending_domain=message.sender.domain,
        recipient_domain=domain,
        provider=well_known(domain) or OTHER,
        tags=tuple(message.request.tags),
        batch=batch_id or "",
    )


def _message_row(organization_id: str, message: NewMessage, batch_id: str | None) -> dict[str, Any]:
    request = message.request
    return {
        "id": message.id,
        "organization_id": organization_id,
        "sender": message.sender.address,
        "domain": message.sender.domain,
        "subject": request.subject,
        "status": message.status,
        "tags": request.tags,
        "campaign": message.campaign,
        "batch_id": batch_id,
        "vmta": request.vmta,
        "pool": message.pool,
        "metadata": request.metadata,
        "track_opens": request.track_opens,
        "track_clicks": request.track_clicks,
        "unsubscribe": request.unsubscribe,
        "scheduled_at": message.scheduled_at,
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
    connection: AsyncConnection, organization_id: str, filters: Filters, paging: PageRequest
) -> Sequence[Any]:
    """One page of messages, and one more row."""
    query = select(messages).where(
        messages.c.organization_id == organization_id, *_conditions(organization_id, filters)
    )
    rows: Sequence[Any] = (
        await connection.execute(
            paging.apply(query, messages.c.id, subject=messages.c.subject, status=messages.c.status)
        )
    ).all()
    return rows


def _conditions(organization_id: str, filters: Filters) -> Iterator[ColumnElement[bool]]:
    for column, value in (("status", filters.status), ("domain", filters.domain), ("batch_id", filters.batch_id)):
        if value is not None:
            yield messages.c[column] == value
    if filters.sender is not None:
        yield func.lower(messages.c.sender) == filters.sender
    if filters.to is not None:
        mine = recipients.c.organization_id == organization_id
        found = select(recipients.c.message_id).where(mine, recipients.c.mailbox == filters.to)
        yield messages.c.id.in_(found)
    if filters.tag is not None:
        mine = message_tags.c.organization_id == organization_id
        yield messages.c.id.in_(select(message_tags.c.message_id).where(mine, message_tags.c.tag == filters.tag))
    yield from _between(filters.created_after, filters.created_before)


def _between(after: datetime | None, before: datetime | None) -> Iterator[ColumnElement[bool]]:
    """Both bounds by the time itself, and by what it says of ids, which the index of the list is sorted by."""
    if after is not None:
        yield messages.c.created_at >= after
        yield messages.c.id >= first_id(after)
    if before is not None:
        yield messages.c.created_at < before
        yield messages.c.id < first_id(before + _ID_DRIFT)


async def message_by_id(connection: AsyncConnection, organization_id: str, message_id: str) -> Any:
    """A message of the organization, or nothing."""
    query = select(messages).where(messages.c.id == message_id, messages.c.organization_id == organization_id)
    return (await connection.execute(query)).one_or_none()


async def recipients_of(connection: AsyncConnection, message_id: str) -> Sequence[Any]:
    """The recipients in the order they were named, each with what keeps it here."""
    kept = (outbox.c.recipient_id == recipients.c.id) & outbox.c.block_id.is_not(None)
    query = select(recipients, outbox.c.last_error.label("kept_here")).outerjoin(outbox, kept)
    query = query.where(recipients.c.message_id == message_id).order_by(recipients.c.id)
    return (await connection.execute(query)).all()


async def events_of(connection: AsyncConnection, recipient_ids: list[str]) -> Sequence[Any]:
    """All that happened to these recipients, in order of time."""
    query = select(events).where(events.c.recipient_id.in_(recipient_ids)).order_by(events.c.occurred_at, events.c.id)
    return (await connection.execute(query)).all()


async def forget_answers(connection: AsyncConnection, before: datetime) -> None:
    """Drop idempotency records that have had their day."""
    await connection.execute(idempotency_keys.delete().where(idempotency_keys.c.created_at < before))
