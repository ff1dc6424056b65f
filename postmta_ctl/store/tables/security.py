"""What DNS blocklists said, shared by all processes so that no list is asked twice for the same; greylisting."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from postmta_ctl.store.tables.base import metadata
from postmta_ctl.store.types import Id, Json, Timestamp

dnsbl_answers = Table(
    "dnsbl_answers",
    metadata,
    Column("address", String(45), nullable=False),
    Column("list_id", String(63), nullable=False),
    Column("status", String(8), nullable=False, comment="listed or clean: nothing else is kept"),
    Column("codes", Json, nullable=False),
    Column("reason", Text),
    Column("checked_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    PrimaryKeyConstraint("address", "list_id"),
    Index(None, "expires_at"),
)

dnsbl_health = Table(
    "dnsbl_health",
    metadata,
    Column("list_id", String(63), primary_key=True),
    Column("health", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("probes", Json, nullable=False),
    Column("checked_at", Timestamp, nullable=False),
)

vmta_listings = Table(
    "vmta_listings",
    metadata,
    Column("vmta_id", Id, ForeignKey("vmtas.id", ondelete="CASCADE"), primary_key=True),
    Column("listings", Json, nullable=False, comment="address → list id → since when, codes and reason"),
    Column("checked_at", Timestamp, nullable=False),
    Index(None, "checked_at"),
)

greylisting_config = Table(
    "greylisting_config",
    metadata,
    Column("id", Integer, primary_key=True, comment="1: there is one for the installation"),
    Column("config", Json, nullable=False),
    Column("updated_by", String(320), nullable=False),
    Column("updated_at", Timestamp, nullable=False),
)

greylisting_counts = Table(
    "greylisting_counts",
    metadata,
    Column("hour", Timestamp, primary_key=True),
    Column("node", String(63), primary_key=True),
    Column("outcome", String(16), primary_key=True, comment="see core.greylisting"),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
