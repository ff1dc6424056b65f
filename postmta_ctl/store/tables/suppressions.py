"""Addresses that an organization must not send to."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text, UniqueConstraint

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id

suppressions = Table(
    "suppressions",
    metadata,
    id_column(),
    organization_column(),
    Column("address", String(320), nullable=False, comment="Mailbox.dedupe_key"),
    Column("shard", String(3), nullable=False, comment="core.live_data.suppression_shard of the address"),
    Column("reason", String(16), nullable=False),
    Column("note", Text),
    Column("message_id", Id, comment="the message that led to it"),
    created_column(),
    UniqueConstraint("organization_id", "address"),
    Index(None, "organization_id", "id"),
    Index(None, "shard"),
)
