"""SQL of SMTP credentials."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core.live_data import credential_path, credential_shard
from postmta_ctl.store.live_changes import mark
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import smtp_credentials


class SmtpCredentialRow(msgspec.Struct, frozen=True, kw_only=True):
    """A credential as it is kept: a digest, never the secret."""

    id: str
    organization_id: str
    name: str
    username: str
    digest: str
    previous_digest: str | None = None
    previous_until: datetime | None = None
    domains: list[str] | None
    allowed_ips: list[str] | None
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


_SELECT = select(*(smtp_credentials.c[name] for name in SmtpCredentialRow.__struct_fields__))
_FIXED = ("id", "organization_id", "username", "last_used_at", "created_at")


async def by_id(
    connection: AsyncConnection, organization_id: str, credential_id: str, *, lock: bool = False
) -> SmtpCredentialRow | None:
    """A credential of the organization; ``lock`` keeps others from changing it until the transaction ends."""
    table = smtp_credentials.c
    query = _SELECT.where(table.id == credential_id, table.organization_id == organization_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    return None if row is None else SmtpCredentialRow(**row)


async def of_organization(
    connection: AsyncConnection, organization_id: str, paging: PageRequest
) -> list[SmtpCredentialRow]:
    """One page of the organization's credentials, and one more."""
    query = paging.apply(_SELECT.where(smtp_credentials.c.organization_id == organization_id), smtp_credentials.c.id)
    return [SmtpCredentialRow(**row) for row in (await connection.execute(query)).mappings()]


async def count(connection: AsyncConnection, organization_id: str) -> int:
    """How many the organization has."""
    query = select(func.count()).where(smtp_credentials.c.organization_id == organization_id)
    return await connection.scalar(query) or 0


async def add(connection: AsyncConnection, row: SmtpCredentialRow, *, created_by: str | None) -> None:
    """Insert a credential, and have the nodes know it."""
    shard = credential_shard(row.username)
    values: dict[str, Any] = msgspec.structs.asdict(row) | {"created_by": created_by, "shard": shard}
    await connection.execute(insert(smtp_credentials).values(**values))
    await mark(connection, [credential_path(shard)])


async def save(connection: AsyncConnection, row: SmtpCredentialRow) -> None:
    """Keep what was changed, and have the nodes know it."""
    values = {name: value for name, value in msgspec.structs.asdict(row).items() if name not in _FIXED}
    await connection.execute(update(smtp_credentials).where(smtp_credentials.c.id == row.id).values(**values))
    await mark(connection, [credential_path(credential_shard(row.username))])


async def remove(connection: AsyncConnection, row: SmtpCredentialRow) -> None:
    """Delete a credential, and have the nodes forget it."""
    await connection.execute(delete(smtp_credentials).where(smtp_credentials.c.id == row.id))
    await mark(connection, [credential_path(credential_shard(row.username))])


async def touch(connection: AsyncConnection, usernames: Collection[str], now: datetime, before: datetime) -> None:
    """Note that credentials are in use, unless that was noted after ``before``."""
    table = smtp_credentials.c
    stale = or_(table.last_used_at.is_(None), table.last_used_at < before)
    # In one order, so that two batches of records wait for each other.
    for username in sorted(usernames):
        statement = update(smtp_credentials).where(table.username == username, stale).values(last_used_at=now)
        await connection.execute(statement)
