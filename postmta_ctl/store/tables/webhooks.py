"""Webhook endpoints, what is to be delivered to them, and the attempts made."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Json, Timestamp

webhooks = Table(
    "webhooks",
    metadata,
    id_column(),
    organization_column(),
    Column("url", String(2000), nullable=False),
    Column("description", String(500), nullable=False),
    Column("events", Json, comment="types it is told of; null: all"),
    Column("enabled", Boolean, nullable=False),
    Column("disabled_reason", String(16), comment="by_user, gone or failing"),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("sealed_previous_secret", LargeBinary),
    Column("previous_secret_expires_at", Timestamp),
    Column("failing_since", Timestamp, comment="the first of the failures since which nothing succeeded"),
    Column("updated_at", Timestamp, nullable=False),
    Column("deleted_at", Timestamp, comment="hidden from then on; its deliveries are removed bit by bit, then it"),
    created_column(),
    Index(None, "organization_id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    id_column(),
    Column("webhook_id", Id, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    organization_column(),
    Column("type", String(40), nullable=False),
    Column("payload", LargeBinary, nullable=False, comment="the body, octet for octet as it is signed"),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column(
        "step", Integer, nullable=False, default=0, comment="place in the schedule of retries; a replay begins anew"
    ),
    Column("due_at", Timestamp, comment="null: no more attempt is planned"),
    Column("lease_owner", String(64)),
    Column("finished_at", Timestamp),
    created_column(),
    Index(None, "webhook_id", "id"),
    Index(None, "webhook_id", "due_at"),
    Index(None, "due_at"),
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("delivery_id", Id, ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), nullable=False),
    Column("at", Timestamp, nullable=False),
    Column("url", String(2000), nullable=False),
    Column("headers", Json, nullable=False, comment="of the request"),
    Column("status_code", Integer),
    Column("body", LargeBinary, nullable=False, comment="the beginning of the answer"),
    Column("error", String(16)),
    Column("detail", Text),
    Column("milliseconds", Integer, nullable=False),
    Index(None, "delivery_id"),
)
