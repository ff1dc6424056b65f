"""SQL of analytics. Counts come from the roll-ups; only the words of servers are read from the events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Integer, Select, Table, column, func, select, values
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.periods import Bucket, Period
from postmta_ctl.core.rollups import Dimension
from postmta_ctl.store.rollup_folding import BY_DAY_BEFORE, mark
from postmta_ctl.store.tables import events, rollup_attempts, rollup_dimensions, rollup_types
from postmta_ctl.store.types import Timestamp

BUCKETS_OF_A_QUERY = 1000
"""Each is three parameters; SQLite takes 32,766 of them, PostgreSQL 32,767."""


def _of_types(organization_id: str, period: Period, *columns: Any) -> Select[Any]:
    table = rollup_types.c
    return select(*columns).where(
        table.organization_id == organization_id, table.slot >= period.start, table.slot < period.end
    )


def _of_dimension(organization_id: str, dimension: Dimension, period: Period, *columns: Any) -> Select[Any]:
    table = rollup_dimensions.c
    return select(*columns).where(
        table.organization_id == organization_id,
        table.dimension == dimension.value,
        table.hour >= period.start,
        table.hour < period.end,
    )


def _sum(table: Table) -> Any:
    # PostgreSQL sums bigint to numeric; a count always fits the former.
    return func.sum(table.c.count).cast(BigInteger).label("total")


async def totals(connection: AsyncConnection, organization_id: str, period: Period) -> dict[str, int]:
    """Type → events of the period."""
    table = rollup_types
    query = _of_types(organization_id, period, table.c.type, _sum(table)).group_by(table.c.type)
    return {row.type: row.total for row in await connection.execute(query)}


async def totals_by_bucket(
    connection: AsyncConnection, organization_id: str, buckets: Sequence[Bucket]
) -> list[dict[str, int]]:
    """Type → events, for each of the buckets."""
    found: list[dict[str, int]] = [{} for _ in buckets]
    for first in range(0, len(buckets), BUCKETS_OF_A_QUERY):
        part = buckets[first : first + BUCKETS_OF_A_QUERY]
        for number, kind, count in await connection.execute(_by_bucket(organization_id, part)):
            found[first + number][kind] = count
    return found


def _by_bucket(organization_id: str, buckets: Sequence[Bucket]) -> Select[Any]:
    """Days of a time zone are nothing a database can group by alike on both engines: it is told where they begin."""
    rows = [(number, one.start, one.end) for number, one in enumerate(buckets)]
    bounds = (
        values(column("number", Integer), column("start", Timestamp), column("until", Timestamp), name="bounds")
        .data(rows)
        .cte("bounds")
    )
    table = rollup_types
    return (
        select(bounds.c.number, table.c.type, _sum(table))
        .join_from(bounds, table, (table.c.slot >= bounds.c.start) & (table.c.slot < bounds.c.until))
        .where(table.c.organization_id == organization_id)
        .group_by(bounds.c.number, table.c.type)
    )


async def counted(connection: AsyncConnection, period: Period) -> Period:
    """What of a period can be told by a property: where the hours are folded, whole days of UTC."""
    folded = await mark(connection, BY_DAY_BEFORE)
    return period if folded is None else period.by_days_before(folded)


async def busiest(
    connection: AsyncConnection, organization_id: str, dimension: Dimension, period: Period, limit: int
) -> dict[str, dict[str, int]]:
    """Value → type → events, of the values with the most events, those first."""
    table = rollup_dimensions
    ranked = (
        _of_dimension(organization_id, dimension, period, table.c.value)
        .group_by(table.c.value)
        .order_by(func.sum(table.c.count).desc(), table.c.value)
        .limit(limit)
    )
    names = list(await connection.scalars(ranked))
    found: dict[str, dict[str, int]] = {name: {} for name in names}
    if names:
        query = _of_dimension(organization_id, dimension, period, table.c.value, table.c.type, _sum(table))
        grouped = query.where(table.c.value.in_(names)).group_by(table.c.value, table.c.type)
        for value, kind, count in await connection.execute(grouped):
            found[value][kind] = count
    return found


async def totals_of_dimension(
    connection: AsyncConnection, organization_id: str, dimension: Dimension, period: Period
) -> dict[str, int]:
    """Type → events that have the property."""
    table = rollup_dimensions
    query = _of_dimension(organization_id, dimension, period, table.c.type, _sum(table)).group_by(table.c.type)
    return {row.type: row.total for row in await connection.execute(query)}


async def by_value(
    connection: AsyncConnection, organization_id: str, dimension: Dimension, period: Period
) -> dict[str, dict[str, int]]:
    """Value → type → events, of all values by name."""
    table = rollup_dimensions
    query = _of_dimension(organization_id, dimension, period, table.c.value, table.c.type, _sum(table))
    found: dict[str, dict[str, int]] = {}
    for value, kind, count in await connection.execute(query.group_by(table.c.value, table.c.type)):
        found.setdefault(value, {})[kind] = count
    return dict(sorted(found.items()))


async def attempts(
    connection: AsyncConnection, organization_id: str, period: Period
) -> Sequence[tuple[str, str, int, int]]:
    """Provider, vMTA, class of the reply code, attempts."""
    table = rollup_attempts.c
    query = (
        select(table.provider, table.vmta, table.code_class, _sum(rollup_attempts))
        .where(table.organization_id == organization_id, table.hour >= period.start, table.hour < period.end)
        .group_by(table.provider, table.vmta, table.code_class)
        .order_by(table.provider, table.vmta, table.code_class)
    )
    return [
        (provider, vmta, code_class, count) for provider, vmta, code_class, count in await connection.execute(query)
    ]


async def failures(
    connection: AsyncConnection, organization_id: str, bounce_class: str, period: Period, limit: int
) -> Sequence[Any]:
    """The latest events of a bounce class."""
    query = (
        select(events)
        .where(
            events.c.organization_id == organization_id,
            events.c.bounce_class == bounce_class,
            events.c.occurred_at >= period.start,
            events.c.occurred_at < period.end,
        )
        .order_by(events.c.occurred_at.desc(), events.c.id.desc())
        .limit(limit)
    )
    return (await connection.execute(query)).all()
