"""SQL of API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import api_keys, organizations, subscriptions


class ApiKeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is kept: a digest, never the secret."""

    id: str
    organization_id: str
    name: str
    prefix: str
    digest: bytes
    previous_prefix: str | None = None
    previous_digest: bytes | None = None
    previous_until: datetime | None = None
    scopes: list[str]
    allowed_ips: list[str] | None = None
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime
    slug: str
    plan: str | None = None
    """Id of the organization's plan; None: it has not been asked for yet."""


KEPT = tuple(name for name in ApiKeyRow.__struct_fields__ if name in api_keys.c)
"""Fields that are columns of the key itself."""
_SELECT = (
    select(*(api_keys.c[name] for name in KEPT), organizations.c.slug, subscriptions.c.plan)
    .join_from(api_keys, organizations)
    .outerjoin(subscriptions, subscriptions.c.organization_id == organizations.c.id)
)


async def by_prefix(connection: AsyncConnection, prefix: str) -> ApiKeyRow | None:
    """The key that has this prefix, or had it before it was rotated; whoever owns it."""
    either = or_(api_keys.c.prefix == prefix, api_keys.c.previous_prefix == prefix)
    return _row(await connection.execute(_SELECT.where(either)))


async def by_id(
    connection: AsyncConnection, organization_id: str, key_id: str, *, lock: bool = False
) -> ApiKeyRow | None:
    """A key of the organization; ``lock`` keeps others from changing it until the transaction ends."""
    query = _SELECT.where(api_keys.c.id == key_id, api_keys.c.organization_id == organization_id)
    return _row(await connection.execute(query.with_for_update(of=api_keys) if lock else query))


def _row(result: Any) -> ApiKeyRow | None:
    row = result.mappings().one_or_none()
    return None if row is None else ApiKeyRow(**row)


async def of_organization(connection: AsyncConnection, organization_id: str, paging: PageRequest) -> list[ApiKeyRow]:
    """One page of the organization's keys, and one more."""
    query = paging.apply(
        _SELECT.where(api_keys.c.organization_id == organization_id), api_keys.c.id, name=api_keys.c.name
    )
    return [ApiKeyRow(**row) for row in (await connection.execute(query)).mappings()]


async def add(connection: AsyncConnection, **values: Any) -> None:
    """Insert a key."""
    await connection.execute(insert(api_keys).values(**values))


async def rotate(connection: AsyncConnection, row: ApiKeyRow) -> None:
    """Keep what a rotation changed."""
    names = ("prefix", "digest", "previous_prefix", "previous_digest", "previous_until")
    values = {name: getattr(row, name) for name in names}
    await connection.execute(update(api_keys).where(api_keys.c.id == row.id).values(**values))


async def remove(connection: AsyncConnection, organization_id: str, key_id: str) -> bool:
    """Delete a key of the organization; false when there is none."""
    owned = (api_keys.c.id == key_id, api_keys.c.organization_id == organization_id)
    return (await connection.execute(delete(api_keys).where(*owned))).rowcount == 1


async def touch(connection: AsyncConnection, key_id: str, now: datetime) -> None:
    """Note when the key was last used."""
    await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=now))
