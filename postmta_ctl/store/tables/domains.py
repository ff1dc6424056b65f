"""Sending domains and their DKIM keys."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, String, Table, UniqueConstraint, text

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Json, Timestamp

_HELD = text("verified_at IS NOT NULL")

domains = Table(
    "domains",
    metadata,
    id_column(),
    organization_column(),
    Column("name", String(253), nullable=False),
    Column("status", String(16), nullable=False),
    Column("ownership_token", String(64), nullable=False),
    Column("checks", Json),
    Column("checked_at", Timestamp),
    Column("verified_at", Timestamp),
    created_column(),
    UniqueConstraint("organization_id", "name"),
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
    Column("sealed_private_key", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    created_column(),
    UniqueConstraint("domain_id", "selector"),
)
