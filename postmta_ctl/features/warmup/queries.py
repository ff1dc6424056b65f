"""SQL of warm-ups: which there are, what they were allowed, and what was decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.warmup import Progress
from postmta_ctl.core.warmup_decisions import Decision
from postmta_ctl.features.vmtas.queries import VmtaRow
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import organizations, vmtas, warmup_allowances, warmup_decisions

ALL = ""
"""Stands in the column of the provider for all of them together."""


class Governed(msgspec.Struct, frozen=True, kw_only=True):
    """A vMTA that is warming, or has been."""

    organization: str
    """Slug."""
    row: VmtaRow
    progress: Progress


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that was made."""

    id: str
    vmta_id: str
    kind: str
    provider: str | None
    author: str
    decision: Decision
    created_at: datetime


async def governed(connection: AsyncConnection) -> list[Governed]:
    """Every vMTA that has a warm-up, also one that is over."""
    query = (
        select(organizations.c.slug, *(vmtas.c[name] for name in VmtaRow.__struct_fields__))
        .join_from(vmtas, organizations)
        .where(vmtas.c.warmup.is_not(None))
        .order_by(vmtas.c.id)
    )
    found = []
    for row in (await connection.execute(query)).mappings():
        vmta = msgspec.convert({name: row[name] for name in VmtaRow.__struct_fields__}, VmtaRow)
        if vmta.warmup is not None:
            found.append(Governed(organization=row["slug"], row=vmta, progress=vmta.warmup))
    return found


async def grant(
    connection: AsyncConnection, vmta_id: str, day: date, stage: int, allowances: Mapping[str, int]
) -> None:
    """Note what a day allows, by provider; what was noted before for the same day is replaced."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(warmup_allowances)
    values = {"stage": statement.excluded.stage, "granted": statement.excluded.granted}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["vmta_id", "day", "provider"], set_=values),
        [
            {"vmta_id": vmta_id, "day": day, "provider": provider, "stage": stage, "granted": granted}
            for provider, granted in sorted(allowances.items())
        ],
    )


async def granted(connection: AsyncConnection, vmta_id: str, first: date) -> dict[tuple[date, str], tuple[int, int]]:
    """Stage and allowance since a day, by day and provider."""
    query = select(warmup_allowances).where(warmup_allowances.c.vmta_id == vmta_id, warmup_allowances.c.day >= first)
    return {(row.day, row.provider): (row.stage, row.granted) for row in await connection.execute(query)}


async def add_decisions(connection: AsyncConnection, rows: Iterable[DecisionRow]) -> None:
    """Keep decisions."""
    values = [msgspec.structs.asdict(row) for row in rows]
    if values:
        await connection.execute(insert(warmup_decisions), values)


async def decisions(connection: AsyncConnection, vmta_id: str, paging: PageRequest) -> list[DecisionRow]:
    """One page of a vMTA's decisions, newest first, and one more."""
    query = paging.apply(select(warmup_decisions).where(warmup_decisions.c.vmta_id == vmta_id), warmup_decisions.c.id)
    return [_decision(row) for row in (await connection.execute(query)).mappings()]


async def forget(connection: AsyncConnection, vmta_id: str) -> None:
    """Drop the allowances of a warm-up, since another one begins; what was decided stays."""
    await connection.execute(delete(warmup_allowances).where(warmup_allowances.c.vmta_id == vmta_id))


def _decision(row: Any) -> DecisionRow:
    return msgspec.convert({name: row[name] for name in DecisionRow.__struct_fields__}, DecisionRow)
