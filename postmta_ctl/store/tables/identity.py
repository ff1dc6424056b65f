"""Organizations, their users and API keys."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, LargeBinary, String, Table

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
    Column("previous_prefix", String(8), unique=True),
    Column("previous_digest", LargeBinary(32)),
    Column("previous_until", Timestamp),
    Column("scopes", Json, nullable=False),
    Column("allowed_ips", Json),
    Column("expires_at", Timestamp),
    Column("last_used_at", Timestamp),
    Column("revoked_at", Timestamp),
    created_column(),
    Index(None, "organization_id"),
)

sessions = Table(
    "sessions",
    metadata,
    id_column(),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("address", String(64), nullable=False),
    Column("revoked_at", Timestamp),
    Column("revoked_for", String(32)),
    created_column(),
    Index(None, "user_id"),
)
"""A login: the family of refresh tokens that descend from it, and of the access tokens that they gave."""

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("session_id", Id, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Column("used_at", Timestamp),
    created_column(),
    Index(None, "session_id"),
)

invitations = Table(
    "invitations",
    metadata,
    id_column(),
    organization_column(),
    Column("email", String(320), nullable=False),
    Column("role", String(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("invited_by", String(320), nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Column("accepted_at", Timestamp),
    created_column(),
    Index(None, "organization_id"),
)
