"""SQL of API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import api_keys, organizations


class ApiKeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is kept: a digest, never the secret."""

    id: str
    organization_id: str
    name: str
    prefix: str
    digest: bytes
    scopes: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime
    slug: str


_SELECT = select(
    *(api_keys.c[name] for name in ApiKeyRow.__struct_fields__ if name != "slug"), organizations.c.slug
).join_from(api_keys, organizations)


async def by_prefix(connection: AsyncConnection, prefix: str) -> ApiKeyRow | None:
    """The key of this prefix, whoever owns it."""
    return _row(await connection.execute(_SELECT.where(api_keys.c.prefix == prefix)))


async def by_id(connection: AsyncConnection, organization_id: str, key_id: str) -> ApiKeyRow | None:
    """A key of the organization."""
    owned = (api_keys.c.id == key_id, api_keys.c.organization_id == organization_id)
    return _row(await connection.execute(_SELECT.where(*owned)))


def _row(result: Any) -> ApiKeyRow | None:
    row = result.mappings().one_or_none()
    return None if row is None else ApiKeyRow(**row)


async def of_organization(connection: AsyncConnection, organization_id: str, paging: PageRequest) -> list[ApiKeyRow]:
    """One page of the organization's keys, and one more."""
    query = paging.apply(_SELECT.where(api_keys.c.organization_id == organization_id), api_keys.c.id)
    return [ApiKeyRow(**row) for row in (await connection.execute(query)).mappings()]


async def add(connection: AsyncConnection, **values: Any) -> None:
    """Insert a key."""
    await connection.execute(insert(api_keys).values(**values))


async def remove(connection: AsyncConnection, organization_id: str, key_id: str) -> bool:
    """Delete a key of the organization; false when there is none."""
    owned = (api_keys.c.id == key_id, api_keys.c.organization_id == organization_id)
    return (await connection.execute(delete(api_keys).where(*owned))).rowcount == 1


async def touch(connection: AsyncConnection, key_id: str, now: datetime) -> None:
    """Note when the key was last used."""
    await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=now))
