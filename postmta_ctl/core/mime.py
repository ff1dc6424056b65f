"""From a draft, as the API takes it, to the content that is given to KumoMTA's message builder.

The builder makes the MIME: ``text/plain`` and ``text/html`` as ``multipart/alternative``, inline files around it as
``multipart/related``, other files around that as ``multipart/mixed``. We give it every header field it does not
make itself, encoded, and bodies with CRLF line ends: a bare LF it would encode as ``=0A``, which RFC 2045 §6.7
does not count as a line end. A missing text alternative is not invented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from typing import ParamSpec, TypeVar

import msgspec

from postmta_ctl.core.addresses import Mailbox
from postmta_ctl.core.attachments import Attachment, check_attachment
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.headers import check_name, encode_field, encode_mailboxes, encode_text

MAX_HEADERS = 50
"""Fields that a customer may add to one message: ours."""

_ENCODED_BODY_RATIO = 1.37
"""Base64 with its line ends; the builder takes quoted-printable only where that is shorter."""
_PART_OVERHEAD = 300

P = ParamSpec("P")
T = TypeVar("T")


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A message as its author gave it. Recipients of a blind copy are no part of it."""

    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()


class Content(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A message ready for the builder: header values in ASCII, bodies with CRLF."""

    headers: dict[str, str]
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()


def compose(draft: Draft, *, message_id: str, date: datetime) -> Content:
    """Make the content of a message.

    Args:
        draft: What the author gave.
        message_id: With angle brackets (RFC 5322 §3.6.4).
        date: Becomes the Date field; must be aware.

    Raises:
        InputError: Names the field and what is wrong with it.
    """
    headers = builder_headers(draft, message_id, date)
    text, html = _body("text", draft.text), _body("html", draft.html)
    if text is None and html is None:
        raise InputError("content_missing", "a message needs text or html", field="text")
    return Content(headers=headers, text=text, html=html, attachments=_attachments(draft))


def builder_headers(draft: Draft, message_id: str, date: datetime) -> dict[str, str]:
    """All header fields but those of MIME, encoded (RFC 5322 §3.6).

    The builder would add To, and put quotes inside an encoded word of it; it adds no Message-ID. A message with
    none but blind copies gets an empty group as its To, so that it shows nobody.

    Raises:
        InputError: As :func:`compose`.
    """
    headers = {
        "From": _within("from", encode_mailboxes, "From", (draft.sender,)),
        "To": _within("to", encode_mailboxes, "To", draft.to) or "undisclosed-recipients:;",
        "Subject": _within("subject", encode_text, "Subject", draft.subject),
        "Message-ID": message_id,
        "Date": _date(date.replace(microsecond=0), date.utcoffset()),
    }
    if draft.cc:
        headers["Cc"] = _within("cc", encode_mailboxes, "Cc", draft.cc)
    if draft.reply_to:
        headers["Reply-To"] = _within("reply_to", encode_mailboxes, "Reply-To", draft.reply_to)
    return headers | dict(_customers(draft))


@lru_cache(maxsize=64)
def _date(second: datetime, _offset: timedelta | None) -> str:
    # The offset is part of the key: the same moment in two zones is equal.
    return format_datetime(second)


def size_estimate(content: Content) -> int:
    """About how many octets the message will have, rather too many than too few."""
    bodies = [_octets(body) for body in (content.text, content.html) if body is not None]
    files = [len(attachment.data) for attachment in content.attachments]
    encoded = sum(int(octets * _ENCODED_BODY_RATIO) + _PART_OVERHEAD for octets in bodies + files)
    return encoded + sum(len(name) + len(value) + 8 for name, value in content.headers.items())


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def crlf(text: str) -> str:
    """The text with CRLF for every line end (RFC 2046 §4.1.1)."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\n", "\r\n")


def _customers(draft: Draft) -> Iterator[tuple[str, str]]:
    if len(draft.headers) > MAX_HEADERS:
        raise InputError("too_many_headers", f"at most {MAX_HEADERS} headers can be set", field="headers")
    seen: set[str] = set()
    for name, value in draft.headers:
        field = f"headers.{name[:40]}"
        _within(field, check_name, name)
        if name.lower() in seen:
            raise InputError("header_duplicate", f"{name} is set twice", field=field)
        seen.add(name.lower())
        yield name, _within(field, encode_field, name, value)


def _body(field: str, body: str | None) -> str | None:
    if not body:
        return None
    if "\0" in body:
        raise InputError("content_nul", "a body must not hold NUL (RFC 2045 §2.7)", field=field)
    return crlf(body)


def _attachments(draft: Draft) -> tuple[Attachment, ...]:
    checked: list[Attachment] = []
    for index, attachment in enumerate(draft.attachments):
        try:
            one = check_attachment(attachment)
        except InputError as error:
            raise error.at(f"attachments[{index}].{error.field}") from None
        if one.content_id is not None and any(other.content_id == one.content_id for other in checked):
            field = f"attachments[{index}].content_id"
            raise InputError("attachment_content_id", "two attachments have this content id", field=field)
        checked.append(one)
    return tuple(checked)


def _within(field: str, encode: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    try:
        return encode(*arguments, **named)
    except InputError as error:
        raise error.at(field) from None
