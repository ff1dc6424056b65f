"""Organizations, their users and API keys."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, LargeBinary, String, Table

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Json, Timestamp

organizations = Table(
    "organizations",
    metadata,
    id_column(),
    Column("slug", String(63), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    created_column(),
)

users = Table(
    "users",
    metadata,
    id_column(),
    organization_column(),
    Column("email", String(320), nullable=False, unique=True),
    Column("name", String(200)),
    Column("password_hash", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    Column("is_operator", Boolean, nullable=False, default=False),
    Column("last_login_at", Timestamp),
    created_column(),
    Index(None, "organization_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    id_column(),
    organization_column(),
    Column("created_by", Id),
    Column("name", String(200), nullable=False),
    Column("prefix", String(8), nullable=False, unique=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("scopes", Json, nullable=False),
    Column("expires_at", Timestamp),
    Column("last_used_at", Timestamp),
    Column("revoked_at", Timestamp),
    created_column(),
    Index(None, "organization_id"),
)
