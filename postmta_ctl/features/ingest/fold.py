"""What a log record changes of a recipient. Pure."""

from __future__ import annotations

import msgspec

from postmta_ctl.core.bounces import class_of
from postmta_ctl.core.kumo_log import LogRecord
from postmta_ctl.core.log_events import event_type, is_report, release_of
from postmta_ctl.core.status import RecipientEvent, RecipientState, advance
from postmta_ctl.features.ingest.queries import Known
from postmta_ctl.features.ingest.rows import MAX_REPLY, vmta_of


def fold(known: Known, record: LogRecord, node: str) -> Known:
    """The recipient after the record. In whatever order records come, the end is the same."""
    state = advance(_state(known), _event(record))
    changed = msgspec.structs.replace(
        known,
        status=state.status,
        status_at=state.at,
        code=state.code,
        reply=state.reply,
        bounce_class=state.bounce_class,
        complained=state.complained,
        attempts=max(known.attempts, _attempts(record)),
    )
    # A report is another message: its node and spool id say nothing of the one it is about.
    if is_report(record):
        return changed
    is_attempt = record.egress_source is not None
    return msgspec.structs.replace(
        changed,
        node=node,
        spool_id=record.id[:32] or known.spool_id,
        release=release_of(record) or known.release,
        vmta=vmta_of(record.egress_source) if is_attempt and _decides(known, state) else known.vmta,
    )


def _decides(known: Known, state: RecipientState) -> bool:
    """Whether the vMTA shown is that of this record: the one that brought the status, or the first that is known."""
    return known.vmta is None or (state.status, state.at) != (known.status, known.status_at)


def _attempts(record: LogRecord) -> int:
    """Attempts made when the record was written: KumoMTA counts those before it."""
    is_attempt = record.type in ("Delivery", "TransientFailure", "Bounce") and record.egress_source is not None
    return (record.num_attempts or 0) + is_attempt


def _state(known: Known) -> RecipientState:
    return RecipientState(
        status=known.status,
        at=known.status_at,
        code=known.code,
        reply=known.reply,
        bounce_class=known.bounce_class,
        complained=known.complained,
    )


def _event(record: LogRecord) -> RecipientEvent:
    return RecipientEvent(
        type=event_type(record),
        at=record.occurred_at,
        code=record.response.code or None,
        reply=record.response.content[:MAX_REPLY] or None,
        bounce_class=class_of(record),
    )
