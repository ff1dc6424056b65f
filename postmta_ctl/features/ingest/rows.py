"""From a log record to the row of an event. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from postmta_ctl.compiler.names import parse_source
from postmta_ctl.core.kumo_log import EnhancedCode, LogRecord
from postmta_ctl.core.log_events import (
    campaign_of,
    domain_of,
    generation_of,
    is_not_queued,
    is_report,
    recipients_of,
)
from postmta_ctl.core.providers import well_known
from postmta_ctl.features.ingest.reading import Reading

if TYPE_CHECKING:
    from postmta_ctl.features.ingest.known import Known

MAX_RECIPIENT, MAX_VMTA = 320, 63
MAX_REPLY = 2000
"""Characters kept of a reply: more than SMTP replies have in practice, less than would hurt."""
_encode = msgspec.json.Encoder().encode


class Peer(msgspec.Struct, frozen=True, gc=False):
    """The other side of a connection."""

    name: str
    address: str


class Details(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What of a record has no column of its own; what is empty is left out."""

    sender: str = ""
    size: int = 0
    site: str = ""
    pool: str | None = None
    source: str | None = None
    source_address: str | None = None
    peer: Peer | None = None
    tls: str | None = None
    feedback_type: str | None = None
    generation: int | None = None
    """Of a message that a node failed to queue: which injection it came by."""


class EventRow(msgspec.Struct, frozen=True, gc=False):
    """The row of ``events`` that keeps a record: fields in the order of the columns, as the driver takes them."""

    day: int
    dedupe_key: bytes
    organization_id: str | None
    message_id: str | None
    recipient_id: str | None
    type: str
    record_type: str
    occurred_at: int
    received_at: int
    node: str
    spool_id: str | None
    recipient: str | None
    queue: str | None
    campaign: str | None
    vmta: str | None
    provider: str | None
    code: int | None
    enhanced_code: str | None
    reply: str | None
    bounce_class: str | None
    attempts: int | None
    details: bytes


def event_row(reading: Reading, known: Known | None, organization_id: str | None, now: int) -> EventRow:
    """The row of ``events`` that keeps a record.

    Args:
        reading: The record.
        known: The recipient it is about, when it is one of ours.
        organization_id: Whose it is.
        now: When it was received, in microseconds since the epoch.
    """
    record = reading.record
    response = record.response
    day, key = reading.key
    whom = _whom(record)[:MAX_RECIPIENT]
    return EventRow(
        day,
        key,
        organization_id,
        known.message_id if known else None,
        reading.rid,
        reading.kind,
        record.type[:40],
        reading.at,
        now,
        reading.node,
        record.id[:32] or None,
        whom or None,
        record.queue[:400] or None,
        _cut(campaign_of(record), 63),
        _vmta(record, known),
        _cut(_provider(record, known.address if known else whom.partition(", ")[0]), 100),
        response.code or None,
        _printed(response.enhanced_code),
        response.content[:MAX_REPLY] or None,
        reading.bounce_class,
        record.num_attempts,
        _encode(_details(record)),
    )


@lru_cache(maxsize=1000)
def _printed(code: EnhancedCode | None) -> str | None:
    return None if code is None else str(code)


@lru_cache(maxsize=1000)
def vmta_of(source: str | None) -> str | None:
    """The vMTA that an egress source is a version of; a source that is none of ours keeps its name, or its
    beginning."""
    if source is None:
        return None
    parsed = parse_source(source)
    return parsed.vmta if parsed else source[:MAX_VMTA]


def _whom(record: LogRecord) -> str:
    if isinstance(record.recipient, str) and record.type != "Rejection":
        return record.recipient
    return ", ".join(recipients_of(record))


def _vmta(record: LogRecord, known: Known | None) -> str | None:
    """Of a report, which names none, the vMTA that sent what it complains of, as far as that is known by now."""
    if known is not None and is_report(record):
        return known.vmta
    return vmta_of(record.egress_source)


def _provider(record: LogRecord, recipient: str) -> str | None:
    """As the node names it, else by the recipient's domain or the host that was spoken to."""
    if record.provider_name:
        return record.provider_name
    # The peer of an attempt is the recipient's server; of a reception or report it is somebody else's.
    peer = record.peer_address if record.egress_source is not None else None
    return well_known(domain_of(recipient), peer.name if peer else "")


def _cut(text: str | None, length: int) -> str | None:
    return None if text is None else text[:length]


def _details(record: LogRecord) -> Details:
    peer, source, report = record.peer_address, record.source_address, record.feedback_report
    return Details(
        record.sender,
        record.size,
        record.site,
        record.egress_pool or None,
        record.egress_source or None,
        (source.address or None) if source else None,
        Peer(peer.name, peer.addr) if peer else None,
        record.tls_protocol_version or None,
        (report.feedback_type or None) if report else None,
        generation_of(record) if is_not_queued(record) else None,
    )
