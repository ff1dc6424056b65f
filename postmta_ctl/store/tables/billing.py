"""Plans of organizations, invoices and payments."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table

from postmta_ctl.store.tables.base import created_column, id_column, metadata
from postmta_ctl.store.types import Id, Json, Timestamp


def _organization_key() -> Column[str]:
    foreign = ForeignKey("organizations.id", ondelete="CASCADE")
    return Column("organization_id", Id, foreign, primary_key=True)


subscriptions = Table(
    "subscriptions",
    metadata,
    _organization_key(),
    Column("plan", String(63), nullable=False),
    Column("next_plan", String(63), comment="a downgrade that waits for the end of the period"),
    Column("anchor", Timestamp, nullable=False, comment="midnight at which the first period began"),
    Column("period_start", Timestamp, nullable=False),
    Column("period_end", Timestamp, nullable=False),
    created_column(),
    Index(None, "period_end"),
)

billing_details = Table(
    "billing_details",
    metadata,
    _organization_key(),
    Column("details", Json, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False, comment="the last number given out"),
)

invoices = Table(
    "invoices",
    metadata,
    id_column(),
    # Invoices outlive their organization: the numbers have no gaps, and the law wants them kept.
    Column("organization_id", Id, nullable=False),
    Column("number", Integer, nullable=False, unique=True),
    Column("issued_at", Timestamp, nullable=False),
    Column("due_at", Timestamp, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("total", BigInteger, nullable=False, comment="minor units"),
    Column("lines", Json, nullable=False),
    Column("seller", Json, nullable=False),
    Column("buyer", Json, nullable=False),
    Column("grants", Json, comment="credits to add once it is paid"),
    Index(None, "organization_id", "id"),
)

payments = Table(
    "payments",
    metadata,
    Column("invoice_id", Id, ForeignKey("invoices.id"), primary_key=True),
    Column("provider", String(16), nullable=False),
    Column("reference", String(255), nullable=False),
    Column("paid_at", Timestamp, nullable=False),
)

checkouts = Table(
    "checkouts",
    metadata,
    id_column(),
    Column("organization_id", Id, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    Column("provider", String(16), nullable=False),
    Column("item", Json, comment="what is bought; null when an invoice is paid"),
    Column("invoice_id", Id),
    Column("currency", String(3), nullable=False),
    Column("amount", BigInteger, nullable=False, comment="minor units"),
    Column("state", String(16), nullable=False),
    created_column(),
    Index(None, "organization_id"),
)
