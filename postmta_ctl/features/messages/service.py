"""Accepting messages, and showing what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.domain_names import parse_mail_domain
from postmta_ctl.errors import InvalidRequest, NotFound, PostMTAError
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.fields import Fields, field_error, field_with_nul
from postmta_ctl.features.messages import accepting, queries
from postmta_ctl.features.messages.accepting import Ask
from postmta_ctl.features.messages.compose import NewMessage
from postmta_ctl.features.messages.idempotency import LIFETIME, Answer, Idempotency
from postmta_ctl.features.messages.queries import Filters
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
from postmta_ctl.features.retention.horizon import missing_before
from postmta_ctl.features.suppressions.service import key_of
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.system import System

FORGET_AT_ONCE = 1000
"""Rows of a transaction that clears up."""
T = TypeVar("T", bound=msgspec.Struct)


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
    return await accepting.accept(system, single(principal, message, once))


def single(principal: Principal, message: NewMessage, once: Idempotency | None = None) -> Ask:
    """The request to accept one message."""
    return Ask(
        organization_id=principal.organization_id,
        messages=[message],
        answer=lambda judged: _accepted(*judged),
        once=once,
        all_or_none=True,
    )


async def accept(system: System, connection: AsyncConnection, principal: Principal, message: NewMessage) -> None:
    """Accept one message in the caller's own transaction.

    Raises:
        DomainNotVerified: The From domain is not a verified domain of the organization.
        InsufficientCredits: The balance does not cover its recipients.
    """
    (result,) = await accepting.accept_all(system, connection, [single(principal, message)])
    if isinstance(result, PostMTAError):
        raise result


async def send_batch(
    system: System, principal: Principal, request: BatchRequest, once: Idempotency | None, *, may_hold_nul: bool
) -> Answer:
    """Accept the good ones of up to 100 messages, all in one transaction, and say what is wrong with the others.

    Raises:
        InvalidRequest: The key was used for another body.
        InsufficientCredits: The balance does not cover the recipients of the good ones; none of them is accepted.
        Conflict: A request of the same key is being worked on.
    """
    ready = await composed(system, principal, [read_item(raw, may_hold_nul=may_hold_nul) for raw in request.messages])

    ask = Ask(
        organization_id=principal.organization_id,
        messages=ready,
        answer=lambda judged: _batch_accepted(request.batch_id, judged),
        once=once,
        batch_id=request.batch_id,
    )
    return await accepting.accept(system, ask)


def _batch_accepted(batch_id: str | None, judged: Sequence[NewMessage | PostMTAError]) -> BatchAccepted:
    good = sum(isinstance(one, NewMessage) for one in judged)
    results = [_result(index, one) for index, one in enumerate(judged)]
    return BatchAccepted(batch_id=batch_id, accepted=good, rejected=len(judged) - good, results=results)


def read_item(raw: Any, *, may_hold_nul: bool = True) -> SendRequest | PostMTAError:
    """A message as JSON has it, or what is wrong with it. U+0000 is looked for only if it may be in it."""
    if may_hold_nul and (field := field_with_nul(raw)):
        return InvalidRequest.of(field, "must not hold the character U+0000", code="nul")
    try:
        return msgspec.convert(raw, SendRequest)
    except msgspec.MsgspecError as error:
        found = field_error(str(error))
        return InvalidRequest(f"{found.field}: {found.message}", errors=(found,))


def _result(index: int, one: NewMessage | PostMTAError) -> BatchResult:
    if isinstance(one, NewMessage):
        return BatchResult(index=index, status=one.status, message=_accepted(one))
    return BatchResult(index=index, status="rejected", code=one.code, detail=one.detail, errors=one.errors)


async def forget_answers(system: System) -> bool:
    """Drop idempotency records that have had their day. True when there is more."""
    async with system.db.transaction() as connection:
        gone = await queries.forget_answers(connection, system.now() - LIFETIME, FORGET_AT_ONCE)
    return gone == FORGET_AT_ONCE


def _accepted(message: NewMessage | PostMTAError) -> Accepted:
    assert isinstance(message, NewMessage)  # what is wrong was told instead
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
    return _picked(
        Message,
        row,
        recipients=[_picked(Recipient, one) for one in people],
        timeline=timeline,
        events_missing_before=missing_before(system.settings, row.created_at, system.now()),
    )


def _picked(struct: type[T], row: Any, **more: Any) -> T:
    """The struct, its fields taken from the row's columns of the same names."""
    return struct(**{name: getattr(row, name) for name in struct.__struct_fields__ if name not in more}, **more)
