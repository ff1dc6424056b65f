"""Old counts by a property: of each day the hours become one row. Sums over whole days (of UTC) stay as they are.

Counts by type alone keep their quarters of an hour: they are few, and days of every time zone are made of them.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.rollups import Dimension
from postmta_ctl.store.rollups import add
from postmta_ctl.store.tables import counters, rollup_attempts, rollup_dimensions
from postmta_ctl.store.types import from_micros, to_micros

DAY = timedelta(days=1)
BY_DAY_BEFORE, FOLDED_BEFORE = "counts_by_day_before", "counts_folded_before"
"""Names of the marks: before the first one, counts are read by whole days; before the second one, they are folded. The
first is set first, so that no answer depends on how far folding has come."""


async def mark(connection: AsyncConnection, name: str) -> datetime | None:
    """The moment of a mark; None: it was never set."""
    micros = await connection.scalar(select(counters.c.value).where(counters.c.name == name))
    return None if micros is None else from_micros(micros)


async def set_mark(connection: AsyncConnection, name: str, moment: datetime) -> None:
    """Set a mark; none ever goes back, since what is folded stays so."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    value = to_micros(moment)
    statement = dialect.insert(counters).values(name=name, value=value)
    later = {"set_": {"value": value}, "where": counters.c.value < value}
    await connection.execute(statement.on_conflict_do_update(index_elements=["name"], **later))


async def first_hour(connection: AsyncConnection) -> datetime | None:
    """The oldest hour that anything was counted in; None: nothing was."""
    tables = (rollup_dimensions, rollup_attempts)
    found: list[datetime] = [
        one for table in tables if (one := await connection.scalar(select(func.min(table.c.hour))))
    ]
    return min(found, default=None)


async def fold(connection: AsyncConnection, organization_id: str, day: datetime) -> None:
    """Make one row of those of a day that differ in their hour only."""
    dimensions = rollup_dimensions.c.dimension.in_([one.value for one in Dimension])
    await _fold(connection, rollup_dimensions, organization_id, day, dimensions)
    await _fold(connection, rollup_attempts, organization_id, day)


async def _fold(connection: AsyncConnection, table: Table, organization_id: str, day: datetime, *more: Any) -> None:
    # Rows of midnight stay: what is taken away is added to them. Whoever counts meanwhile waits, or adds a row.
    hours = (table.c.organization_id == organization_id, table.c.hour > day, table.c.hour < day + DAY)
    counts: Counter[tuple[Any, ...]] = Counter()
    hour = list(table.primary_key.columns.keys()).index("hour")
    for row in await connection.execute(delete(table).where(*hours, *more).returning(table)):
        *key, number = row
        key[hour] = day
        counts[tuple(key)] += number
    await add(connection, table, counts)
