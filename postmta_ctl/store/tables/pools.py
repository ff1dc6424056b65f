"""Named pools of vMTAs, and the sending domains whose mail leaves from them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, PrimaryKeyConstraint, String, Table, UniqueConstraint

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Timestamp

pools = Table(
    "pools",
    metadata,
    id_column(),
    organization_column(),
    Column("name", String(63), nullable=False),
    Column("default_of", Id, unique=True, comment="organization_id, if mail leaves from it that chooses no pool"),
    Column("updated_at", Timestamp, nullable=False),
    created_column(),
    UniqueConstraint("organization_id", "name"),
)

pool_members = Table(
    "pool_members",
    metadata,
    Column("pool_id", Id, ForeignKey("pools.id", ondelete="CASCADE"), nullable=False),
    Column("vmta_id", Id, ForeignKey("vmtas.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("weight", Integer, nullable=False),
    PrimaryKeyConstraint("pool_id", "vmta_id"),
)

pool_domains = Table(
    "pool_domains",
    metadata,
    organization_column(),
    Column("domain", String(253), nullable=False, comment="of the From field, verified or not"),
    Column("pool_id", Id, ForeignKey("pools.id", ondelete="CASCADE"), nullable=False, index=True),
    PrimaryKeyConstraint("organization_id", "domain"),
)
