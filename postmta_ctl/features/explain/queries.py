"""SQL of explanations: today's use, and past messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import kept_content
from postmta_ctl.core.kept_content import KeptContent
from postmta_ctl.store.tables import domains, message_contents, messages, organizations, recipients, rollup_attempts


async def organization_by_slug(connection: AsyncConnection, slug: str) -> str | None:
    """Id of the organization of this slug."""
    found: str | None = await connection.scalar(select(organizations.c.id).where(organizations.c.slug == slug))
    return found


async def owner_of_domain(connection: AsyncConnection, name: str) -> str | None:
    """Slug of the organization that has verified the domain."""
    query = select(organizations.c.slug).join_from(domains, organizations)
    found: str | None = await connection.scalar(
        query.where(domains.c.name == name, domains.c.status == "verified").limit(1)
    )
    return found


async def owner_of_message(connection: AsyncConnection, message_id: str) -> tuple[str, str] | None:
    """Id and slug of the organization whose message it is."""
    query = select(organizations.c.id, organizations.c.slug).join_from(messages, organizations)
    row = (await connection.execute(query.where(messages.c.id == message_id))).one_or_none()
    return None if row is None else (row.id, row.slug)


async def attempts(
    connection: AsyncConnection, organization_id: str, provider: str, since: datetime
) -> dict[str, dict[int, int]]:
    """Answers of a provider since a moment, by vMTA and first digit of the reply code."""
    table = rollup_attempts.c
    query = (
        select(table.vmta, table.code_class, func.sum(table.count).label("answers"))
        .where(table.organization_id == organization_id, table.hour >= since, table.provider == provider)
        .group_by(table.vmta, table.code_class)
    )
    found: dict[str, dict[int, int]] = {}
    for row in await connection.execute(query):
        found.setdefault(row.vmta, {})[row.code_class] = int(row.answers)
    return found


async def content_of(connection: AsyncConnection, message_id: str) -> KeptContent | None:
    """What a message was composed of; None where it came by SMTP, and only its node had it."""
    query = select(message_contents.c.content).where(message_contents.c.message_id == message_id)
    packed = await connection.scalar(query)
    return None if packed is None else kept_content.read(packed)


async def some_recipients(
    connection: AsyncConnection, message_id: str, only: str | None, limit: int
) -> tuple[Sequence[Any], int]:
    """The first recipients of a message, or that one; and how many there are in all."""
    mine = [recipients.c.message_id == message_id]
    if only is not None:
        mine.append(recipients.c.id == only)
    query = select(recipients).where(*mine).order_by(recipients.c.id).limit(limit)
    count = await connection.scalar(select(func.count()).select_from(recipients).where(*mine))
    return (await connection.execute(query)).all(), count or 0
