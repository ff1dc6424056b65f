"""SQL of messages, as the API needs them. The relay's is in ``lease_queries``,
``relay_queries`` and ``reception_queries``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ids import first_id
from postmta_ctl.core.kept_content import keep
from postmta_ctl.core.log_events import domain_of
from postmta_ctl.core.providers import OTHER, well_known
from postmta_ctl.core.rollups import Fact
from postmta_ctl.features.messages.compose import NewMessage
from postmta_ctl.features.messages.idempotency import Idempotency
from postmta_ctl.store import rollups
from postmta_ctl.store.bulk import Bulk, Row
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import (
    events,
    idempotency_keys,
    message_contents,
    message_tags,
    messages,
    outbox,
    recipients,
)
from postmta_ctl.store.types import to_micros

_ID_DRIFT = timedelta(seconds=1)
"""An id may be a little later than its row: see ``core.ids``."""


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


class Stored(msgspec.Struct, frozen=True):
    """A message as it is stored."""

    organization_id: str
    message: NewMessage
    batch_id: str | None
    credits: int
    """What was reserved for each recipient."""


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The first answer to a request that carried an Idempotency-Key."""

    key: str
    fingerprint: bytes
    answer: bytes
    created_at: datetime


_messages = Bulk(
    messages,
    "id",
    "organization_id",
    "sender",
    "domain",
    "subject",
    "status",
    "tags",
    "campaign",
    "batch_id",
    "vmta",
    "pool",
    "metadata",
    "track_opens",
    "track_clicks",
    "unsubscribe",
    "scheduled_at",
    "created_at",
)
_contents = Bulk(message_contents, "message_id", "content")
_recipients = Bulk(
    recipients,
    "id",
    "message_id",
    "organization_id",
    "address",
    "mailbox",
    "kind",
    "status",
    "status_at",
    "credits",
    "credit_state",
)
_outbox = Bulk(outbox, "recipient_id", "message_id", "due_at", "octets")
_tags = Bulk(message_tags, "organization_id", "tag", "message_id")
_answers = Bulk(
    idempotency_keys, "organization_id", "route", "key", "fingerprint", "status_code", "answer", "created_at"
)


async def insert_messages(connection: AsyncConnection, stored: Sequence[Stored]) -> None:
    """Store messages: rows, contents and recipients, an outbox row for each that is sent to, tags and counts."""
    contents = [(one.message.id, keep(one.message.content)) for one in stored]
    await _messages.add(connection, [_message_row(one) for one in stored])
    await _contents.add(connection, contents)
    await _recipients.add(connection, [row for one in stored for row in _recipient_rows(one)])
    waiting = zip(stored, contents, strict=True)
    await _outbox.add(connection, [row for one, (_, kept) in waiting for row in _outbox_rows(one.message, len(kept))])
    await _tags.add(connection, [row for one in stored for row in _tag_rows(one)])
    await rollups.count(connection, [fact for one in stored for fact in _queued(one)])


def _recipient_rows(stored: Stored) -> Iterator[Row]:
    organization_id, message = stored.organization_id, stored.message
    at = to_micros(message.created_at)
    for one in message.recipients:
        charge = (stored.credits, "reserved") if one.is_waiting else (0, None)
        yield one.id, message.id, organization_id, one.address, one.key, one.kind, one.status, at, *charge


def _outbox_rows(message: NewMessage, octets: int) -> Iterator[Row]:
    due = to_micros(message.scheduled_at or message.created_at)
    return ((one.id, message.id, due, octets) for one in message.waiting)


def _tag_rows(stored: Stored) -> Iterator[Row]:
    return ((stored.organization_id, tag, stored.message.id) for tag in sorted(set(stored.message.request.tags)))


def _queued(stored: Stored) -> Iterator[Fact]:
    message = stored.message
    for one in message.recipients:
        domain = domain_of(one.address)
        yield Fact(
            organization_id=stored.organization_id,
            type="message.queued",
            at=message.created_at,
            sending_domain=message.sender.domain,
            recipient_domain=domain,
            provider=well_known(domain) or OTHER,
            tags=tuple(message.request.tags),
            batch=stored.batch_id or "",
        )


def _message_row(stored: Stored) -> Row:
    message, request = stored.message, stored.message.request
    return (
        message.id,
        stored.organization_id,
        message.sender.address,
        message.sender.domain,
        request.subject,
        message.status,
        msgspec.json.encode(request.tags),
        message.campaign,
        stored.batch_id,
        request.vmta,
        message.pool,
        msgspec.json.encode(request.metadata),
        request.track_opens,
        request.track_clicks,
        request.unsubscribe,
        None if message.scheduled_at is None else to_micros(message.scheduled_at),
        to_micros(message.created_at),
    )


async def outbox_length(connection: AsyncConnection, most: int) -> int:
    """How many recipients wait for a node, or ``most`` if it is more."""
    some = select(outbox.c.recipient_id).limit(most).subquery()
    return int(await connection.scalar(select(func.count()).select_from(some)) or 0)


async def kept_answers(
    connection: AsyncConnection, organization_id: str, route: str, keys: Collection[str]
) -> list[KeptAnswer]:
    """The answers that were given to these keys before."""
    table = idempotency_keys.c
    query = select(table.key, table.fingerprint, table.answer, table.created_at).where(
        table.organization_id == organization_id, table.route == route, table.key.in_(keys)
    )
    return [KeptAnswer(**row) for row in (await connection.execute(query)).mappings()]


async def forget_keys(connection: AsyncConnection, organization_id: str, route: str, keys: Collection[str]) -> None:
    """Drop the answers to these keys."""
    table = idempotency_keys.c
    mine = (table.organization_id == organization_id, table.route == route)
    await connection.execute(idempotency_keys.delete().where(*mine, table.key.in_(keys)))


async def keep_answers(
    connection: AsyncConnection, answers: Iterable[tuple[str, Idempotency, bytes]], now: datetime
) -> None:
    """Keep the first answers to keys, each with its organization."""
    rows = [
        (organization_id, once.route, once.key, once.fingerprint, 202, answer, to_micros(now))
        for organization_id, once, answer in answers
    ]
    await _answers.add(connection, rows)


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


async def forget_answers(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Drop up to ``limit`` idempotency records that have had their day; how many there were."""
    table = idempotency_keys.c
    key = (table.organization_id, table.route, table.key)
    old = select(*key).where(table.created_at < before).order_by(table.created_at).limit(limit)
    return (await connection.execute(idempotency_keys.delete().where(tuple_(*key).in_(old)))).rowcount
