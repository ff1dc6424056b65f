"""What is sent to endpoints: ``{"type": …, "timestamp": …, "data": {…}}``, after Standard Webhooks.

Fields that have no value are left out. New fields may appear at any time; receivers pass over what they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from postmta_ctl.store.types import from_micros

if TYPE_CHECKING:
    from postmta_ctl.features.ingest.rows import EventRow


class MailData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``data`` of all ``message.…`` events: which message to whom, as far as it is one of the API's."""

    message_id: str | None = None
    recipient_id: str | None = None
    recipient: str | None = None
    tags: list[str] = []
    metadata: dict[str, Any] = {}
    """As it was given when the message was sent."""
    campaign: str | None = None


class AttemptData(MailData, frozen=True, kw_only=True, omit_defaults=True):
    """``data`` of the events that a node's log told."""

    vmta: str | None = None
    provider: str | None = None
    code: int | None = None
    """SMTP reply code."""
    enhanced_code: str | None = None
    """RFC 3463, such as ``5.1.1``."""
    reply: str | None = None
    """In the server's own words."""
    bounce_class: str | None = None
    attempts: int | None = None
    """Made before this one."""
    feedback_type: str | None = None
    """Of a complaint (RFC 5965)."""


class TrackingData(MailData, frozen=True, kw_only=True, omit_defaults=True):
    """``data`` of ``message.opened`` and ``message.clicked``."""

    url: str | None = None
    """Where the link led."""
    user_agent: str = ""
    agent: str | None = None
    """The proxy, prefetcher or scanner that it was, if that is known."""
    is_bot: bool | None = None
    """Nobody had to look at the mail for it."""


class WebhookDisabledData(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of ``webhook.disabled``; it goes to the organization's other endpoints."""

    webhook_id: str
    url: str
    reason: str
    """``gone``: it answered 410; ``failing``: nothing succeeded for days."""
    failing_since: datetime


class VmtaData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``data`` of ``vmta.paused`` and ``vmta.resumed``."""

    vmta_id: str
    vmta: str
    """Its name."""
    author: str
    reason: str | None = None


class TestData(msgspec.Struct, frozen=True, kw_only=True):
    """``data`` of ``webhook.test``."""

    webhook_id: str
    requested_by: str


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a webhook."""

    type: str
    timestamp: datetime
    """When it happened."""
    data: Any


_TRACKED = frozenset({"message.opened", "message.clicked"})
_encode = msgspec.json.Encoder().encode


def payload(kind: str, at: datetime, data: msgspec.Struct) -> bytes:
    """The body to send."""
    return _encode(Payload(type=kind, timestamp=at, data=data))


def mail_data(row: Mapping[str, Any], tags: list[str], metadata: dict[str, Any]) -> MailData:
    """The ``data`` of an event.

    Args:
        row: The event, by the column names of ``events``.
        tags: Of its message.
        metadata: Of its message.
    """
    kind = TrackingData if row["type"] in _TRACKED else AttemptData
    known = {**(row.get("details") or {}), **row, "tags": tags, "metadata": metadata}
    return kind(**{name: known[name] for name in kind.__struct_fields__ if known.get(name) is not None})


def attempt_payload(row: EventRow, tags: list[str], metadata: dict[str, Any]) -> bytes:
    """The body that tells of a log record, as by :func:`mail_data` and :func:`payload`; field by field, since there is
    one for each record.

    Args:
        row: The event.
        tags: Of its message.
        metadata: Of its message.
    """
    data = AttemptData(
        message_id=row.message_id,
        recipient_id=row.recipient_id,
        recipient=row.recipient,
        tags=tags,
        metadata=metadata,
        campaign=row.campaign,
        vmta=row.vmta,
        provider=row.provider,
        code=row.code,
        enhanced_code=row.enhanced_code,
        reply=row.reply,
        bounce_class=row.bounce_class,
        attempts=row.attempts,
        feedback_type=_feedback_type(row) if row.record_type == "Feedback" else None,
    )
    return payload(row.type, from_micros(row.occurred_at), data)


def _feedback_type(row: EventRow) -> str | None:
    return msgspec.json.decode(row.details, type=_Complaint).feedback_type


class _Complaint(msgspec.Struct, frozen=True):
    feedback_type: str | None = None
