"""Events by the day: on PostgreSQL each day of them is a table of its own, so that days go by dropping tables.

A row whose day has no table goes to ``events_default``, so none is ever refused, whatever a node's clock says. What is
there moves when its day gets a table. SQLite has one table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import PrimaryKeyConstraint
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles

from postmta_ctl.store.types import to_micros

DEFAULT = "events_default"
_EPOCH = date(1970, 1, 1)
_NAME = re.compile(r"events_(\d{8})")
_CHILDREN = """
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'events'::regclass"""
# Whoever reads holds a lock on the table: others must not have to wait behind us for the slowest reader.
_PATIENCE = "SET LOCAL lock_timeout = '2s'"


@compiles(PrimaryKeyConstraint, "postgresql")
def _primary_key(constraint: PrimaryKeyConstraint, compiler: Any, **options: Any) -> str:
    """PostgreSQL wants the column that a table is partitioned by in its primary key; the id leads it, as elsewhere."""
    written: str = compiler.visit_primary_key_constraint(constraint, **options)
    by = constraint.table.dialect_options["postgresql"]["partition_by"] if written else None
    return written if by is None else f"{written.removesuffix(')')}, {by.partition('(')[2]}"


def statements(dialect: str) -> Iterator[str]:
    """What the schema has beside its tables."""
    if dialect == "postgresql":
        yield f"CREATE TABLE {DEFAULT} PARTITION OF events DEFAULT"


def name_of(day: int) -> str:
    """The table of a day, given as days since the epoch."""
    return f"events_{_EPOCH + timedelta(days=day):%Y%m%d}"


def day_of(name: str) -> int | None:
    """The day whose table has this name; None if it is none."""
    match = _NAME.fullmatch(name)
    return (date.fromisoformat(match[1]) - _EPOCH).days if match else None


async def days(connection: AsyncConnection) -> list[int]:
    """The days that have a table, oldest first."""
    names = (await connection.exec_driver_sql(_CHILDREN)).scalars()
    return sorted(day for name in names if (day := day_of(name)) is not None)


async def add(connection: AsyncConnection, day: int) -> None:
    """Give a day its table, in a transaction of its own, and move there what came before it had one.

    Raises:
        DBAPIError: Somebody held the tables for longer than two seconds; nothing is changed.
    """
    name = name_of(day)
    for statement in (
        _PATIENCE,
        # Nothing of the day may come into the default table between moving and attaching.
        f"LOCK TABLE {DEFAULT} IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"WITH moved AS (DELETE FROM {DEFAULT} WHERE day = {day} RETURNING *) INSERT INTO {name} SELECT * FROM moved",  # noqa: S608
        f"ALTER TABLE events ATTACH PARTITION {name} FOR VALUES FROM ({day}) TO ({day + 1})",
    ):
        await connection.exec_driver_sql(statement)


async def drop_if_older(connection: AsyncConnection, day: int, before: datetime) -> bool:
    """Drop the table of a day whose newest event came before a moment; False: a late one is there.

    Raises:
        DBAPIError: Somebody held the tables for longer than two seconds; nothing is changed.
    """
    name, limit = name_of(day), to_micros(before)
    await connection.exec_driver_sql(_PATIENCE)
    if await _newest(connection, name) >= limit:
        return False
    # Nothing may come in between looking and dropping.
    await connection.exec_driver_sql("LOCK TABLE ONLY events IN ACCESS EXCLUSIVE MODE")
    if await _newest(connection, name) >= limit:
        return False
    await connection.exec_driver_sql(f"DROP TABLE {name}")
    return True


async def _newest(connection: AsyncConnection, name: str) -> int:
    # Ids are given in the order in which events come.
    rows: Sequence[Any] = (
        await connection.exec_driver_sql(f"SELECT received_at FROM {name} ORDER BY id DESC LIMIT 1")  # noqa: S608
    ).all()
    return int(rows[0][0]) if rows else 0
