"""Bodies of requests and answers of KumoMTA's HTTP API (reference, "KumoMTA HTTP API").

Which of them refuse unknown keys is KumoMTA's choice: injection and bounce do, suspend and rebind ignore them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``from`` and ``reply_to`` of a message to be built."""

    email: str
    name: str | None = None


class Attachment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file; with a ``content_id`` it is shown inside the HTML."""

    data: str
    content_type: str
    file_name: str | None = None
    content_id: str | None = None
    base64: bool = False


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message to be built by the node."""

    text_body: str | None = None
    html_body: str | None = None
    amp_html_body: str | None = None
    attachments: list[Attachment] = []
    headers: dict[str, str] = {}
    from_: Address | None = msgspec.field(name="from", default=None)
    subject: str | None = None
    reply_to: Address | None = None


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who gets a message of his own."""

    email: str
    name: str | None = None
    substitutions: dict[str, Any] = {}
    metadata: dict[str, Any] = {}


class TraceHeaders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which trace headers are added. Given in part, ``received_header`` defaults to true, as KumoMTA has it."""

    received_header: bool = True
    supplemental_header: bool = True
    header_name: str = "X-KumoRef"
    include_meta_names: list[str] = []


class InjectV1Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages to one or many."""

    envelope_sender: str
    recipients: list[Recipient]
    content: str | Content
    substitutions: dict[str, Any] = {}
    deferred_spool: bool = False
    deferred_generation: bool = False
    trace_headers: TraceHeaders = TraceHeaders(received_header=False)
    template_dialect: Literal["Jinja", "Static", "Handlebars"] = "Jinja"


class InjectV1Response(msgspec.Struct):
    """How many were taken; total failure is still a 200."""

    success_count: int = 0
    fail_count: int = 0
    failed_recipients: list[str] = []
    errors: list[str] = []


class Criteria(msgspec.Struct, frozen=True, kw_only=True):
    """Which scheduled queues; what is absent matches any, ``queue_names`` overrides the rest."""

    campaign: str | None = None
    tenant: str | None = None
    domain: str | None = None
    routing_domain: str | None = None
    queue_names: list[str] = []


class BounceV1Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounce what is queued, and what comes in while the rule lasts."""

    campaign: str | None = None
    tenant: str | None = None
    domain: str | None = None
    routing_domain: str | None = None
    reason: str
    duration: str | float | None = None
    suppress_logging: bool = False
    expires: str | None = None
    queue_names: list[str] = []


class SuspendV1Request(msgspec.Struct, frozen=True, kw_only=True):
    """Hold what is queued and what comes in."""

    campaign: str | None = None
    tenant: str | None = None
    domain: str | None = None
    reason: str
    duration: str | float | None = None
    expires: str | None = None
    queue_names: list[str] = []


class SuspendReadyQueueV1Request(msgspec.Struct, frozen=True, kw_only=True):
    """Stop one source towards one site."""

    name: str
    reason: str
    duration: str | float | None = None
    expires: str | None = None


class CancelRequest(msgspec.Struct, frozen=True):
    """Remove a rule."""

    id: str


class RebindV1Request(msgspec.Struct, frozen=True, kw_only=True):
    """Move queued messages, or have them tried now."""

    campaign: str | None = None
    tenant: str | None = None
    domain: str | None = None
    routing_domain: str | None = None
    reason: str
    data: dict[str, str]
    suppress_logging: bool = False
    trigger_rebind_event: bool = False
    always_flush: bool = False
