"""SQL of what receivers answered to warming vMTAs, by day, provider and node."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.warmup_decisions import Figures
from postmta_ctl.store.tables import vmtas, warmup_counts

COUNTS = ("delivered", "deferred", "bounced", "complained", "attempts")


class Key(msgspec.Struct, frozen=True, order=True):
    """What is counted together. The order of the fields is that of the primary key."""

    vmta_id: str
    day: date
    provider: str
    node: str


async def warming(connection: AsyncConnection, named: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Ids of those among these vMTAs (organization, name) that are warming."""
    query = select(vmtas.c.organization_id, vmtas.c.name, vmtas.c.id).where(
        vmtas.c.state == "warming",
        vmtas.c.organization_id.in_({organization_id for organization_id, _ in named}),
        vmtas.c.name.in_({name for _, name in named}),
    )
    return {(row.organization_id, row.name): row.id for row in await connection.execute(query)}


async def add(connection: AsyncConnection, counts: Mapping[Key, Counter[str]]) -> None:
    """Add to the counts, in the order of their keys, so that two transactions never wait for each other."""
    if not counts:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(warmup_counts)
    added: Any = {name: warmup_counts.c[name] + insert.excluded[name] for name in COUNTS}
    keys = [column.name for column in warmup_counts.primary_key]
    rows = [
        msgspec.structs.asdict(key) | {name: found[name] for name in COUNTS} for key, found in sorted(counts.items())
    ]
    await connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=added), rows)


async def by_provider(connection: AsyncConnection, vmta_id: str, first: date, last: date) -> dict[str, Figures]:
    """What receivers answered on these days, both included."""
    sums = [func.sum(warmup_counts.c[name]).label(name) for name in Figures.__struct_fields__]
    query = (
        select(warmup_counts.c.provider, *sums)
        .where(warmup_counts.c.vmta_id == vmta_id, warmup_counts.c.day.between(first, last))
        .group_by(warmup_counts.c.provider)
    )
    return {row["provider"]: _figures(row) for row in (await connection.execute(query)).mappings()}


async def by_day(connection: AsyncConnection, vmta_id: str, first: date) -> dict[tuple[date, str], Figures]:
    """What receivers answered since a day, by day and provider."""
    sums = [func.sum(warmup_counts.c[name]).label(name) for name in Figures.__struct_fields__]
    query = (
        select(warmup_counts.c.day, warmup_counts.c.provider, *sums)
        .where(warmup_counts.c.vmta_id == vmta_id, warmup_counts.c.day >= first)
        .group_by(warmup_counts.c.day, warmup_counts.c.provider)
    )
    return {(row["day"], row["provider"]): _figures(row) for row in (await connection.execute(query)).mappings()}


async def attempts(connection: AsyncConnection, today: date) -> dict[tuple[str, str], dict[str, int]]:
    """Attempts of a day by provider, for each vMTA (id) and node (name)."""
    query = select(
        warmup_counts.c.vmta_id, warmup_counts.c.node, warmup_counts.c.provider, warmup_counts.c.attempts
    ).where(warmup_counts.c.day == today)
    found: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in await connection.execute(query):
        found[row.vmta_id, row.node][row.provider] = row.attempts
    return dict(found)


async def delivered_at(connection: AsyncConnection, day: date) -> dict[str, dict[str, int]]:
    """Deliveries of a day by provider, for each vMTA (id)."""
    query = (
        select(
            warmup_counts.c.vmta_id, warmup_counts.c.provider, func.sum(warmup_counts.c.delivered).label("delivered")
        )
        .where(warmup_counts.c.day == day)
        .group_by(warmup_counts.c.vmta_id, warmup_counts.c.provider)
    )
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in await connection.execute(query):
        found[row.vmta_id][row.provider] = int(row.delivered)
    return dict(found)


async def delivered_on(connection: AsyncConnection, day: date) -> dict[str, int]:
    """Deliveries of a day by id of the vMTA."""
    query = (
        select(warmup_counts.c.vmta_id, func.sum(warmup_counts.c.delivered).label("delivered"))
        .where(warmup_counts.c.day == day)
        .group_by(warmup_counts.c.vmta_id)
    )
    return {row.vmta_id: int(row.delivered) for row in await connection.execute(query)}


async def forget(connection: AsyncConnection, vmta_id: str) -> None:
    """Drop the counts of a warm-up, since another one begins."""
    await connection.execute(delete(warmup_counts).where(warmup_counts.c.vmta_id == vmta_id))


def _figures(row: Any) -> Figures:
    # PostgreSQL sums big integers to numerics.
    return Figures(**{name: int(row[name]) for name in Figures.__struct_fields__})
