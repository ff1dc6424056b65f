"""Which files of live data have changed, and which version of them is the newest (see ``core.live_data``)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table

from postmta_ctl.store.tables.base import metadata

live_changes = Table(
    "live_changes",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("path", String(64), nullable=False),
)
"""A row for each change, even of one file: two transactions that shared a row could lose the later one's change."""

live_files = Table(
    "live_files",
    metadata,
    Column("path", String(64), primary_key=True),
    Column("digest", String(64), nullable=False, comment="SHA-256 of the content, hexadecimal"),
    Column("version", BigInteger, nullable=False, index=True),
)
