"""Adding to the roll-ups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.rollups import Fact, tally
from postmta_ctl.store.tables import rollup_attempts, rollup_dimensions, rollup_outcomes, rollup_types


async def count(connection: AsyncConnection, facts: Iterable[Fact]) -> None:
    """Count events in the transaction that adds them; at most one statement for each table.

    Call it last: on PostgreSQL the counts of the present hour are locked from here to the commit. Every transaction
    locks them in the order of their keys, so that two never wait for each other.
    """
    counts = tally(facts)
    await _add(connection, rollup_types, counts.types)
    await _add(connection, rollup_dimensions, counts.dimensions)
    await _add(connection, rollup_attempts, counts.attempts)
    await _add(connection, rollup_outcomes, counts.outcomes)


async def _add(connection: AsyncConnection, table: Table, counts: Counter[Any]) -> None:
    if not counts:
        return
    keys = [column.name for column in table.primary_key]
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(table)
    statement = insert.on_conflict_do_update(index_elements=keys, set_={"count": table.c.count + insert.excluded.count})
    rows = [dict(zip(keys, key, strict=True), count=number) for key, number in sorted(counts.items())]
    await connection.execute(statement, rows)
