"""What a KumoMTA log record means: which event it is, of which recipient, and whether we have it already.

Record types are those of KumoMTA's docs (reference/log_record); events are ours.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime
from hashlib import blake2b
from uuid import UUID

import msgspec

from postmta_ctl.core import verp
from postmta_ctl.core.kumo_log import LogRecord

_EVENTS = {
    "Reception": "message.accepted",
    "Delivery": "message.delivered",
    "TransientFailure": "message.deferred",
    "Bounce": "message.bounced",
    "OOB": "message.bounced",
    "Expiration": "message.bounced",
    "AdminBounce": "message.cancelled",
    "Feedback": "message.complained",
    "Rejection": "message.rejected",
}
_ALWAYS = frozenset({"Delivery", "TransientFailure"})
"""Nothing else in such a record makes it another event."""
_REPORTS = frozenset({"OOB", "Feedback"})
_NOT_QUEUED = "KumoMTA internal: QueueManager::insert failed during reception"
_SUPPRESSED = "postmta-suppressed"
_RCPT = re.compile(r"RCPT TO:\s*<(?P<address>[^<>\s]+)>", re.IGNORECASE)
_MAX_RELEASE = 2**31 - 1
_GENERATOR_QUEUE = "generator.kumomta.internal"
_encode = msgspec.msgpack.Encoder().encode
_EPOCH_DAY = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_DAY = 86_400_000_000
"""In microseconds."""
_SINCE_GREGORIAN = 12_219_292_800
"""Seconds from the beginning of the times in UUIDs (RFC 9562 §5.1) to that of the epoch."""


def event_type(record: LogRecord) -> str:
    """The name of the event a record stands for; ``kumomta.<type>`` for those that say nothing of a recipient's fate.

    A Bounce because the node could not even queue the message is ``message.deferred``: the node is at fault, the
    inject call failed as well, and the relay tries again.
    """
    if record.type in _ALWAYS:
        return _EVENTS[record.type]
    if record.type == "AdminRebind" and record.queue == "null":
        return "message.cancelled"
    if _is_suppressed(record):
        return "message.suppressed"
    if is_not_queued(record):
        return "message.deferred"
    return _EVENTS.get(record.type) or f"kumomta.{record.type}"


def _is_suppressed(record: LogRecord) -> bool:
    """Whether the policy refused a recipient who must get no mail, or took the message and dropped it."""
    if record.type == "Rejection":
        return record.response.content.startswith(_SUPPRESSED)
    return record.type == "Reception" and bool((record.meta or {}).get("x_suppressed"))


def is_not_queued(record: LogRecord) -> bool:
    """Whether the node took a message of ours, told so, and then failed to put it in a queue: it does not have it.

    One that came by SMTP is lost where that happens: nobody here has it to bring it again.
    """
    is_so = record.type == "Bounce" and record.response.content.startswith(_NOT_QUEUED)
    return is_so and "x_smtp" not in (record.meta or {})


def is_out_of_band(record: LogRecord) -> bool:
    """Whether a bounce was reported after a delivery (RFC 3464)."""
    return record.type == "OOB"


def is_report(record: LogRecord) -> bool:
    """Whether a record is about a message that was delivered before, and came as a message of its own."""
    return record.type in _REPORTS


def is_ignorable(record: LogRecord, report_domains: Collection[str] = ()) -> bool:
    """Whether a record is no mail of anybody's.

    That is the delivery of log records by the hook (in the log files there is one for each record), deferred
    generation, and the reception of reports at ``report_domains``, which the OOB or Feedback record tells better.
    """
    if record.reception_protocol == "LogRecord" or record.queue == _GENERATOR_QUEUE:
        return True
    if record.type != "Reception":
        return False
    if isinstance(record.recipient, str):
        return domain_of(record.recipient) in report_domains
    return all(domain_of(address) in report_domains for address in record.recipient)


def dedupe_key(record: LogRecord) -> bytes:
    """16 octets, equal for the same event however often and by whichever logger it comes.

    Node, spool id, type, time to the nanosecond and recipients. A Rejection has no spool id, so its session and
    reply stand in. The time of an OOB record is the report's, in seconds, or differs from logger to logger: left out.
    The others' keys begin with the time of the day, so that new keys come to lie beside each other in an index.
    """
    recipients = [record.recipient] if isinstance(record.recipient, str) else sorted(record.recipient)
    time = record.event_time or str(record.timestamp)
    parts: tuple[object, ...] = (record.nodeid, record.id, record.type, time, recipients)
    if record.type == "Rejection":
        parts += (record.session_id, record.response.code, record.response.content)
    elif record.type == "OOB":
        parts = (record.nodeid, record.type, record.id, recipients)
        return blake2b(_encode(parts), digest_size=16).digest()
    millisecond = record.micros % _DAY // 1000
    return millisecond.to_bytes(4, "big") + blake2b(_encode(parts), digest_size=12).digest()


def day_of(record: LogRecord) -> int:
    """The day (UTC, since the epoch) by which an event is filed. Whatever comes again comes for the same day, so that
    repeats are looked for among the events of one day only.

    It is the day on which it happened; of an OOB record, whose time is not always the same, that of its spool id.
    """
    if record.type == "OOB" and (made := _made_at(record.id)) is not None:
        return made
    return record.micros // _DAY


def day_number(moment: datetime) -> int:
    """Days from the epoch to the day of a moment."""
    return moment.toordinal() - _EPOCH_DAY


def _made_at(spool_id: str) -> int | None:
    """The day in a spool id, which is a UUID of version 1; none for another."""
    try:
        made = UUID(spool_id)
    except ValueError:
        return None
    return (made.time // 10_000_000 - _SINCE_GREGORIAN) // 86_400 if made.version == 1 else None


def recipients_of(record: LogRecord) -> tuple[str, ...]:
    """Whom a record is about. A refused recipient stands in the command; the record has the one accepted before."""
    refused = _RCPT.match(record.response.command or "") if record.type == "Rejection" else None
    return (refused["address"],) if refused else record.recipients


def rid_of(record: LogRecord) -> str | None:
    """The recipient id that a record is about.

    From what the policy put into the message's meta; else from the VERP envelope sender. A report has neither: an
    OOB record carries the VERP address as its sender, a complaint has it inside, with the trace header beside it.
    """
    return _meta(record, "x_rid", "rid") or _from_report(record) or verp.read(record.sender)


def tenant_of(record: LogRecord) -> str | None:
    """The tenant: an organization's slug, followed by ``.vmta`` if the message was pinned to one."""
    return _meta(record, "tenant", "tenant") or _trace(record, "tenant")


