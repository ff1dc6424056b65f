"""Messages, their recipients, and the outbox from which the relay feeds the nodes."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Json, Timestamp

messages = Table(
    "messages",
    metadata,
    id_column(),
    organization_column(),
    Column("sender", String(320), nullable=False, comment="address of the From header"),
    Column("domain", String(253), nullable=False, comment="domain of the From header"),
    Column("subject", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("tags", Json, nullable=False),
    Column("campaign", String(63)),
    Column("batch_id", String(255)),
    Column("vmta", String(63)),
    Column("metadata", Json, nullable=False),
    Column("track_opens", Boolean, nullable=False),
    Column("track_clicks", Boolean, nullable=False),
    created_column(),
    Index(None, "organization_id", "id"),
)

message_contents = Table(
    "message_contents",
    metadata,
    Column("message_id", Id, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("content", LargeBinary, nullable=False, comment="MessageContent as MessagePack"),
)

recipients = Table(
    "recipients",
    metadata,
    id_column(),
    Column("message_id", Id, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    organization_column(),
    Column("address", String(320), nullable=False),
    Column("kind", String(4), nullable=False, comment="to, cc or bcc"),
    Column("status", String(16), nullable=False),
    Column("status_at", Timestamp, nullable=False),
    Column("complained", Boolean, nullable=False, default=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("code", Integer),
    Column("reply", Text),
    Column("bounce_class", String(32)),
    Column("node", String(63)),
    Column("spool_id", String(32)),
    Column("vmta", String(63)),
    Index(None, "message_id"),
    Index(None, "organization_id", "address"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("recipient_id", Id, ForeignKey("recipients.id", ondelete="CASCADE"), primary_key=True),
    Column("message_id", Id, nullable=False),
    Column("due_at", Timestamp, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("generation", Integer, nullable=False, default=1, comment="see core.inject: what the fence lets pass"),
    Column("alone", Boolean, nullable=False, default=False, comment="in a request of its own, since one failed whole"),
    Column("lease_owner", String(64)),
    Column("last_error", Text),
    Index(None, "due_at"),
    Index(None, "lease_owner"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("organization_id", Id, primary_key=True),
    Column("route", String(100), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", LargeBinary(32), nullable=False, comment="SHA-256 of the request body"),
    Column("status_code", Integer, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    created_column(),
    Index(None, "created_at"),
)
