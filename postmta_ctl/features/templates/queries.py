"""SQL of templates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import template_versions, templates


class TemplateRow(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a template."""

    id: str
    name: str
    version: int
    latest_version: int
    subject: str
    text: str | None
    html: str | None
    author: str
    created_at: datetime


def _select(organization_id: str) -> Select[Any]:
    version = template_versions.c
    return (
        select(
            templates.c.id,
            templates.c.name,
            version.version,
            templates.c.version.label("latest_version"),
            version.subject,
            version.text,
            version.html,
            version.author,
            version.created_at,
        )
        .join(template_versions, version.template_id == templates.c.id)
        .where(templates.c.organization_id == organization_id)
    )


async def one(
    connection: AsyncConnection, organization_id: str, template_id: str, version: int | None
) -> TemplateRow | None:
    """A version of the organization's template; the newest if none is named."""
    query = _select(organization_id).where(templates.c.id == template_id)
    query = query.where(template_versions.c.version == (templates.c.version if version is None else version))
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else TemplateRow(**row)


async def versions(connection: AsyncConnection, organization_id: str, template_id: str) -> list[TemplateRow]:
    """All versions, newest first."""
    query = _select(organization_id).where(templates.c.id == template_id).order_by(template_versions.c.version.desc())
    return [TemplateRow(**row) for row in (await connection.execute(query)).mappings()]


async def page(connection: AsyncConnection, organization_id: str, paging: PageRequest) -> Sequence[Any]:
    """One page of templates, and one more row."""
    query = select(templates, templates.c.version.label("latest_version"))
    query = query.where(templates.c.organization_id == organization_id)
    rows: Sequence[Any] = (
        await connection.execute(
            paging.apply(query, templates.c.id, name=templates.c.name, updated_at=templates.c.updated_at)
        )
    ).all()
    return rows


async def add(connection: AsyncConnection, template: dict[str, Any], version: dict[str, Any]) -> None:
    """Insert a template with its first version."""
    await connection.execute(insert(templates).values(**template))
    await connection.execute(insert(template_versions).values(**version))


async def lock(connection: AsyncConnection, organization_id: str, template_id: str) -> None:
    """Let nobody else change a template until the transaction ends."""
    owned = (templates.c.id == template_id, templates.c.organization_id == organization_id)
    await connection.execute(select(templates.c.version).where(*owned).with_for_update())


async def add_version(connection: AsyncConnection, version: dict[str, Any], now: datetime) -> None:
    """Insert a version, and make it the newest."""
    await connection.execute(insert(template_versions).values(**version))
    statement = update(templates).where(templates.c.id == version["template_id"])
    await connection.execute(statement.values(version=version["version"], updated_at=now))


async def remove(connection: AsyncConnection, organization_id: str, template_id: str) -> None:
    """Delete a template with its versions."""
    where = (templates.c.id == template_id, templates.c.organization_id == organization_id)
    await connection.execute(delete(templates).where(*where))
