"""Virtual MTAs."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, PrimaryKeyConstraint, String, Table, UniqueConstraint

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Id, Json, Timestamp

vmtas = Table(
    "vmtas",
    metadata,
    id_column(),
    organization_column(),
    Column("name", String(63), nullable=False),
    Column("ip_address", String(45), nullable=False, index=True),
    Column("ipv6_address", String(45), index=True, comment="of a pair, whose ip_address is the IPv4 one"),
    Column("held_address", String(45), unique=True, comment="the IPv4 one; null: there is none, or it is shared"),
    Column("held_ipv6_address", String(45), unique=True, comment="the IPv6 one, in whichever column; null likewise"),
    Column("ehlo_domain", String(253), nullable=False),
    Column("state", String(16), nullable=False, comment="active or warming, also while paused"),
    Column("version", Integer, nullable=False, default=1),
    Column("warmup", Json),
    Column("proxy_protocol", String(16), comment="haproxy or socks5: ip_address is then the proxy's; null: none"),
    Column("proxy_server", String(60), comment="ip:port"),
    Column("nodes", Json, nullable=False, default=list, comment="names of those that have the address; empty: all"),
    Column("paused_at", Timestamp, comment="beside the state, so that warm-up and pauses do not write the same"),
    Column("paused_by", String(320)),
    Column("paused_reason", String(500)),
    Column("paused_until", Timestamp, comment="null: until it is resumed"),
    Column("resumed_at", Timestamp, comment="null: what waited has been tried since"),
    Column("updated_at", Timestamp, nullable=False),
    created_column(),
    UniqueConstraint("organization_id", "name"),
)

ip_addresses = Table(
    "ip_addresses",
    metadata,
    id_column(),
    Column("ip_address", String(45), nullable=False, unique=True),
    Column("organization_id", Id, ForeignKey("organizations.id", ondelete="SET NULL"), index=True),
    Column("shared", Boolean, nullable=False),
    Column("note", String(500), nullable=False),
    created_column(),
)

retired_vmtas = Table(
    "retired_vmtas",
    metadata,
    organization_column(),
    Column("name", String(63), nullable=False),
    Column("version", Integer, nullable=False, comment="the last one that the name had"),
    PrimaryKeyConstraint("organization_id", "name"),
)
