"""Sending what came in SendGrid's form, by the same path as everything else."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence

import msgspec

from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import InvalidRequest, MalformedRequest, PostMTAError
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.fields import field_error, field_with_nul
from postmta_ctl.features.messages import accepting
from postmta_ctl.features.messages.accepting import Ask, Judged
from postmta_ctl.features.messages.compose import NewMessage
from postmta_ctl.features.messages.idempotency import idempotency
from postmta_ctl.features.messages.service import read_item
from postmta_ctl.features.messages.templated import composed
from postmta_ctl.features.sendgrid import mapping, problems
from postmta_ctl.features.sendgrid.refusals import refuse
from postmta_ctl.features.sendgrid.schemas import MailSend
from postmta_ctl.system import System


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What was accepted."""

    message_id: str
    """Of the message; where there are several, the ``batch_id`` that they are found by."""
    is_sandboxed: bool = False
    """It was judged and not sent, as the request asked."""


async def send(system: System, principal: Principal, body: bytes, key: str | None) -> Sent:
    """Accept all messages of a request, or none of them.

    Raises:
        InvalidRequest: Names each field that is wrong, or asks for what is not done here.
        PostMTAError: As when sending by our own API.
    """
    request = read(body)
    refuse(request)
    ready = await _composed(system, principal, request)
    if request.mail_settings.sandbox_mode.enable:
        return Sent(message_id=ready[0].id, is_sandboxed=True)
    several = new_id(system.now()) if len(ready) > 1 else None
    batch_id = request.batch_id or several
    ask = Ask(
        organization_id=principal.organization_id,
        messages=ready,
        answer=lambda judged: Sent(message_id=(batch_id if several else None) or _id(judged)),
        once=idempotency(key, "sendgrid/mail/send", body),
        batch_id=batch_id,
        all_or_none=True,
    )
    try:
        answer = await accepting.accept(system, ask)
    except PostMTAError as error:
        raise problems.of_message(error, 0, request) from error
    return msgspec.json.decode(answer.body, type=Sent)


def read(body: bytes) -> MailSend:
    """Read the JSON of a request.

    Raises:
        InvalidRequest: A field is unknown, missing or of the wrong kind.
        MalformedRequest: It is no JSON.
    """
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedRequest("The body cannot be read as JSON.") from error
    if field := field_with_nul(raw):
        raise InvalidRequest.of(field, "must not hold the character U+0000", code="nul")
    try:
        return msgspec.convert(raw, MailSend)
    except msgspec.ValidationError as error:
        found = field_error(str(error))
        raise InvalidRequest(found.message, errors=(found,)) from error


def unzipped(body: bytes, encoding: str, *, limit: int) -> bytes:
    """The body of a request that is compressed, as SendGrid takes it.

    Raises:
        MalformedRequest: By something else than gzip, or larger than ``limit`` octets unpacked.
    """
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise MalformedRequest.of("Content-Encoding", "is gzip, or absent")
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(body, limit + 1)
    except (zlib.error, gzip.BadGzipFile) as error:
        raise MalformedRequest("The body is not what its Content-Encoding says.") from error
    if len(unpacked) > limit:
        raise MalformedRequest("The body is too large when it is unpacked.")
    return unpacked


async def _composed(system: System, principal: Principal, request: MailSend) -> list[NewMessage]:
    judged = await composed(system, principal, [read_item(one) for one in mapping.messages(request)])
    for index, one in enumerate(judged):
        if isinstance(one, PostMTAError):
            raise problems.of_message(one, index, request)
    return [one for one in judged if isinstance(one, NewMessage)]


def _id(judged: Sequence[Judged]) -> str:
    (message,) = judged
    assert isinstance(message, NewMessage)  # what is wrong was told instead
    return message.id
