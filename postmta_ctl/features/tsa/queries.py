"""SQL of traffic shaping automation."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.compiler.model import AutomationRule
from postmta_ctl.core.automation import Rule
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import automation_rules


class AutomationRow(msgspec.Struct, frozen=True, kw_only=True):
    """A rule."""

    id: str
    kind: Literal["provider", "domain", "any"]
    target: str
    rule: Rule
    note: str
    updated_at: datetime
    created_at: datetime


_RULE = select(automation_rules)


async def page(connection: AsyncConnection, paging: PageRequest) -> list[AutomationRow]:
    """One page of the rules, and one more."""
    query = paging.apply(_RULE, automation_rules.c.id)
    return [_row(row) for row in (await connection.execute(query)).mappings()]


async def of_all(connection: AsyncConnection) -> list[AutomationRow]:
    """Every rule."""
    return [_row(row) for row in (await connection.execute(_RULE.order_by(automation_rules.c.id))).mappings()]


async def in_policy(connection: AsyncConnection) -> tuple[AutomationRule, ...]:
    """The rules as the policy has them."""
    return tuple(
        AutomationRule(
            provider=row.target if row.kind == "provider" else None,
            domain=row.target if row.kind == "domain" else None,
            rule=row.rule,
        )
        for row in await of_all(connection)
    )


async def by_id(connection: AsyncConnection, rule_id: str, *, lock: bool = False) -> AutomationRow | None:
    """The rule of this id; ``lock`` keeps others from changing it until the transaction ends."""
    query = _RULE.where(automation_rules.c.id == rule_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return None if row is None else _row(row)


async def count(connection: AsyncConnection) -> int:
    """How many rules there are."""
    return await connection.scalar(select(func.count()).select_from(automation_rules)) or 0


async def add(connection: AsyncConnection, row: AutomationRow) -> None:
    """Insert a rule."""
    await connection.execute(insert(automation_rules).values(**_columns(row)))


async def save(connection: AsyncConnection, row: AutomationRow) -> None:
    """Write all of a rule."""
    await connection.execute(update(automation_rules).where(automation_rules.c.id == row.id).values(**_columns(row)))


async def remove(connection: AsyncConnection, rule_id: str) -> None:
    """Delete a rule."""
    await connection.execute(delete(automation_rules).where(automation_rules.c.id == rule_id))


def _columns(row: AutomationRow) -> dict[str, Any]:
    return msgspec.structs.asdict(row)


def _row(row: Any) -> AutomationRow:
    return msgspec.convert({name: row[name] for name in AutomationRow.__struct_fields__}, AutomationRow)
