"""SQL of DKIM key rotations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.dkim_rotation import OPEN, State
from postmta_ctl.features.domains.queries import VERIFIED
from postmta_ctl.store.tables import dkim_keys, dkim_rotations, domains, nodes


class RotationRow(msgspec.Struct, frozen=True, kw_only=True):
    """One replacement of a domain's keys."""

    id: str
    domain_id: str
    author: str
    state: State
    checks: list[Any] | None = None
    """What the last look at the new records found."""
    checked_at: datetime | None = None
    not_before: datetime | None = None
    """Resolvers may remember until then that the new records were not there."""
    verified_at: datetime | None = None
    """When the new records were found first."""
    switched_at: datetime | None = None
    confirmed_at: datetime | None = None
    """Since when every node signs with the new keys."""
    retire_at: datetime | None = None
    finished_at: datetime | None = None
    due_at: datetime | None = None
    """When to go on with it; none at its end."""
    created_at: datetime


_ROTATION = select(*(dkim_rotations.c[name] for name in RotationRow.__struct_fields__))


async def add(connection: AsyncConnection, row: RotationRow, keys: Sequence[dict[str, Any]]) -> None:
    """Insert a rotation with its new keys."""
    await connection.execute(insert(dkim_rotations).values(**msgspec.structs.asdict(row)))
    await connection.execute(insert(dkim_keys), keys)


async def by_id(connection: AsyncConnection, rotation_id: str) -> RotationRow | None:
    """A rotation."""
    return _row(await connection.execute(_ROTATION.where(dkim_rotations.c.id == rotation_id)))


async def latest(connection: AsyncConnection, domain_id: str) -> RotationRow | None:
    """The domain's last rotation, whatever became of it."""
    query = _ROTATION.where(dkim_rotations.c.domain_id == domain_id).order_by(dkim_rotations.c.id.desc()).limit(1)
    return _row(await connection.execute(query))


async def save(connection: AsyncConnection, row: RotationRow) -> None:
    """Write where a rotation is."""
    values = msgspec.structs.asdict(row)
    await connection.execute(update(dkim_rotations).where(dkim_rotations.c.id == row.id).values(**values))


async def lease(connection: AsyncConnection, now: datetime, *, limit: int, lifetime: timedelta) -> list[RotationRow]:
    """The rotations that are due; they are due again after the lease, should this process die."""
    query = (
        _ROTATION.where(dkim_rotations.c.due_at <= now)
        .order_by(dkim_rotations.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = [RotationRow(**row) for row in (await connection.execute(query)).mappings()]
    ids = [row.id for row in found]
    await connection.execute(update(dkim_rotations).where(dkim_rotations.c.id.in_(ids)).values(due_at=now + lifetime))
    return found


async def switch_keys(connection: AsyncConnection, row: RotationRow) -> None:
    """From now on the new keys sign, and the others retire."""
    of_domain = dkim_keys.c.domain_id == row.domain_id
    active = of_domain & (dkim_keys.c.state == "active")
    await connection.execute(update(dkim_keys).where(active).values(state="retiring", retired_by=row.id))
    await connection.execute(update(dkim_keys).where(dkim_keys.c.rotation_id == row.id).values(state="active"))


async def retire_keys(connection: AsyncConnection, row: RotationRow) -> None:
    """Forget the private keys that this rotation replaced."""
    replaced = (dkim_keys.c.domain_id == row.domain_id) & (dkim_keys.c.retired_by == row.id)
    await connection.execute(update(dkim_keys).where(replaced).values(state="retired", sealed_private_key=None))


async def give_up_keys(connection: AsyncConnection, row: RotationRow) -> None:
    """Forget the private keys that this rotation made. Their selectors stay taken: a record may be in DNS."""
    made = (dkim_keys.c.domain_id == row.domain_id) & (dkim_keys.c.rotation_id == row.id)
    values = {"state": "retired", "sealed_private_key": None, "retired_by": row.id}
    await connection.execute(update(dkim_keys).where(made).values(**values))


async def nodes_behind(connection: AsyncConnection, release: int) -> int:
    """How many nodes are not known to run this release or a later one."""
    behind = or_(nodes.c.running_release.is_(None), nodes.c.running_release < release)
    return await connection.scalar(select(func.count()).select_from(nodes).where(behind)) or 0


async def overdue(connection: AsyncConnection, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Organization and domain of those whose keys are older than they are to get, without a rotation under way."""
    newest = select(func.max(dkim_keys.c.created_at)).where(
        dkim_keys.c.domain_id == domains.c.id, dkim_keys.c.state == "active"
    )
    tried = select(func.max(dkim_rotations.c.created_at)).where(dkim_rotations.c.domain_id == domains.c.id)
    under_way = select(dkim_rotations.c.id).where(
        dkim_rotations.c.domain_id == domains.c.id, dkim_rotations.c.state.in_(OPEN)
    )
    query = select(
        domains.c.organization_id,
        domains.c.id,
        domains.c.dkim_rotation_days,
        newest.scalar_subquery().label("made_at"),
        tried.scalar_subquery().label("tried_at"),
    ).where(domains.c.dkim_rotation_days.is_not(None), domains.c.status == VERIFIED, ~exists(under_way))
    found = []
    for row in await connection.execute(query):
        last = max(moment for moment in (row.made_at, row.tried_at) if moment is not None)
        if last + timedelta(days=row.dkim_rotation_days) <= now:
            found.append((row.organization_id, row.id))
    return found[:limit]


def _row(result: Any) -> RotationRow | None:
    row = result.mappings().one_or_none()
    return None if row is None else RotationRow(**row)
