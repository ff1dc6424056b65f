"""Rules of traffic shaping automation."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from postmta_ctl.store.tables.base import created_column, id_column, metadata
from postmta_ctl.store.types import Json, Timestamp

automation_rules = Table(
    "automation_rules",
    metadata,
    id_column(),
    Column("kind", String(8), nullable=False, comment="provider, domain, or any"),
    Column("target", String(253), nullable=False, comment="empty for any"),
    Column("rule", Json, nullable=False),
    Column("note", String(500), nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    created_column(),
)
