"""From SendGrid's request to ours, a message for each personalization. Pure. ``docs/sendgrid.md`` lists it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.sendgrid.schemas import Attachment, Email, MailSend, Personalization

_NOT_IN_AN_ADDRESS = re.compile(r'[<>",\s]')
MAPPED = {
    "personalizations.to": "to",
    "personalizations.cc": "cc",
    "personalizations.bcc": "bcc",
    "personalizations.from": "from",
    "personalizations.subject": "subject",
    "personalizations.headers": "headers",
    "personalizations.custom_args": "metadata",
    "personalizations.send_at": "send_at",
    "personalizations.dynamic_template_data": "variables",
    "from": "from",
    "reply_to": "reply_to",
    "reply_to_list": "reply_to",
    "subject": "subject",
    "content": "text and html",
    "attachments": "attachments",
    "template_id": "template_id",
    "headers": "headers",
    "categories": "tags",
    "custom_args": "metadata",
    "send_at": "send_at",
    "ip_pool_name": "pool",
    "tracking_settings.click_tracking.enable": "track_clicks",
    "tracking_settings.open_tracking.enable": "track_opens",
}
"""Fields of a request, and the field of our message that each becomes."""
_BARE_ID = re.compile(r"d-(?=[0-9a-f]{8}-)")


def messages(request: MailSend) -> list[dict[str, Any]]:
    """The messages as ``POST /api/v1/messages/send`` takes them, not judged yet.

    Raises:
        InvalidRequest: An address holds what would make it another one, or a moment is none.
    """
    shared = _shared(request)
    return [shared | _own(request, one, f"personalizations[{at}]") for at, one in enumerate(request.personalizations)]


def _shared(request: MailSend) -> dict[str, Any]:
    tracking = request.tracking_settings
    bodies = {one.type: one.value for one in request.content}
    categories = [request.categories] if isinstance(request.categories, str) else request.categories
    return {
        "reply_to": _reply_to(request),
        "text": bodies.get("text/plain"),
        "html": bodies.get("text/html"),
        "attachments": [_attachment(one) for one in request.attachments],
        "tags": categories,
        "pool": request.ip_pool_name,
        "track_clicks": tracking.click_tracking.enable,
        "track_opens": tracking.open_tracking.enable,
        # SendGrid writes ids of dynamic templates with this prefix.
        "template_id": request.template_id and _BARE_ID.sub("", request.template_id),
    }


def _reply_to(request: MailSend) -> str | list[str] | None:
    if request.reply_to is not None:
        return _mailbox(request.reply_to, "reply_to")
    return _mailboxes(request.reply_to_list, "reply_to_list") or None


def _own(request: MailSend, one: Personalization, field: str) -> dict[str, Any]:
    sender = (one.sender, f"{field}.from") if one.sender else (request.sender, "from")
    send_at = (one.send_at, f"{field}.send_at") if one.send_at is not None else (request.send_at, "send_at")
    return {
        "from": _mailbox(*sender),
        "to": _mailboxes(one.to, f"{field}.to"),
        "cc": _mailboxes(one.cc, f"{field}.cc"),
        "bcc": _mailboxes(one.bcc, f"{field}.bcc"),
        "subject": (request.subject or "") if one.subject is None else one.subject,
        "headers": request.headers | one.headers,
        "metadata": request.custom_args | one.custom_args,
        "variables": one.dynamic_template_data,
        "send_at": _moment(*send_at),
    }


def _mailboxes(people: Iterable[Email], field: str) -> list[str]:
    return [_mailbox(one, f"{field}[{index}]") for index, one in enumerate(people)]


def _mailbox(person: Email, field: str) -> str:
    # Written out as text, so nothing in the address may end it and begin another.
    if _NOT_IN_AN_ADDRESS.search(person.email):
        raise InvalidRequest.of(f"{field}.email", "is not an address", code="address_syntax")
    if not person.name:
        return person.email
    quoted = re.sub(r'(["\\])', r"\\\1", person.name)
    return f'"{quoted}" <{person.email}>'


def _moment(timestamp: int | None, field: str) -> str | None:
    if timestamp is None:
        return None
    try:
        return datetime.fromtimestamp(timestamp, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        raise InvalidRequest.of(field, "is not a Unix time") from None


def _attachment(one: Attachment) -> dict[str, Any]:
    named = {"content": one.content, "filename": one.filename, "content_id": one.content_id}
    return named | ({"content_type": one.type} if one.type else {})
