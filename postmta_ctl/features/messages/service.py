"""Accepting messages, and showing what became of them."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.domain_names import parse_mail_domain
from postmta_ctl.errors import Conflict, DomainNotVerified, InvalidRequest, NotFound, PostMTAError
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.credits import account
from postmta_ctl.features.fields import Fields, field_error, field_with_nul
from postmta_ctl.features.messages import queries
from postmta_ctl.features.messages.compose import NewMessage
from postmta_ctl.features.messages.happenings import record
from postmta_ctl.features.messages.queries import Filters
from postmta_ctl.features.messages.queued import queued_events
from postmta_ctl.features.messages.schemas import (
    Accepted,
    AcceptedRecipient,
    BatchAccepted,
    BatchRequest,
    BatchResult,
    Message,
    Recipient,
    SendRequest,
    Summary,
    TimelineEntry,
)
from postmta_ctl.features.messages.templated import composed
from postmta_ctl.features.suppressions.service import key_of, suppressed
from postmta_ctl.features.webhooks.outbox import announce_mail
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.system import System

IDEMPOTENCY_LIFETIME = timedelta(hours=24)
MAX_KEY = 255
T = TypeVar("T", bound=msgspec.Struct)


class Answer(msgspec.Struct, frozen=True):
    """The bytes of an answer, and whether they were given before."""

    body: bytes
    is_replay: bool = False


class Idempotency(msgspec.Struct, frozen=True):
    """The key of a request, the route it stands for, and what tells the request from another one."""

    key: str
    route: str
    fingerprint: bytes


def idempotency(key: str | None, route: str, body: bytes) -> Idempotency | None:
    """Read the Idempotency-Key of a request.

    Raises:
        InvalidRequest: The key is empty or too long.
    """
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY:
        raise InvalidRequest.of("Idempotency-Key", f"has 1 to {MAX_KEY} characters")
    return Idempotency(key, route, hashlib.sha256(body).digest())


async def send(system: System, principal: Principal, request: SendRequest, once: Idempotency | None) -> Answer:
    """Accept one message: when this returns, it is on durable storage together with its place in the outbox.

    Raises:
        InvalidRequest: The message cannot be sent as it is, or the key was used for another body.
        DomainNotVerified: The From domain is not a verified domain of the organization.
        InsufficientCredits: The balance does not cover its recipients.
        Conflict: A request of the same key is being worked on.
    """
    (message,) = await composed(system, principal, [request])
    if isinstance(message, PostMTAError):
        raise message

    async def work(connection: AsyncConnection) -> Accepted:
        ready = await placed(connection, principal, message)
        (accepted,) = await _accept(system, connection, principal, [ready])
        return _accepted(accepted)

    return await _once(system, principal, once, work)


async def accept(system: System, connection: AsyncConnection, principal: Principal, message: NewMessage) -> None:
    """Accept one message in the caller's own transaction.

    Raises:
        DomainNotVerified: The From domain is not a verified domain of the organization.
        InsufficientCredits: The balance does not cover its recipients.
    """
    await _accept(system, connection, principal, [await placed(connection, principal, message)])


async def send_batch(system: System, principal: Principal, request: BatchRequest, once: Idempotency | None) -> Answer:
    """Accept the good ones of up to 100 messages, all in one transaction, and say what is wrong with the others.

    Raises:
        InvalidRequest: The key was used for another body.
        InsufficientCredits: The balance does not cover the recipients of the good ones; none of them is accepted.
        Conflict: A request of the same key is being worked on.
    """
    ready = await composed(system, principal, [_read_item(raw) for raw in request.messages])

    async def work(connection: AsyncConnection) -> BatchAccepted:
        judged = [await _judged(connection, principal, one) for one in ready]
        good = [one for one in judged if isinstance(one, NewMessage)]
        accepted = iter(await _accept(system, connection, principal, good, request.batch_id) if good else ())
        settled = (next(accepted) if isinstance(one, NewMessage) else one for one in judged)
        results = [_result(index, one) for index, one in enumerate(settled)]
        return BatchAccepted(
            batch_id=request.batch_id, accepted=len(good), rejected=len(judged) - len(good), results=results
        )

    return await _once(system, principal, once, work)


async def _accept(
    system: System,
    connection: AsyncConnection,
    principal: Principal,
    good: list[NewMessage],
    batch_id: str | None = None,
) -> list[NewMessage]:
    """Store the messages, with those recipients marked that must not get them."""
    organization_id = principal.organization_id
    held_back = await suppressed(connection, organization_id, {one.key for each in good for one in each.recipients})
    accepted = [message.without(held_back) for message in good]
    credits = await _reserve(system, connection, principal, accepted, reference=batch_id or good[0].id)
    await queries.insert_messages(connection, organization_id, accepted, batch_id, credits=credits)
    await _announce(connection, principal, accepted)
    ended = [one.id for message in accepted for one in message.recipients if one.status == "suppressed"]
    await record(connection, ended, "message.suppressed", good[0].created_at)
    system.metrics.accepted.inc(sum(len(message.recipients) for message in accepted))
    return accepted


async def _announce(connection: AsyncConnection, principal: Principal, accepted: list[NewMessage]) -> None:
    events = list(queued_events(principal.organization_id, accepted))
    await announce_mail(connection, events, accepted[0].created_at)


async def _reserve(
    system: System, connection: AsyncConnection, principal: Principal, accepted: list[NewMessage], *, reference: str
) -> int:
    """Reserve a credit for each recipient that it is sent to; what each is charged."""
    recipients = sum(len(one.waiting) for one in accepted)
    if recipients == 0:
        return 0
    return await account.reserve(
        system, connection, principal.organization_id, recipients, cause="send", reference=reference
    )


def _read_item(raw: Any) -> SendRequest | PostMTAError:
    if field := field_with_nul(raw):
        return InvalidRequest.of(field, "must not hold the character U+0000", code="nul")
    try:
        return msgspec.convert(raw, SendRequest)
    except msgspec.MsgspecError as error:
        found = field_error(str(error))
        return InvalidRequest(f"{found.field}: {found.message}", errors=(found,))


async def _judged(
    connection: AsyncConnection, principal: Principal, message: NewMessage | PostMTAError
) -> NewMessage | PostMTAError:
    if isinstance(message, PostMTAError):
        return message
    try:
        return await placed(connection, principal, message)
    except PostMTAError as error:
        return error


def _result(index: int, one: NewMessage | PostMTAError) -> BatchResult:
    if isinstance(one, NewMessage):
        return BatchResult(index=index, status=one.status, message=_accepted(one))
    return BatchResult(index=index, status="rejected", code=one.code, detail=one.detail, errors=one.errors)


async def _once(
    system: System,
    principal: Principal,
    once: Idempotency | None,
    work: Callable[[AsyncConnection], Awaitable[msgspec.Struct]],
) -> Answer:
    """Do the work and keep its answer under the key, in one transaction; or give the answer that was kept."""
    try:
        async with system.db.transaction() as connection:
            if once is not None and (earlier := await _earlier(connection, principal, once)):
                return earlier
            answer = msgspec.json.encode(await work(connection))
            if once is not None:
                await _keep(connection, principal, once, answer, system.now())
            return Answer(answer)
    except IntegrityError as error:
        if once is None:
            raise
        raise Conflict("A request with this Idempotency-Key is in progress.", code="idempotency_conflict") from error


async def _earlier(connection: AsyncConnection, principal: Principal, once: Idempotency) -> Answer | None:
    kept = await queries.idempotent_answer(connection, principal.organization_id, once.route, once.key)
    if kept is None:
        return None
    if kept.fingerprint != once.fingerprint:
        raise InvalidRequest.of("Idempotency-Key", "was used for another request", code="idempotency_key_reused")
    return Answer(kept.answer, is_replay=True)


async def _keep(
    connection: AsyncConnection, principal: Principal, once: Idempotency, answer: bytes, now: datetime
) -> None:
    await queries.keep_answer(
        connection,
        organization_id=principal.organization_id,
        route=once.route,
        key=once.key,
        fingerprint=once.fingerprint,
        status_code=202,
        answer=answer,
        created_at=now,
    )


async def forget_answers(system: System) -> None:
    """Drop idempotency records that have had their day."""
    async with system.db.transaction() as connection:
        await queries.forget_answers(connection, system.now() - IDEMPOTENCY_LIFETIME)


async def placed(connection: AsyncConnection, principal: Principal, message: NewMessage) -> NewMessage:
    """The message with the pool that it leaves from, if it comes from what is the organization's.

    Raises:
        DomainNotVerified: The From domain is none of its verified ones.
        InvalidRequest: It has no such vMTA or pool, or both are given.
    """
    organization_id, request = principal.organization_id, message.request
    domain = await queries.sending_domain(connection, organization_id, message.sender.domain)
    if domain is None:
        raise DomainNotVerified(f"from: {message.sender.domain} is not a verified domain of your organization.")
    if request.vmta is not None and request.pool is not None:
        raise InvalidRequest.of("pool", "give either a vMTA or a pool")
    if request.vmta is not None and not await queries.has_vmta(connection, organization_id, request.vmta):
        raise InvalidRequest.of("vmta", "there is no vMTA of this name", code="vmta_unknown")
    if request.pool is not None and not await queries.has_pool(connection, organization_id, request.pool):
        raise InvalidRequest.of("pool", "there is no pool of this name", code="pool_unknown")
    pool = None if request.vmta is not None else request.pool or domain.pool
    return msgspec.structs.replace(message, pool=pool)


def _accepted(message: NewMessage) -> Accepted:
    return Accepted(
        id=message.id,
        status=message.status,
        recipients=[AcceptedRecipient(id=one.id, address=one.address, status=one.status) for one in message.recipients],
        created_at=message.created_at,
        scheduled_at=message.scheduled_at,
    )


async def list_messages(system: System, principal: Principal, filters: Filters, paging: PageRequest) -> Page[Summary]:
    """The organization's messages, newest first.

    Raises:
        InvalidRequest: A filter cannot be understood; what cannot match for another reason matches nothing.
    """
    filters = _read(filters)
    async with system.db.reading() as connection:
        rows = await queries.page_of_messages(connection, principal.organization_id, filters, paging)
    return paging.page([_picked(Summary, row) for row in rows])


def _read(filters: Filters) -> Filters:
    problems = Fields()
    parse = {"sender": key_of, "to": key_of, "domain": parse_mail_domain}
    names = {"sender": "from"}
    found = {
        name: problems.read(names.get(name, name), read, given)
        for name, read in parse.items()
        if (given := getattr(filters, name)) is not None
    }
    for name in ("created_after", "created_before"):
        moment = getattr(filters, name)
        if moment is not None and moment.tzinfo is None:
            problems.refuse(name, "needs a time zone, such as Z at its end (RFC 3339)", code="time_zone_missing")
    problems.done()
    return msgspec.structs.replace(filters, **found)


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
