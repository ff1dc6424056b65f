"""Rules that stop mail by themselves, and the blocks that they led to."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    text,
)

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Json, Timestamp

_ACTIVE = text("ended_at IS NULL")

auto_block_rules = Table(
    "auto_block_rules",
    metadata,
    id_column(),
    organization_column(),
    Column("name", String(100), nullable=False),
    Column("metric", String(32), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("window_minutes", Integer, nullable=False),
    Column("threshold", Float(53), nullable=False),
    Column("minimum_volume", Integer, nullable=False),
    Column("action", String(8), nullable=False),
    Column("block_minutes", Integer, comment="null: until somebody resolves it"),
    Column("enabled", Boolean, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    created_column(),
    UniqueConstraint("organization_id", "name"),
)

auto_blocks = Table(
    "auto_blocks",
    metadata,
    id_column(),
    organization_column(),
    Column("rule_id", Id, ForeignKey("auto_block_rules.id", ondelete="SET NULL")),
    Column("rule_name", String(100), nullable=False, comment="and all that follows: as the rule was"),
    Column("metric", String(32), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("value", String(255), nullable=False, comment="of the scope: slug, domain, vMTA or provider"),
    Column("action", String(8), nullable=False),
    Column("threshold", Float(53), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("volume", BigInteger, nullable=False),
    Column("window_start", Timestamp, nullable=False),
    Column("window_end", Timestamp, nullable=False),
    Column("recipient_domains", Json, nullable=False, comment="of a provider, as the events before told"),
    Column("paused_vmta_id", Id, comment="the vMTA that it paused, and not one that was paused already"),
    Column("expires_at", Timestamp),
    Column("ended_at", Timestamp),
    Column("end_reason", String(16), comment="resolved, expired or rule_deleted"),
    Column("ended_by", String(320)),
    Column("note", String(500)),
    created_column(),
    # One for each value of a rule's scope, whoever evaluates at the same time.
    Index("uq_auto_blocks_active", "rule_id", "value", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    Index("ix_auto_blocks_active", "organization_id", sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    Index(None, "organization_id", "id"),
    Index(None, "rule_id", "ended_at"),
)

auto_block_queues = Table(
    "auto_block_queues",
    metadata,
    Column("block_id", Id, ForeignKey("auto_blocks.id", ondelete="CASCADE"), nullable=False),
    Column("queue", String(400), nullable=False, comment="that the block held; once only, so a release stays one"),
    PrimaryKeyConstraint("block_id", "queue"),
)
