"""What happened to mail, as the nodes' log records told it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint, text

from postmta_ctl.core.log_events import day_number
from postmta_ctl.store import partitions  # noqa: F401 - teaches PostgreSQL's primary key
from postmta_ctl.store.tables.base import metadata
from postmta_ctl.store.types import Id, Json, Timestamp

_FAILURE = text("bounce_class IS NOT NULL")
_DEFERRED = text("type = 'message.deferred'")


def _day(context: Any) -> int:
    """Of events that no log record tells of, the day on which they happened."""
    return day_number(context.get_current_parameters()["occurred_at"])


SERIAL = BigInteger().with_variant(Integer, "sqlite")

events = Table(
    "events",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("day", Integer, nullable=False, default=_day, comment="since the epoch; see core.log_events.day_of"),
    Column("dedupe_key", LargeBinary(16), nullable=False),
    Column("organization_id", Id),
    Column("message_id", Id),
    Column("recipient_id", Id),
    Column("type", String(40), nullable=False),
    Column("record_type", String(40), nullable=False),
    Column("occurred_at", Timestamp, nullable=False),
    Column("received_at", Timestamp, nullable=False),
    Column("node", String(63), nullable=False),
    Column("spool_id", String(32)),
    Column("recipient", String(320)),
    Column("queue", String(400)),
    Column("campaign", String(63)),
    Column("vmta", String(63)),
    Column("provider", String(100)),
    Column("code", Integer),
    Column("enhanced_code", String(16)),
    Column("reply", Text),
    Column("bounce_class", String(32)),
    Column("attempts", Integer),
    Column("details", Json, comment="what of the record has no column of its own"),
    # The day stands first: repeats come soon, so what is looked through is the newest part of the index only.
    UniqueConstraint("day", "dedupe_key"),
    Index(None, "recipient_id"),
    Index(None, "organization_id", "occurred_at"),
    Index(
        "ix_events_deferred",
        "queue",
        "occurred_at",
        sqlite_where=_DEFERRED,
        postgresql_where=_DEFERRED,
    ),
    Index(
        "ix_events_deferred_vmta",
        "organization_id",
        "vmta",
        "occurred_at",
        sqlite_where=_DEFERRED,
        postgresql_where=_DEFERRED,
    ),
    # Examples of each class of failure are found at once, however rare; most events are none and are not in it.
    Index(
        "ix_events_failures",
        "organization_id",
        "bounce_class",
        "occurred_at",
        sqlite_where=_FAILURE,
        postgresql_where=_FAILURE,
    ),
    postgresql_partition_by="RANGE (day)",
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("received_at", Timestamp, nullable=False),
    Column("node", String(63), nullable=False),
    Column("reason", Text, nullable=False),
    Column("record", LargeBinary, nullable=False),
)
