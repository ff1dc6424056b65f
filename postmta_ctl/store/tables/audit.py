"""Who did what, when, and from where."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from postmta_ctl.store.tables.base import created_column, id_column, metadata
from postmta_ctl.store.types import Id, Json

audit_log = Table(
    "audit_log",
    metadata,
    id_column(),
    # No foreign keys: an entry outlives whatever it is about.
    Column("organization_id", Id),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", Id),
    Column("actor", String(320), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target_id", String(400), nullable=False, comment="an id, or the name of a queue"),
    Column("address", String(64), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("before", Json),
    Column("after", Json),
    created_column(),
    Index(None, "organization_id", "id"),
)
"""Only ever inserted into."""
