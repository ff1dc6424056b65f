"""Accepting messages, and showing what became of them."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.errors import Conflict, DomainNotVerified, InvalidRequest, NotFound
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.domains.queries import verified_domain
from postmta_ctl.features.messages import queries
from postmta_ctl.features.messages.compose import NewMessage, new_message
from postmta_ctl.features.messages.schemas import (
    Accepted,
    AcceptedRecipient,
    Message,
    Recipient,
    SendRequest,
    Summary,
    TimelineEntry,
)
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.system import System

SEND = "messages/send"
IDEMPOTENCY_LIFETIME = timedelta(hours=24)
MAX_KEY = 255
T = TypeVar("T", bound=msgspec.Struct)


class Answer(msgspec.Struct, frozen=True):
    """The bytes of an answer, and whether they were given before."""

    body: bytes
    is_replay: bool = False


async def send(system: System, principal: Principal, body: bytes, request: SendRequest, key: str | None) -> Answer:
    """Accept one message: when this returns, it is on durable storage together with its place in the outbox.

    Args:
        body: The request as it came, by which a repeated key is recognised.
        key: The Idempotency-Key, if one was given.

    Raises:
        InvalidRequest: The message cannot be sent as it is, or the key was used for another body.
        DomainNotVerified: The From domain is not a verified domain of the organization.
        Conflict: A request of the same key is being worked on.
    """
    if key is not None and not 1 <= len(key) <= MAX_KEY:
        raise InvalidRequest.of("Idempotency-Key", f"has 1 to {MAX_KEY} characters")
    message = new_message(request, system.now())
    try:
        async with system.db.transaction() as connection:
            if key is not None and (earlier := await _earlier(connection, principal, key, body)):
                return earlier
            await _check_ownership(connection, principal, message)
            await queries.insert_message(connection, principal.organization_id, message)
            answer = msgspec.json.encode(_accepted(message))
            if key is not None:
                await _keep(connection, principal, key, body, answer, message)
            return Answer(answer)
    except IntegrityError as error:
        if key is None:
            raise
        raise Conflict("A request with this Idempotency-Key is in progress.", code="idempotency_conflict") from error


async def _earlier(connection: AsyncConnection, principal: Principal, key: str, body: bytes) -> Answer | None:
    kept = await queries.idempotent_answer(connection, principal.organization_id, SEND, key)
    if kept is None:
        return None
    if kept.fingerprint != _fingerprint(body):
        raise InvalidRequest.of("Idempotency-Key", "was used for another request", code="idempotency_key_reused")
    return Answer(kept.answer, is_replay=True)


async def _keep(
    connection: AsyncConnection, principal: Principal, key: str, body: bytes, answer: bytes, message: NewMessage
) -> None:
    await queries.keep_answer(
        connection,
        organization_id=principal.organization_id,
        route=SEND,
        key=key,
        fingerprint=_fingerprint(body),
        status_code=202,
        answer=answer,
        created_at=message.created_at,
    )


def _fingerprint(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


async def _check_ownership(connection: AsyncConnection, principal: Principal, message: NewMessage) -> None:
    organization_id, domain, vmta = principal.organization_id, message.sender.domain, message.request.vmta
    if await verified_domain(connection, organization_id, domain) is None:
        raise DomainNotVerified(f"from: {domain} is not a verified domain of your organization.")
    if vmta is not None and not await queries.has_vmta(connection, organization_id, vmta):
        raise InvalidRequest.of("vmta", "there is no vMTA of this name", code="vmta_unknown")


def _accepted(message: NewMessage) -> Accepted:
    return Accepted(
        id=message.id,
        status="queued",
        recipients=[AcceptedRecipient(id=one.id, address=one.address) for one in message.recipients],
        created_at=message.created_at,
    )


async def list_messages(
    system: System, principal: Principal, status: str | None, paging: PageRequest
) -> Page[Summary]:
    """The organization's messages, newest first."""
    async with system.db.reading() as connection:
        rows = await queries.page_of_messages(connection, principal.organization_id, status, paging)
    return paging.page([_picked(Summary, row) for row in rows])


async def get(system: System, principal: Principal, message_id: str) -> Message:
    """One message with its recipients and time line.

    Raises:
        NotFound: The organization has no such message.
    """
    async with system.db.reading() as connection:
        row = await queries.message_by_id(connection, principal.organization_id, message_id)
        if row is None:
            raise NotFound("There is no such message.")
        people = await queries.recipients_of(connection, message_id)
        happened = await queries.events_of(connection, [one.id for one in people])
    queued = TimelineEntry(type="message.queued", at=row.created_at)
    timeline = [queued, *(_picked(TimelineEntry, one, at=one.occurred_at) for one in happened)]
    return _picked(Message, row, recipients=[_picked(Recipient, one) for one in people], timeline=timeline)


def _picked(struct: type[T], row: Any, **more: Any) -> T:
    """The struct, its fields taken from the row's columns of the same names."""
    return struct(**{name: getattr(row, name) for name in struct.__struct_fields__ if name not in more}, **more)
