"""A log record with what is asked of it at several places, found out once. Pure."""

from __future__ import annotations

import msgspec

from postmta_ctl.core.bounces import class_of
from postmta_ctl.core.kumo_log import LogRecord
from postmta_ctl.core.log_events import day_of, dedupe_key, event_type, rid_of

MAX_RID = 36
"""Characters of a recipient's id; what is longer is none of ours."""

Key = tuple[int, bytes]
"""What an event is known again by: its day, and the dedupe key."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """A record, and what it means."""

    record: LogRecord
    node: str
    """Name of the node that sent it."""
    key: Key
    kind: str
    """Type of the event."""
    at: int
    """When it happened, in microseconds since the epoch."""
    rid: str | None
    bounce_class: str | None


def read(node: str, record: LogRecord) -> Reading:
    """What a record means that a node sent."""
    rid = rid_of(record)
    return Reading(
        record,
        node,
        (day_of(record), dedupe_key(record)),
        event_type(record),
        record.micros,
        rid if rid is not None and len(rid) <= MAX_RID else None,
        class_of(record),
    )
