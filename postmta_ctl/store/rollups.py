"""Adding to the roll-ups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.rollups import Fact, tally
from postmta_ctl.store.bulk import Bulk
from postmta_ctl.store.tables import rollup_attempts, rollup_dimensions, rollup_outcomes, rollup_types
from postmta_ctl.store.types import to_micros


async def count(connection: AsyncConnection, facts: Iterable[Fact] | Mapping[Fact, int]) -> None:
    """Count events in the transaction that adds them; at most one statement for each table.

    Call it last: on PostgreSQL the counts of the present hour are locked from here to the commit. Every transaction
    locks them in the order of their keys, so that two never wait for each other.
    """
    counts = tally(facts)
    await add(connection, rollup_types, counts.types)
    await add(connection, rollup_dimensions, counts.dimensions)
    await add(connection, rollup_attempts, counts.attempts)
    await add(connection, rollup_outcomes, counts.outcomes)


async def add(connection: AsyncConnection, table: Table, counts: Counter[Any]) -> None:
    """Add counts to the rows of these keys, which are those of the table in the order of their columns."""
    if not counts:
        return
    rows = [(*map(_plain, key), number) for key, number in sorted(counts.items())]
    await _bulk(table).add(connection, rows)


@cache
def _bulk(table: Table) -> Bulk:
    keys = [column.name for column in table.primary_key]
    names = ", ".join(keys)
    conflict = f" ON CONFLICT ({names}) DO UPDATE SET count = {table.name}.count + excluded.count"
    return Bulk(table, *keys, "count", conflict=conflict)


def _plain(part: str | int | datetime) -> str | int:
    return to_micros(part) if isinstance(part, datetime) else part
