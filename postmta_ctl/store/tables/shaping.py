"""Rules of traffic shaping."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, String, Table, UniqueConstraint

from postmta_ctl.store.tables.base import created_column, id_column, metadata
from postmta_ctl.store.types import Id, Json, Timestamp

shaping_rules = Table(
    "shaping_rules",
    metadata,
    id_column(),
    Column("organization_id", Id, ForeignKey("organizations.id", ondelete="CASCADE"), index=True),
    Column("holder", String(36), nullable=False, comment="organization_id, or * for all: null is never unique"),
    Column("kind", String(8), nullable=False, comment="provider or domain"),
    Column("target", String(253), nullable=False),
    Column("limits", Json, nullable=False),
    Column("note", String(500), nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    created_column(),
    UniqueConstraint("holder", "kind", "target"),
)
