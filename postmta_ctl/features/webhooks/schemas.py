"""What the webhook routes take and give."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from postmta_ctl.core.ssrf import MAX_URL

Url = Annotated[str, Meta(min_length=1, max_length=MAX_URL, examples=["https://example.com/hooks/postmta"])]
EventTypes = Annotated[
    list[Annotated[str, Meta(max_length=100)]],
    Meta(min_length=1, max_length=100, examples=[["message.delivered", "message.bounced"]]),
]
Description = Annotated[str, Meta(max_length=500, examples=["CRM"])]
DeliveryStatus = Literal["pending", "succeeded", "failed"]


class WebhookCreate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new endpoint."""

    url: Url
    """Public HTTPS. Redirects are not followed."""
    events: EventTypes | None = None
    """Types of event it is told of; null or absent: all, those to come as well."""
    description: Description = ""
    enabled: bool = True


class WebhookUpdate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes; fields that are absent stay as they are."""

    url: Url | UnsetType = UNSET
    events: EventTypes | UnsetType | None = UNSET
    description: Description | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    """True also forgives an endpoint that was disabled for its failures; what waits for it goes out again."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint, without its secrets."""

    id: str
    url: str
    events: list[str] | None
    description: str
    enabled: bool
    disabled_reason: Literal["by_user", "gone", "failing"] | None
    """``gone``: it answered 410; ``failing``: nothing has succeeded for days."""
    failing_since: datetime | None
    """When the first attempt failed since which none has succeeded."""
    previous_secret_expires_at: datetime | None
    """Until then requests are signed with the secret before the last rotation as well."""
    updated_at: datetime
    created_at: datetime


class WebhookSecret(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint with its new secret, which is shown this once."""

    webhook: Webhook
    secret: str
    """``whsec_`` and base64, as the libraries of Standard Webhooks take it."""


class RotateSecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long both secrets sign."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=7 * 86_400)] = 86_400


class DeliveryAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One request and the answer to it."""

    at: datetime
    url: str
    request_headers: dict[str, str]
    status_code: int | None
    """Null when no answer came."""
    response_body: str
    """The first 4 KiB; octets that are no UTF-8 are replaced."""
    error: Literal["refused", "dns", "connect", "tls", "timeout", "protocol"] | None
    """``refused``: the address is none that requests are sent to."""
    detail: str | None
    duration_ms: int


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way to the endpoint, or there."""

    id: str
    """The header ``webhook-id``, the same for every attempt and every replay."""
    webhook_id: str
    type: str
    status: DeliveryStatus
    payload: dict[str, Any]
    attempts: list[DeliveryAttempt]
    next_attempt_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
