"""Sending domains, their DKIM keys, and how one pair of keys follows another."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    text,
)

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Json, Timestamp

_HELD = text("verified_at IS NOT NULL")
_OPEN = text("state IN ('publishing', 'switching')")

domains = Table(
    "domains",
    metadata,
    id_column(),
    organization_column(),
    Column("name", String(253), nullable=False),
    Column("status", String(16), nullable=False),
    Column("ownership_token", String(64), nullable=False),
    Column("checks", Json),
    Column("insights", Json),
    Column("checked_at", Timestamp),
    Column("verified_at", Timestamp),
    Column("next_check_at", Timestamp),
    Column("tracking_host", String(253)),
    Column("bimi", Json),
    Column("dkim_rotation_days", Integer),
    created_column(),
    UniqueConstraint("organization_id", "name"),
    Index(None, "next_check_at"),
    Index(None, "status"),
    # Anybody may claim a name, so that nobody can keep it from its owner; but only one organization holds it.
    Index(
        "uq_domains_held_name",
        "name",
        unique=True,
        sqlite_where=_HELD,
        postgresql_where=_HELD,
    ),
)

dkim_keys = Table(
    "dkim_keys",
    metadata,
    id_column(),
    Column("domain_id", Id, ForeignKey("domains.id", ondelete="CASCADE"), nullable=False),
    Column("selector", String(63), nullable=False),
    Column("algorithm", String(32), nullable=False),
    Column("public_record", String(1024), nullable=False),
    # Null once the key is retired; the row stays, so that its selector is never given to another key.
    Column("sealed_private_key", LargeBinary),
    Column("state", String(16), nullable=False),
    Column("rotation_id", Id),
    Column("retired_by", Id),
    created_column(),
    UniqueConstraint("domain_id", "selector"),
)

dkim_rotations = Table(
    "dkim_rotations",
    metadata,
    id_column(),
    Column("domain_id", Id, ForeignKey("domains.id", ondelete="CASCADE"), nullable=False),
    Column("author", String(320), nullable=False),
    Column("state", String(16), nullable=False),
    Column("checks", Json),
    Column("checked_at", Timestamp),
    # A resolver may remember until then that there was no record.
    Column("not_before", Timestamp),
    Column("verified_at", Timestamp),
    Column("switched_at", Timestamp),
    Column("confirmed_at", Timestamp),
    Column("retire_at", Timestamp),
    Column("finished_at", Timestamp),
    # Null when nothing is left to do.
    Column("due_at", Timestamp),
    created_column(),
    Index(None, "due_at"),
    Index(
        "uq_dkim_rotations_open",
        "domain_id",
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    ),
)
