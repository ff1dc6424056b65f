"""Credentials for submission by SMTP (RFC 6409)."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Json, Timestamp

smtp_credentials = Table(
    "smtp_credentials",
    metadata,
    id_column(),
    organization_column(),
    Column("created_by", Id),
    Column("name", String(200), nullable=False),
    Column("username", String(80), nullable=False, unique=True),
    Column("shard", String(2), nullable=False, comment="core.live_data.credential_shard of the user name"),
    Column("digest", String(64), nullable=False, comment="core.live_data.credential_digest"),
    Column("previous_digest", String(64)),
    Column("previous_until", Timestamp),
    Column("domains", Json, comment="From domains it is limited to; null: every verified one"),
    Column("allowed_ips", Json),
    Column("expires_at", Timestamp),
    Column("last_used_at", Timestamp),
    created_column(),
    Index(None, "organization_id"),
    Index(None, "shard"),
)
