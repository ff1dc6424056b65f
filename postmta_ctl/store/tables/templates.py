"""Message templates. A version never changes once it is there."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, PrimaryKeyConstraint, String, Table, Text, UniqueConstraint

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Timestamp

templates = Table(
    "templates",
    metadata,
    id_column(),
    organization_column(),
    Column("name", String(200), nullable=False),
    Column("version", Integer, nullable=False, comment="the newest one"),
    Column("updated_at", Timestamp, nullable=False),
    created_column(),
    UniqueConstraint("organization_id", "name"),
)

template_versions = Table(
    "template_versions",
    metadata,
    Column("template_id", Id, ForeignKey("templates.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text),
    Column("html", Text),
    Column("author", String(320), nullable=False),
    created_column(),
    PrimaryKeyConstraint("template_id", "version"),
)
