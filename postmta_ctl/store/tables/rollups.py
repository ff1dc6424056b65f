"""Counts of events, kept up to date in the transaction that adds the events. See :mod:`postmta_ctl.core.rollups`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table

from postmta_ctl.store.tables.base import metadata
from postmta_ctl.store.types import Id, Timestamp


def _organization() -> Column[Any]:
    return Column("organization_id", Id, ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True)


def _count() -> Column[Any]:
    return Column("count", BigInteger, nullable=False)


# Without a rowid the primary key is the table: a count is found, and a period read, in one B-tree.
rollup_types = Table(
    "rollup_types",
    metadata,
    _organization(),
    Column("slot", Timestamp, primary_key=True, comment="start of a quarter of an hour"),
    Column("type", String(40), primary_key=True),
    _count(),
    sqlite_with_rowid=False,
)

rollup_dimensions = Table(
    "rollup_dimensions",
    metadata,
    _organization(),
    Column("dimension", String(20), primary_key=True),
    Column("hour", Timestamp, primary_key=True),
    Column("value", String(255), primary_key=True),
    Column("type", String(40), primary_key=True),
    _count(),
    sqlite_with_rowid=False,
)

rollup_attempts = Table(
    "rollup_attempts",
    metadata,
    _organization(),
    Column("vmta", String(63), primary_key=True),
    Column("hour", Timestamp, primary_key=True),
    Column("provider", String(100), primary_key=True),
    Column("code_class", Integer, primary_key=True, comment="first digit of the SMTP reply code"),
    _count(),
    # The primary key is for one vMTA over time, as warm-up asks; this for all of them, as the view of providers does.
    Index(None, "organization_id", "hour"),
    sqlite_with_rowid=False,
)

rollup_outcomes = Table(
    "rollup_outcomes",
    metadata,
    _organization(),
    Column("scope", String(16), primary_key=True),
    Column("slot", Timestamp, primary_key=True, comment="start of five minutes"),
    Column("value", String(255), primary_key=True, comment="empty where the scope is the organization"),
    Column("outcome", String(16), primary_key=True),
    _count(),
    # Kept for no longer than the longest window of a rule; this finds what may go.
    Index(None, "slot"),
    sqlite_with_rowid=False,
)
