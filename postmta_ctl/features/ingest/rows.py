"""From a log record to the row of an event. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from postmta_ctl.compiler.names import parse_source
from postmta_ctl.core.bounces import class_of
from postmta_ctl.core.kumo_log import LogRecord
from postmta_ctl.core.log_events import campaign_of, dedupe_key, domain_of, event_type, is_report, recipients_of, rid_of
from postmta_ctl.core.providers import well_known
from postmta_ctl.features.ingest.queries import Known

MAX_RECIPIENT = 320
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
        "recipient": ", ".join(recipients_of(record))[:MAX_RECIPIENT] or None,
        "queue": record.queue[:400] or None,
        "campaign": _cut(campaign_of(record), 63),
        "vmta": _cut(_vmta(record, known), 63),
        "provider": _cut(_provider(record, known), 100),
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


def _vmta(record: LogRecord, known: Known | None) -> str | None:
    """Of a report, which names none, the vMTA that sent what it complains of, as far as that is known by now."""
    if known is not None and is_report(record):
        return known.vmta
    return vmta_of(record.egress_source)


def _provider(record: LogRecord, known: Known | None) -> str | None:
    """As the node names it, else by the recipient's domain or the host that was spoken to."""
    recipient = known.address if known else next(iter(recipients_of(record)), "")
    # The peer of an attempt is the recipient's server; of a reception or report it is somebody else's.
    peer = record.peer_address if record.egress_source is not None else None
    return record.provider_name or well_known(domain_of(recipient), peer.name if peer else "")


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