def campaign_of(record: LogRecord) -> str | None:
    """The campaign, if there was one."""
    return _meta(record, "campaign", "campaign")


def release_of(record: LogRecord) -> int | None:
    """The release whose policy took the message in, as that policy noted it (``kumo_policy/reception.lua``)."""
    release = record.meta.get("x_release") if record.meta else None
    # True and False are whole numbers, too.
    return release if type(release) is int and 0 < release <= _MAX_RELEASE else None


def generation_of(record: LogRecord) -> int | None:
    """Which injection of its recipient a message came by, as ``core.inject`` counts them."""
    extra = (record.meta or {}).get("extra")
    number = extra.get("attempt") if isinstance(extra, dict) else None
    return number if isinstance(number, int) and 0 < number < _MAX_RELEASE else None


def domain_of(address: str) -> str:
    """The domain of an address, in lower case; empty if there is none."""
    return address.rpartition("@")[2].lower() if "@" in address else ""


def _from_report(record: LogRecord) -> str | None:
    report = record.feedback_report
    if report is None:
        return None
    return _trace(record, "x_rid") or verp.read(report.original_mail_from or "")


def _meta(record: LogRecord, name: str, extra_name: str) -> str | None:
    """What the policy put into the message's meta, else what the inject request did, whose part of it is ``extra``."""
    meta = record.meta
    if meta is None:
        return None
    if found := _string(meta.get(name)):
        return found
    extra = meta.get("extra")
    return _string(extra.get(extra_name)) if isinstance(extra, dict) else None


def _trace(record: LogRecord, name: str) -> str | None:
    report = record.feedback_report
    return _string((report.supplemental_trace or {}).get(name)) if report else None


def _string(value: object) -> str | None:
    # Meta is whatever a policy or a report put there; only text can be an id.
    return value if isinstance(value, str) and value else None
