"""Warm-up: schedules, what was sent and allowed on each day, what nodes hold, and what was decided why."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Json, Timestamp


def _vmta() -> Column[Any]:
    return Column("vmta_id", Id, ForeignKey("vmtas.id", ondelete="CASCADE"), nullable=False)


def _count(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False)


warmup_schedules = Table(
    "warmup_schedules",
    metadata,
    id_column(),
    organization_column(),
    Column("name", String(63), nullable=False),
    Column("daily_allowances", Json, nullable=False),
    Column("provider_shares", Json, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    created_column(),
    UniqueConstraint("organization_id", "name"),
)

warmup_counts = Table(
    "warmup_counts",
    metadata,
    _vmta(),
    Column("day", Date, nullable=False, comment="UTC"),
    Column("provider", String(100), nullable=False),
    Column("node", String(63), nullable=False),
    _count("delivered"),
    _count("deferred"),
    _count("bounced"),
    _count("complained"),
    _count("attempts"),
    PrimaryKeyConstraint("vmta_id", "day", "provider", "node"),
    comment="what receivers answered while the vMTA was warming",
    sqlite_with_rowid=False,
)

warmup_allowances = Table(
    "warmup_allowances",
    metadata,
    _vmta(),
    Column("day", Date, nullable=False, comment="UTC"),
    Column("provider", String(100), nullable=False, comment="empty: all together"),
    Column("stage", Integer, nullable=False),
    Column("granted", BigInteger, nullable=False, comment="deliveries"),
    PrimaryKeyConstraint("vmta_id", "day", "provider"),
    sqlite_with_rowid=False,
)

warmup_tickets = Table(
    "warmup_tickets",
    metadata,
    Column("node_id", Id, ForeignKey("nodes.id", ondelete="CASCADE"), nullable=False),
    _vmta(),
    Column("ticket", Json, nullable=False),
    PrimaryKeyConstraint("node_id", "vmta_id"),
    comment="what each node may still send from each vMTA",
    sqlite_with_rowid=False,
)

warmup_nodes = Table(
    "warmup_nodes",
    metadata,
    Column("node_id", Id, ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True),
    Column("serial", Integer, nullable=False, comment="of the newest ticket"),
    Column("online_since", Timestamp, comment="of the process that its tickets are for"),
    Column("digest", String(64), comment="SHA-256 of what the node was told last; null: it has to be told again"),
    Column("content", Text, comment="what its agent is to write"),
    Column("bump_again", Boolean, nullable=False, comment="its pools may be those from before"),
    Column("error", Text),
)

warmup_decisions = Table(
    "warmup_decisions",
    metadata,
    id_column(),
    _vmta(),
    Column("kind", String(20), nullable=False),
    Column("provider", String(100)),
    Column("author", String(320), nullable=False),
    Column("decision", Json, nullable=False, comment="reason, figures, thresholds, from and to"),
    created_column(),
    Index(None, "vmta_id", "id"),
)
