"""SQL of the present state, as far as no other slice asks for all of its rows at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import (
    auto_block_rules,
    domains,
    ip_addresses,
    organizations,
    template_versions,
    templates,
    warmup_schedules,
)


class OrganizationRow(msgspec.Struct, frozen=True):
    """Who everything belongs to."""

    id: str
    slug: str
    name: str


class Found(NamedTuple):
    """A thing of an organization."""

    organization_id: str | None
    id: str
    values: dict[str, Any]


async def all_organizations(connection: AsyncConnection) -> list[OrganizationRow]:
    """Every organization."""
    query = select(organizations.c.id, organizations.c.slug, organizations.c.name)
    return [OrganizationRow(*row) for row in await connection.execute(query)]


async def all_ip_addresses(connection: AsyncConnection) -> list[Found]:
    """What operators say of addresses; the owner is who may use it."""
    return await _all(connection, ip_addresses)


async def all_schedules(connection: AsyncConnection) -> list[Found]:
    """The schedules that organizations keep."""
    return await _all(connection, warmup_schedules)


async def all_domains(connection: AsyncConnection) -> list[Found]:
    """Every domain, whatever its status."""
    return await _all(connection, domains, "name", "dkim_rotation_days", "bimi")


async def all_rules(connection: AsyncConnection) -> list[Found]:
    """The auto-block rules."""
    return await _all(connection, auto_block_rules)


async def all_templates(connection: AsyncConnection) -> list[Found]:
    """The templates in their newest versions."""
    newest = (template_versions.c.template_id == templates.c.id) & (template_versions.c.version == templates.c.version)
    content = (template_versions.c.subject, template_versions.c.text, template_versions.c.html)
    query = select(templates.c.organization_id, templates.c.id, templates.c.name, *content)
    rows = (await connection.execute(query.join(template_versions, newest))).mappings()
    return [Found(row["organization_id"], row["id"], dict(row)) for row in rows]


async def _all(connection: AsyncConnection, table: Any, *names: str) -> list[Found]:
    columns = [table.c[name] for name in names] or list(table.c)
    query = select(table.c.organization_id, table.c.id, *(one.label(f"_{one.name}") for one in columns))
    rows = (await connection.execute(query)).mappings()
    return [
        Found(row["organization_id"], row["id"], {one.name: row[f"_{one.name}"] for one in columns}) for row in rows
    ]
