"""What log records say of addresses: a hard bounce or a complaint puts them on the list. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from postmta_ctl.core.addresses import parse_mailbox
from postmta_ctl.core.bounces import class_of, is_hard
from postmta_ctl.core.errors import InputError
from postmta_ctl.core.kumo_log import LogRecord
from postmta_ctl.core.log_events import event_type
from postmta_ctl.features.suppressions.queries import Reason, SuppressionRow
from postmta_ctl.features.suppressions.service import new_row

_NOT_SPAM = "not-spam"
"""Feedback type of a report that takes a complaint back (RFC 6430)."""


def reason_of(record: LogRecord) -> Reason | None:
    """Why the recipient of this record must get no more mail; None if it may."""
    kind = event_type(record)
    if kind == "message.bounced":
        found = class_of(record)
        return "hard_bounce" if found is not None and is_hard(found) else None
    if kind == "message.complained":
        report = record.feedback_report
        return None if report is not None and report.feedback_type == _NOT_SPAM else "complaint"
    return None


def rows_of(
    record: LogRecord, organization_id: str, now: datetime, *, address: str | None, message_id: str | None
) -> Iterator[SuppressionRow]:
    """The entries that follow from a record.

    Args:
        record: The record.
        organization_id: Whose mail it is about.
        now: When it came.
        address: The recipient, if it is one of ours. A report is believed only then: whoever sends one without the
            id that only the recipient got could have anybody's address suppressed.
        message_id: Its message.
    """
    reason = reason_of(record)
    if reason is None:
        return
    if address is None and record.type != "Bounce":
        return
    for one in (address,) if address is not None else record.recipients:
        try:
            key = parse_mailbox(one).dedupe_key
        except InputError:
            continue  # came in by SMTP, in a form that the API would not accept
        yield new_row(organization_id, key, reason, now, message_id=message_id)
