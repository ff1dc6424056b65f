"""Credits: the ledger, the balances it sums up to, and alerts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    text,
)

from postmta_ctl.store.tables.base import created_column, id_column, metadata, organization_column
from postmta_ctl.store.types import Json, Timestamp

_CONSUMED = text("entry = 'consume' AND reference IS NOT NULL")

credit_balances = Table(
    "credit_balances",
    metadata,
    organization_column(),
    Column("type", String(16), nullable=False),
    Column("available", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    PrimaryKeyConstraint("organization_id", "type"),
    # The conditional updates keep to this by themselves; a bug in them must not go unnoticed.
    CheckConstraint("available >= 0 AND reserved >= 0", name="not_negative"),
)

credit_entries = Table(
    "credit_entries",
    metadata,
    id_column(),
    organization_column(),
    Column("type", String(16), nullable=False),
    Column("entry", String(8), nullable=False),
    Column("quantity", BigInteger, nullable=False, comment="recipients or checks, metered or not"),
    Column("available", BigInteger, nullable=False, comment="change of the available balance"),
    Column("reserved", BigInteger, nullable=False, comment="change of the reserved balance"),
    Column("cause", String(32), nullable=False),
    Column("reference", String(255), comment="what it is about: a message, an invoice, the caller's own name for it"),
    Column("note", String(500)),
    created_column(),
    Index(None, "organization_id", "created_at"),
    Index(
        "uq_credit_entries_consumed_reference",
        "organization_id",
        "type",
        "reference",
        unique=True,
        sqlite_where=_CONSUMED,
        postgresql_where=_CONSUMED,
    ),
)

credit_alerts = Table(
    "credit_alerts",
    metadata,
    id_column(),
    organization_column(),
    Column("type", String(16), nullable=False),
    Column("threshold", BigInteger, nullable=False),
    Column("emails", Json, nullable=False, comment="who is told by mail"),
    Column("fired_at", Timestamp, comment="when the balance last fell to the threshold; null while it is above"),
    created_column(),
    UniqueConstraint("organization_id", "type", "threshold"),
)
