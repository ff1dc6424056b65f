"""Messages, their recipients, and the outbox from which the relay feeds the nodes."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Json, Timestamp

_IN_BATCH = text("batch_id IS NOT NULL")
_KEPT = text("block_id IS NOT NULL")
_ROOM = {"fillfactor": 70}
"""Each row is changed a few times, soon after it was added. Where its page has room for the new version, PostgreSQL
changes no index."""

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
    Column("pool", String(63), comment="the named one that it leaves from, as it or its domain chose"),
    Column("metadata", Json, nullable=False),
    Column("track_opens", Boolean, nullable=False),
    Column("track_clicks", Boolean, nullable=False),
    Column("unsubscribe", Boolean, nullable=False, default=False, comment="with one-click headers (RFC 8058)"),
    Column("scheduled_at", Timestamp, comment="not to be sent before"),
    Column("smtp_username", String(80), comment="the credential it was submitted with; null: it came by the API"),
    created_column(),
    Index(None, "organization_id", "id"),
    Index(None, "organization_id", "batch_id", sqlite_where=_IN_BATCH, postgresql_where=_IN_BATCH),
    postgresql_with=_ROOM,
)

message_tags = Table(
    "message_tags",
    metadata,
    organization_column(),
    Column("tag", String(100), nullable=False),
    Column("message_id", Id, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    PrimaryKeyConstraint("organization_id", "tag", "message_id"),
    Index(None, "message_id"),
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
    Column("mailbox", String(320), comment="Mailbox.dedupe_key of the address, to find it by"),
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
    Column("release", Integer, comment="whose policy took it in, or refused it"),
    Column("opened_at", Timestamp, comment="when a person first did, as far as programs can be told from people"),
    Column("clicked_at", Timestamp, comment="likewise"),
    Column(
        "credits", Integer, nullable=False, default=0, comment="reserved for it; 0 under a plan that is not metered"
    ),
    Column("credit_state", String(8), comment="reserved, settled or refunded"),
    Index(None, "message_id"),
    Index(None, "organization_id", "mailbox"),
    postgresql_with=_ROOM,
)

outbox = Table(
    "outbox",
    metadata,
    Column("recipient_id", Id, ForeignKey("recipients.id", ondelete="CASCADE"), primary_key=True),
    Column("message_id", Id, nullable=False),
    Column("due_at", Timestamp, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("owner", String(40), comment="the relay that has it until due_at; null: nobody"),
    Column("node", String(63), comment="that it was given to, or may have been; null: none"),
    Column("generation", Integer, nullable=False, default=1, comment="see core.inject: what the fence lets pass"),
    Column("alone", Boolean, nullable=False, default=False, comment="in a request of its own, since one failed whole"),
    Column("last_error", Text),
    Column("block_id", Id, comment="of the block in auto_blocks that keeps it here"),
    Column("octets", Integer, nullable=False, server_default="0", comment="of the message's content as it was stored"),
    Index(None, "due_at"),
    Index(None, "message_id"),
    Index(None, "block_id", sqlite_where=_KEPT, postgresql_where=_KEPT),
)

cancellations = Table(
    "cancellations",
    metadata,
    Column("recipient_id", Id, ForeignKey("recipients.id", ondelete="CASCADE"), primary_key=True),
    Column("author", String(320), nullable=False),
    Column("requested_at", Timestamp, nullable=False),
    Column("due_at", Timestamp, nullable=False, comment="when to ask the node again"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("last_error", Text),
    Index(None, "due_at"),
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
