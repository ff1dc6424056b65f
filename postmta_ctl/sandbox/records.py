"""Log records: field by field what KumoMTA writes (reference, "Log Record").

Fields that KumoMTA leaves out when there is nothing to say are ``UNSET`` here; all others are always written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from postmta_ctl.sandbox.durations import SECOND, show_moment
from postmta_ctl.sandbox.receivers import Reply

RecordType = Literal[
    "Reception",
    "Delivery",
    "Bounce",
    "TransientFailure",
    "Expiration",
    "AdminBounce",
    "OOB",
    "Feedback",
    "AdminRebind",
    "Delayed",
]
UNCLASSIFIED = "Uncategorized"
LOG_RECORD = "LogRecord"
"""Reception protocol of the messages that carry records to a log hook."""


class EnhancedCode(msgspec.Struct, frozen=True):
    """An enhanced status code (RFC 3463)."""

    class_: int = msgspec.field(name="class")
    subject: int
    detail: int


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An SMTP reply, the peer's or KumoMTA's own."""

    code: int
    enhanced_code: EnhancedCode | None = None
    content: str = ""
    command: str | None = None


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """The other end of a connection."""

    name: str
    addr: str


class SourceAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Our end of a connection; with a proxy, the proxy as well."""

    address: str
    server: str | UnsetType = UNSET
    protocol: str | UnsetType = UNSET


class LogRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a log."""

    type: RecordType
    id: str
    sender: str
    recipient: str | list[str]
    queue: str
    site: str = ""
    size: int = 0
    response: Response
    peer_address: Peer | None = None
    timestamp: int
    event_time: str
    created: int
    created_time: str
    num_attempts: int = 0
    bounce_classification: str = UNCLASSIFIED
    egress_pool: str | None = None
    egress_source: str | None = None
    source_address: SourceAddress | None = None
    feedback_report: dict[str, Any] | None = None
    meta: Mapping[str, Any] = {}
    headers: Mapping[str, Any] = {}
    delivery_protocol: str | None = None
    reception_protocol: str | None = None
    nodeid: str
    provider_name: str | UnsetType = UNSET
    session_id: str | UnsetType = UNSET


def response_of(reply: Reply, recipient: str) -> Response:
    """A receiver's reply as records show it."""
    return response(reply.code, reply.enhanced, reply.content, reply.command(recipient))


def response(
    code: int, enhanced: tuple[int, int, int] | None = None, content: str = "", command: str | None = None
) -> Response:
    """A reply that KumoMTA made up itself."""
    return Response(
        code=code, enhanced_code=EnhancedCode(*enhanced) if enhanced else None, content=content, command=command
    )


def times(event: int, created: int) -> dict[str, Any]:
    """The four fields that say when it happened and when the message came in."""
    return {
        "timestamp": event // SECOND,
        "event_time": show_moment(event),
        "created": created // SECOND,
        "created_time": show_moment(created),
    }


def chosen(values: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """The entries whose names a logger asked for, whole or by a beginning followed by ``*``."""
    names = tuple(wanted)
    return {name: value for name, value in values.items() if any(_matches(name, each) for each in names)}


def _matches(name: str, wanted: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted
