"""SQL of what messages leave from: a statement for each kind, whatever the number of messages."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import Table, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import domains, organizations, pool_domains, pools, vmtas


async def sending_domains(
    connection: AsyncConnection, organization_id: str, names: Collection[str]
) -> dict[str, str | None]:
    """Those of the names that are verified domains of the organization, each with the pool of its mail, if any."""
    same = (pool_domains.c.organization_id == domains.c.organization_id, pool_domains.c.domain == domains.c.name)
    query = (
        select(domains.c.name, pools.c.name.label("pool"))
        .outerjoin(pool_domains, and_(*same))
        .outerjoin(pools, pools.c.id == pool_domains.c.pool_id)
        .where(domains.c.organization_id == organization_id, domains.c.name.in_(names), domains.c.status == "verified")
    )
    return {row.name: row.pool for row in await connection.execute(query)}


async def vmtas_named(connection: AsyncConnection, organization_id: str, names: Collection[str]) -> frozenset[str]:
    """Those of the names that vMTAs of the organization have."""
    return await _named(connection, vmtas, organization_id, names)


async def pools_named(connection: AsyncConnection, organization_id: str, names: Collection[str]) -> frozenset[str]:
    """Those of the names that pools of the organization have."""
    return await _named(connection, pools, organization_id, names)


async def _named(
    connection: AsyncConnection, table: Table, organization_id: str, names: Collection[str]
) -> frozenset[str]:
    if not names:
        return frozenset()
    query = select(table.c.name).where(table.c.organization_id == organization_id, table.c.name.in_(names))
    return frozenset(await connection.scalars(query))


class PlacedVmta(msgspec.Struct, frozen=True):
    """Where the address of a vMTA lives."""

    organization: str
    """Slug."""
    name: str
    nodes: list[str]
    """None: all of them."""
    is_paused: bool


async def placed_vmtas(connection: AsyncConnection) -> list[PlacedVmta]:
    """All vMTAs of those organizations that have one which names nodes."""
    somewhere = select(vmtas.c.organization_id).where(vmtas.c.nodes != [])
    query = (
        select(organizations.c.slug, vmtas.c.name, vmtas.c.nodes, vmtas.c.paused_at.is_not(None))
        .join(organizations, organizations.c.id == vmtas.c.organization_id)
        .where(vmtas.c.organization_id.in_(somewhere))
    )
    return [PlacedVmta(*row) for row in await connection.execute(query)]
