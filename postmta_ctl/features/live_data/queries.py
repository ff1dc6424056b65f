"""SQL of live data."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

import msgspec
from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import (
    credit_balances,
    live_changes,
    live_files,
    organizations,
    smtp_credentials,
    subscriptions,
    suppressions,
)


class ChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A file that has to be written anew."""

    id: int
    path: str


class CredentialRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a node has to know of an SMTP credential."""

    username: str
    shard: str
    organization: str
    digest: str
    previous_digest: str | None
    previous_until: datetime | None
    domains: list[str] | None
    allowed_ips: list[str] | None
    expires_at: datetime | None


class SuppressedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A suppressed address, and whose list it is on (slug)."""

    shard: str
    organization: str
    address: str


class EmptyRow(msgspec.Struct, frozen=True, kw_only=True):
    """An organization (slug) without credits, and the id of its plan."""

    slug: str
    plan: str


async def changes(connection: AsyncConnection, limit: int) -> list[ChangeRow]:
    """Changes that no version has taken up, those of credentials first: they do not wait for an import of addresses."""
    query = select(live_changes).order_by(live_changes.c.path, live_changes.c.id).limit(limit)
    return [ChangeRow(**row) for row in (await connection.execute(query)).mappings()]


async def forget_changes(connection: AsyncConnection, ids: Collection[int]) -> None:
    """Drop changes that a version has taken up."""
    if ids:
        await connection.execute(delete(live_changes).where(live_changes.c.id.in_(ids)))


async def digests(connection: AsyncConnection, paths: Collection[str]) -> dict[str, str]:
    """Digest of the content of each of these files, as it was last seen."""
    query = select(live_files.c.path, live_files.c.digest).where(live_files.c.path.in_(paths))
    return {row.path: row.digest for row in await connection.execute(query)}


async def newest_version(connection: AsyncConnection) -> int:
    """The version of the file that changed last; 0 before there is any."""
    return await connection.scalar(select(func.max(live_files.c.version))) or 0


async def keep(connection: AsyncConnection, digests: Iterable[tuple[str, str]], version: int) -> None:
    """Note that these files (path, digest) have changed, in this version."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(live_files)
    changed = {"digest": statement.excluded.digest, "version": statement.excluded.version}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["path"], set_=changed),
        [{"path": path, "digest": digest, "version": version} for path, digest in digests],
    )


async def changed_since(connection: AsyncConnection, version: int) -> list[str]:
    """The files that have changed since a version."""
    query = select(live_files.c.path).where(live_files.c.version > version).order_by(live_files.c.path)
    return list(await connection.scalars(query))


async def suppressed(connection: AsyncConnection, shards: Collection[str]) -> list[SuppressedRow]:
    """The suppressions in these shards."""
    query = (
        select(suppressions.c.shard, organizations.c.slug.label("organization"), suppressions.c.address)
        .join(organizations, organizations.c.id == suppressions.c.organization_id)
        .where(suppressions.c.shard.in_(shards))
    )
    return [SuppressedRow(**row) for row in (await connection.execute(query)).mappings()]


async def credentials(connection: AsyncConnection, shards: Collection[str]) -> list[CredentialRow]:
    """The SMTP credentials in these shards."""
    names = [name for name in CredentialRow.__struct_fields__ if name != "organization"]
    query = (
        select(*(smtp_credentials.c[name] for name in names), organizations.c.slug.label("organization"))
        .join(organizations, organizations.c.id == smtp_credentials.c.organization_id)
        .where(smtp_credentials.c.shard.in_(shards))
    )
    return [CredentialRow(**row) for row in (await connection.execute(query)).mappings()]


async def without_credits(connection: AsyncConnection) -> list[EmptyRow]:
    """The organizations that could submit by SMTP and have no email credit left, whatever their plan."""
    balance = credit_balances.alias()
    query = (
        select(organizations.c.slug, subscriptions.c.plan)
        .join(subscriptions, subscriptions.c.organization_id == organizations.c.id)
        .outerjoin(balance, (balance.c.organization_id == organizations.c.id) & (balance.c.type == "email"))
        .where(
            organizations.c.id.in_(select(smtp_credentials.c.organization_id)),
            or_(balance.c.available.is_(None), balance.c.available < 1),
        )
    )
    return [EmptyRow(**row) for row in (await connection.execute(query)).mappings()]
