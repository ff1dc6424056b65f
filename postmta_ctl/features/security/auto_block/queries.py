"""SQL of rules, and of the counts that they are judged by."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.auto_block import Action, Metric, Scope
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import auto_block_rules, organizations, rollup_outcomes

Counts = dict[str, dict[str, dict[str, int]]]
"""By organization, value of the scope and outcome."""


class RuleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A rule."""

    id: str
    organization_id: str
    name: str
    metric: Metric
    scope: Scope
    window_minutes: int
    threshold: float
    minimum_volume: int
    action: Action
    block_minutes: int | None
    enabled: bool
    updated_at: datetime
    created_at: datetime


_RULE = select(*(auto_block_rules.c[name] for name in RuleRow.__struct_fields__))


def _rule(row: RowMapping) -> RuleRow:
    return msgspec.convert({name: row[name] for name in RuleRow.__struct_fields__}, RuleRow)


async def rules_of(connection: AsyncConnection, organization_id: str, paging: PageRequest) -> list[RuleRow]:
    """One page of the organization's rules, and one more."""
    query = _RULE.where(auto_block_rules.c.organization_id == organization_id)
    rows = await connection.execute(paging.apply(query, auto_block_rules.c.id))
    return [_rule(row) for row in rows.mappings()]


async def rule_by_id(
    connection: AsyncConnection, organization_id: str, rule_id: str, *, lock: bool = False
) -> RuleRow | None:
    """A rule of the organization; ``lock`` keeps others from changing it until the transaction ends."""
    query = _RULE.where(auto_block_rules.c.id == rule_id, auto_block_rules.c.organization_id == organization_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return None if row is None else _rule(row)


async def count_rules(connection: AsyncConnection, organization_id: str, *, enabled_only: bool = False) -> int:
    """How many rules the organization has."""
    query = select(func.count()).where(auto_block_rules.c.organization_id == organization_id)
    query = query.where(auto_block_rules.c.enabled) if enabled_only else query
    return await connection.scalar(query) or 0


async def add_rules(connection: AsyncConnection, rows: Sequence[RuleRow]) -> None:
    """Insert rules."""
    await connection.execute(insert(auto_block_rules), [msgspec.structs.asdict(row) for row in rows])


async def save_rule(connection: AsyncConnection, row: RuleRow) -> None:
    """Write a rule that was changed."""
    values = msgspec.structs.asdict(row)
    await connection.execute(update(auto_block_rules).where(auto_block_rules.c.id == row.id).values(**values))


async def delete_rule(connection: AsyncConnection, rule_id: str) -> None:
    """Delete a rule; its blocks stay as history."""
    await connection.execute(delete(auto_block_rules).where(auto_block_rules.c.id == rule_id))


async def enabled_rules(connection: AsyncConnection, after: str, limit: int) -> list[tuple[RuleRow, str]]:
    """Rules that are on, of everybody, by id and with the slug of the organization; a part at a time."""
    query = (
        _RULE.add_columns(organizations.c.slug)
        .join_from(auto_block_rules, organizations)
        .where(auto_block_rules.c.enabled, auto_block_rules.c.id > after)
        .order_by(auto_block_rules.c.id)
        .limit(limit)
    )
    return [(_rule(row), row["slug"]) for row in (await connection.execute(query)).mappings()]


async def counts(
    connection: AsyncConnection,
    organization_ids: Collection[str],
    scope: str,
    since: datetime,
    until: datetime,
    value: str | None = None,
) -> Counts:
    """What became of the mail of these organizations, from one slot up to a moment."""
    table = rollup_outcomes.c
    keys = (table.organization_id, table.value, table.outcome)
    # Clocks of nodes may be ahead; what they say of the future has its turn.
    query = select(*keys, func.sum(table.count).label("events")).where(
        table.organization_id.in_(organization_ids), table.scope == scope, table.slot >= since, table.slot <= until
    )
    if value is not None:
        query = query.where(table.value == value)
    found: Counts = {}
    for row in await connection.execute(query.group_by(*keys)):
        found.setdefault(row.organization_id, {}).setdefault(row.value, {})[row.outcome] = int(row.events)
    return found


async def forget_counts(connection: AsyncConnection, before: datetime) -> None:
    """Drop what no window reaches any more."""
    await connection.execute(delete(rollup_outcomes).where(rollup_outcomes.c.slot < before))
