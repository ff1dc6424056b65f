"""Virtual MTAs."""

from __future__ import annotations

from sqlalchemy import Column, Integer, PrimaryKeyConstraint, String, Table, UniqueConstraint

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Json, Timestamp

vmtas = Table(
    "vmtas",
    metadata,
    id_column(),
    organization_column(),
    Column("name", String(63), nullable=False),
    Column("ip_address", String(45), nullable=False, unique=True),
    Column("ehlo_domain", String(253), nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", Integer, nullable=False, default=1),
    Column("warmup", Json),
    Column("updated_at", Timestamp, nullable=False),
    created_column(),
    UniqueConstraint("organization_id", "name"),
)

retired_vmtas = Table(
    "retired_vmtas",
    metadata,
    organization_column(),
    Column("name", String(63), nullable=False),
    Column("version", Integer, nullable=False, comment="the last one that the name had"),
    PrimaryKeyConstraint("organization_id", "name"),
)
