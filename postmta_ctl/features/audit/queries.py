"""SQL of the audit log: there is an insert and a select, and nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import audit_log


class EntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry."""

    id: str
    organization_id: str | None
    actor_kind: str
    actor_id: str | None
    actor: str
    action: str
    target_id: str
    address: str
    request_id: str
    before: Any
    after: Any
    created_at: datetime


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are asked for; what is absent is not asked about."""

    action: str | None = None
    actor_id: str | None = None
    target_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_ENTRY = select(*(audit_log.c[name] for name in EntryRow.__struct_fields__))


async def add(connection: AsyncConnection, row: EntryRow) -> None:
    """Append an entry."""
    await connection.execute(insert(audit_log).values(**msgspec.structs.asdict(row)))


async def page(
    connection: AsyncConnection,
    organization_id: str,
    wanted: Filter,
    paging: PageRequest,
    *,
    with_installation: bool,
) -> list[EntryRow]:
    """One page of the organization's entries, and one more; those of no organization belong to the installation."""
    own = audit_log.c.organization_id == organization_id
    query = _ENTRY.where(or_(own, audit_log.c.organization_id.is_(None)) if with_installation else own)
    if wanted.action is not None:
        query = query.where(audit_log.c.action == wanted.action)
    if wanted.actor_id is not None:
        query = query.where(audit_log.c.actor_id == wanted.actor_id)
    if wanted.target_id is not None:
        query = query.where(audit_log.c.target_id == wanted.target_id)
    if wanted.since is not None:
        query = query.where(audit_log.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(audit_log.c.created_at < wanted.until)
    rows = await connection.execute(
        paging.apply(query, audit_log.c.id, action=audit_log.c.action, actor=audit_log.c.actor)
    )
    return [EntryRow(**row) for row in rows.mappings()]
