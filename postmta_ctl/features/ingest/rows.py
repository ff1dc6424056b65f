"""From a log record to the row of an event. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from postmta_ctl.compiler.names import parse_source
from postmta_ctl.core.bounces import class_of
from postmta_ctl.core.kumo_log import LogRecord
from postmta_ctl.core.log_events import campaign_of, dedupe_key, event_type, rid_of
from postmta_ctl.features.ingest.queries import Known

MAX_REPLY = 2000
"""Characters kept of a reply: more than SMTP replies have in practice, less than would hurt."""


def event_row(
    record: LogRecord, *, node: str, known: Known | None, organization_id: str | None, now: datetime
) -> dict[str, Any]:
    """The row of ``events`` that keeps a record.

    Args:
        record: The record.
        node: Name of the node that sent it.
        known: The recipient it is about, when it is one of ours.
        organization_id: Whose it is.
        now: When it was received.
    """
    kind = event_type(record)
    response = record.response
    enhanced = None if response.enhanced_code is None else str(response.enhanced_code)
    return {
        "dedupe_key": dedupe_key(record),
        "organization_id": organization_id,
        "message_id": known.message_id if known else None,
        "recipient_id": rid_of(record),
        "type": kind,
        "record_type": record.type[:40],
        "occurred_at": record.occurred_at,
        "received_at": now,
        "node": node,
        "spool_id": record.id[:32] or None,
        "recipient": ", ".join(record.recipients)[:320] or None,
        "queue": record.queue[:400] or None,
        "campaign": _cut(campaign_of(record), 63),
        "vmta": _cut(vmta_of(record.egress_source), 63),
        "provider": _cut(record.provider_name, 100),
        "code": response.code or None,
        "enhanced_code": enhanced,
        "reply": response.content[:MAX_REPLY] or None,
        "bounce_class": class_of(record),
        "attempts": record.num_attempts,
        "details": _details(record),
    }


def vmta_of(source: str | None) -> str | None:
    """The vMTA that an egress source is a version of; a source that is none of ours keeps its name."""
    if source is None:
        return None
    parsed = parse_source(source)
    return parsed.vmta if parsed else source


def _cut(text: str | None, length: int) -> str | None:
    return None if text is None else text[:length]


def _details(record: LogRecord) -> dict[str, Any]:
    """What has no column of its own, empty values left out."""
    peer = record.peer_address
    found: dict[str, Any] = {
        "sender": record.sender,
        "size": record.size,
        "site": record.site,
        "pool": record.egress_pool,
        "source": record.egress_source,
        "source_address": record.source_address.address if record.source_address else None,
        "peer": {"name": peer.name, "address": peer.addr} if peer else None,
        "tls": record.tls_protocol_version,
        "feedback_type": record.feedback_report.feedback_type if record.feedback_report else None,
    }
    return {name: value for name, value in found.items() if value}
