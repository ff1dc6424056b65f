"""SQL of named pools."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import messages, organizations, outbox, pool_domains, pool_members, pools, vmtas


class PoolRow(msgspec.Struct, frozen=True, kw_only=True):
    """A pool with all that is in it."""

    id: str
    organization_id: str
    name: str
    default_of: str | None
    """``organization_id`` of the organization's default."""
    weights: dict[str, int] = {}
    """By name of the vMTA."""
    domains: tuple[str, ...] = ()
    updated_at: datetime
    created_at: datetime


_POOL = select(pools)


async def by_id(
    connection: AsyncConnection, organization_id: str, pool_id: str, *, lock: bool = False
) -> PoolRow | None:
    """A pool of the organization; ``lock`` keeps others from changing it until the transaction ends."""
    query = _POOL.where(pools.c.id == pool_id, pools.c.organization_id == organization_id)
    found = await _filled(connection, query.with_for_update() if lock else query)
    return found[0] if found else None


async def of_organization(connection: AsyncConnection, organization_id: str, paging: PageRequest) -> list[PoolRow]:
    """One page of the organization's pools, and one more."""
    return await _filled(connection, paging.apply(_POOL.where(pools.c.organization_id == organization_id), pools.c.id))


async def of_all(
    connection: AsyncConnection, organization_id: str | None = None, *, only: Collection[str] | None = None
) -> list[tuple[str, PoolRow]]:
    """Every pool, or those of one organization, with the slug of its organization, sorted by both names.

    Args:
        connection: Where to look.
        organization_id: Only those of this organization.
        only: Of the domains that have a pool only these names are looked up, since there may be very many; none: all.
    """
    query, owners = _POOL, select(organizations.c.id, organizations.c.slug)
    if organization_id is not None:
        query = query.where(pools.c.organization_id == organization_id)
        owners = owners.where(organizations.c.id == organization_id)
    slugs = {row.id: row.slug for row in await connection.execute(owners)}
    found = [(slugs[row.organization_id], row) for row in await _filled(connection, query, only)]
    # Sorted here: the order of texts is another in each database.
    return sorted(found, key=lambda one: (one[0], one[1].name))


async def _filled(connection: AsyncConnection, query: Any, only: Collection[str] | None = None) -> list[PoolRow]:
    rows = [dict(row) for row in (await connection.execute(query)).mappings()]
    ids = [row["id"] for row in rows]
    weights: defaultdict[str, dict[str, int]] = defaultdict(dict)
    members = (
        select(pool_members.c.pool_id, vmtas.c.name, pool_members.c.weight)
        .join(vmtas, vmtas.c.id == pool_members.c.vmta_id)
        .where(pool_members.c.pool_id.in_(ids))
    )
    for pool_id, name, weight in sorted(tuple(row) for row in await connection.execute(members)):
        weights[pool_id][name] = weight
    domains: defaultdict[str, list[str]] = defaultdict(list)
    chosen = select(pool_domains.c.pool_id, pool_domains.c.domain).where(pool_domains.c.pool_id.in_(ids))
    if only is not None:
        chosen = chosen.where(pool_domains.c.domain.in_(only))
    for pool_id, domain in sorted(tuple(row) for row in await connection.execute(chosen)):
        domains[pool_id].append(domain)
    return [PoolRow(**row, weights=weights[row["id"]], domains=tuple(domains[row["id"]])) for row in rows]


async def count(connection: AsyncConnection, organization_id: str) -> int:
    """How many pools the organization has."""
    query = select(func.count()).select_from(pools).where(pools.c.organization_id == organization_id)
    return await connection.scalar(query) or 0


async def vmta_ids(connection: AsyncConnection, organization_id: str, names: Collection[str]) -> dict[str, str]:
    """Ids of those of the organization's vMTAs that have one of these names, by name."""
    query = select(vmtas.c.name, vmtas.c.id).where(
        vmtas.c.organization_id == organization_id, vmtas.c.name.in_(list(names))
    )
    return {row.name: row.id for row in await connection.execute(query)}


async def taken_domains(
    connection: AsyncConnection, organization_id: str, domains: Collection[str], *, but: str
) -> list[str]:
    """Those of the domains whose mail leaves from another pool than ``but``."""
    query = select(pool_domains.c.domain).where(
        pool_domains.c.organization_id == organization_id,
        pool_domains.c.domain.in_(list(domains)),
        pool_domains.c.pool_id != but,
    )
    return sorted(await connection.scalars(query))


async def add(connection: AsyncConnection, row: PoolRow, members: dict[str, int]) -> None:
    """Insert a pool with its members, by id of the vMTA."""
    await connection.execute(insert(pools).values(**_columns(row)))
    await _fill(connection, row, members)


async def save(connection: AsyncConnection, row: PoolRow, members: dict[str, int]) -> None:
    """Write all of a pool."""
    await connection.execute(update(pools).where(pools.c.id == row.id).values(**_columns(row)))
    await connection.execute(delete(pool_members).where(pool_members.c.pool_id == row.id))
    await connection.execute(delete(pool_domains).where(pool_domains.c.pool_id == row.id))
    await _fill(connection, row, members)


async def _fill(connection: AsyncConnection, row: PoolRow, members: dict[str, int]) -> None:
    values = [{"pool_id": row.id, "vmta_id": vmta_id, "weight": weight} for vmta_id, weight in members.items()]
    if values:
        await connection.execute(insert(pool_members), values)
    chosen = [{"organization_id": row.organization_id, "domain": one, "pool_id": row.id} for one in row.domains]
    if chosen:
        await connection.execute(insert(pool_domains), chosen)


async def undefault(connection: AsyncConnection, organization_id: str) -> None:
    """The organization has no default pool any more."""
    await connection.execute(update(pools).where(pools.c.default_of == organization_id).values(default_of=None))


async def has_waiting_mail(connection: AsyncConnection, row: PoolRow) -> bool:
    """Whether mail was accepted for the pool that no node has taken yet."""
    query = (
        select(outbox.c.recipient_id)
        .join(messages, messages.c.id == outbox.c.message_id)
        .where(messages.c.organization_id == row.organization_id, messages.c.pool == row.name)
    )
    return await connection.scalar(query.limit(1)) is not None


async def remove(connection: AsyncConnection, row: PoolRow) -> None:
    """Delete a pool."""
    await connection.execute(delete(pool_members).where(pool_members.c.pool_id == row.id))
    await connection.execute(delete(pool_domains).where(pool_domains.c.pool_id == row.id))
    await connection.execute(delete(pools).where(pools.c.id == row.id))


def _columns(row: PoolRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in PoolRow.__struct_fields__ if name not in ("weights", "domains")}
