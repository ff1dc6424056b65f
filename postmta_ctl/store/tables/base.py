"""What all tables share: names of constraints, and the columns that nearly every row has."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKey, MetaData

from postmta_ctl.store.types import Id, Timestamp

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def id_column() -> Column[Any]:
    """The primary key."""
    return Column("id", Id, primary_key=True)


def organization_column() -> Column[Any]:
    """The organization that owns the row."""
    return Column("organization_id", Id, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False)


def created_column() -> Column[Any]:
    """When the row was made."""
    return Column("created_at", Timestamp, nullable=False)
