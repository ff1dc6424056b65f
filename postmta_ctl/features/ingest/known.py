"""What is known of a recipient, and what a log record changes of it. Pure."""

from __future__ import annotations

import msgspec

from postmta_ctl.core.kumo_log import LogRecord
from postmta_ctl.core.log_events import is_report, release_of
from postmta_ctl.core.status import RecipientEvent, RecipientState, advance
from postmta_ctl.features.ingest.reading import Reading
from postmta_ctl.features.ingest.rows import MAX_REPLY, vmta_of


class MessageFacts(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What of a message its events are counted by."""

    domain: str
    tags: tuple[str, ...]
    batch_id: str | None


class Known(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A recipient as the database has it: fields in the order in which ``queries`` asks for them."""

    id: str
    message_id: str
    organization_id: str
    address: str
    state: RecipientState
    attempts: int
    node: str | None
    spool_id: str | None
    vmta: str | None
    release: int | None
    credits: int
    credit_state: str | None
    message: MessageFacts


def fold(known: Known, reading: Reading) -> Known:
    """The recipient after the record. In whatever order records come, the end is the same."""
    record = reading.record
    state = advance(known.state, _event(reading))
    attempts = max(known.attempts, _attempts(record))
    # A report is another message: its node and spool id say nothing of the one it is about.
    if is_report(record):
        return msgspec.structs.replace(known, state=state, attempts=attempts)
    return Known(
        known.id,
        known.message_id,
        known.organization_id,
        known.address,
        state,
        attempts,
        reading.node,
        record.id[:32] or known.spool_id,
        vmta_of(record.egress_source) if _decides(known, record, state) else known.vmta,
        release_of(record) or known.release,
        known.credits,
        known.credit_state,
        known.message,
    )


def _decides(known: Known, record: LogRecord, after: RecipientState) -> bool:
    """Whether the vMTA shown is that of the record: it is the first, or brought the status that stands."""
    if record.egress_source is None:
        return False
    return known.vmta is None or after.status != known.state.status or after.at != known.state.at


def _attempts(record: LogRecord) -> int:
    """Attempts made when the record was written: KumoMTA counts those before it."""
    is_attempt = record.type in ("Delivery", "TransientFailure", "Bounce") and record.egress_source is not None
    return (record.num_attempts or 0) + is_attempt


def _event(reading: Reading) -> RecipientEvent:
    response = reading.record.response
    return RecipientEvent(
        reading.kind,
        reading.at,
        response.code or None,
        response.content[:MAX_REPLY] or None,
        reading.bounce_class,
    )
