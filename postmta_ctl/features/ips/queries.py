"""SQL of assigned IP addresses."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Select, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.ip_addresses import is_ipv6
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import ip_addresses, organizations, vmtas


class IpRow(msgspec.Struct, frozen=True, kw_only=True):
    """An address that operators decide about."""

    id: str
    ip_address: str
    organization_id: str | None
    """The one that may use it; none: see ``shared``."""
    organization: str | None
    """Its slug."""
    shared: bool
    note: str
    created_at: datetime


class User(NamedTuple):
    """A vMTA that has an address."""

    ip_address: str
    organization_id: str
    organization: str
    vmta_id: str
    vmta: str


_IP = select(ip_addresses, organizations.c.slug.label("organization")).select_from(
    ip_addresses.outerjoin(organizations, organizations.c.id == ip_addresses.c.organization_id)
)


async def page(connection: AsyncConnection, organization_id: str | None, paging: PageRequest) -> list[IpRow]:
    """One page, and one more: all, or those that an organization may use."""
    query = _IP
    if organization_id is not None:
        query = query.where(or_(ip_addresses.c.organization_id == organization_id, ip_addresses.c.shared))
    return [IpRow(**row) for row in (await connection.execute(paging.apply(query, ip_addresses.c.id))).mappings()]


async def by_id(connection: AsyncConnection, ip_id: str, *, lock: bool = False) -> IpRow | None:
    """The address of this id; ``lock`` keeps others from changing it until the transaction ends."""
    return await _one(connection, _IP.where(ip_addresses.c.id == ip_id), lock=lock)


async def by_address(connection: AsyncConnection, address: str, *, lock: bool = False) -> IpRow | None:
    """What operators say of this address, if anything."""
    return await _one(connection, _IP.where(ip_addresses.c.ip_address == address), lock=lock)


async def _one(connection: AsyncConnection, query: Select[Any], *, lock: bool) -> IpRow | None:
    row = (await connection.execute(query.with_for_update(of=ip_addresses) if lock else query)).mappings().one_or_none()
    return None if row is None else IpRow(**row)


async def are_any(connection: AsyncConnection) -> bool:
    """Whether operators decide about addresses at all."""
    return bool(await connection.scalar(select(exists(select(ip_addresses.c.id)))))


async def users_of(connection: AsyncConnection, addresses: Collection[str]) -> list[User]:
    """The vMTAs that have one of these addresses, by name."""
    found = list[User]()
    for column in (vmtas.c.ip_address, vmtas.c.ipv6_address):
        query = (
            select(column, vmtas.c.organization_id, organizations.c.slug, vmtas.c.id, vmtas.c.name)
            .join(organizations, organizations.c.id == vmtas.c.organization_id)
            .where(column.in_(addresses))
        )
        found += [User(*row) for row in await connection.execute(query)]
    return sorted(found)


async def organization_id(connection: AsyncConnection, slug: str) -> str | None:
    """The organization of this slug."""
    found: str | None = await connection.scalar(select(organizations.c.id).where(organizations.c.slug == slug))
    return found


async def add(connection: AsyncConnection, row: IpRow) -> None:
    """Insert an address."""
    await connection.execute(insert(ip_addresses).values(**_columns(row)))


async def save(connection: AsyncConnection, row: IpRow) -> None:
    """Write all of an address."""
    await connection.execute(update(ip_addresses).where(ip_addresses.c.id == row.id).values(**_columns(row)))


async def remove(connection: AsyncConnection, ip_id: str) -> None:
    """Delete an address from the list."""
    await connection.execute(delete(ip_addresses).where(ip_addresses.c.id == ip_id))


async def claim(connection: AsyncConnection, address: str, *, shared: bool) -> None:
    """Let the vMTAs of an address keep it from others, or not."""
    held = None if shared else address
    have_it = or_(vmtas.c.ip_address == address, vmtas.c.ipv6_address == address)
    column = "held_ipv6_address" if is_ipv6(address) else "held_address"
    await connection.execute(update(vmtas).where(have_it).values({column: held}))


def _columns(row: IpRow) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(row).items() if name != "organization"}
