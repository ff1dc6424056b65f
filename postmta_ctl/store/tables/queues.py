"""Holds of scheduled queues, which the nodes keep in memory only."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, String, Table, Text, UniqueConstraint

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Timestamp

queue_holds = Table(
    "queue_holds",
    metadata,
    id_column(),
    organization_column(),
    Column("queue", String(400), nullable=False, comment="name of the scheduled queue"),
    Column("reason", String(500), nullable=False),
    Column("author", String(320), nullable=False),
    Column("expires_at", Timestamp),
    Column("released_at", Timestamp, comment="no longer wanted; the row goes when every node has let go"),
    Column("block_id", Id, comment="of the block in auto_blocks that holds it; null: somebody does"),
    created_column(),
    UniqueConstraint("queue"),
    Index(None, "organization_id"),
)

hold_nodes = Table(
    "hold_nodes",
    metadata,
    Column("hold_id", Id, ForeignKey("queue_holds.id", ondelete="CASCADE"), nullable=False),
    Column("node_id", Id, ForeignKey("nodes.id", ondelete="CASCADE"), nullable=False),
    Column("suspension_id", String(64), comment="null: asked for, and no answer yet"),
    Column("online_since", Timestamp, comment="of the node when it took the hold; a restart forgets it"),
    Column("error", Text),
    PrimaryKeyConstraint("hold_id", "node_id"),
)
