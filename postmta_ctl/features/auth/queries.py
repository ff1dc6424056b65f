"""SQL of identity."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.store.tables import organizations, sessions, subscriptions, users


class UserRow(msgspec.Struct, frozen=True, kw_only=True):
    """A user and the organization it belongs to."""

    id: str
    email: str
    name: str | None
    password_hash: str
    role: str
    is_operator: bool
    created_at: datetime
    organization_id: str
    slug: str
    organization_name: str
    plan: str | None = None


def _users() -> Select[Any]:
    columns = (
        users.c.id,
        users.c.email,
        users.c.name,
        users.c.password_hash,
        users.c.role,
        users.c.is_operator,
        users.c.created_at,
        users.c.organization_id,
        organizations.c.slug,
        organizations.c.name.label("organization_name"),
        subscriptions.c.plan,
    )
    plans = subscriptions.c.organization_id == organizations.c.id
    return select(*columns).join_from(users, organizations).outerjoin(subscriptions, plans)


async def user_by_email(connection: AsyncConnection, email: str) -> UserRow | None:
    """The user of this address, written in lower case."""
    return _row(await connection.execute(_users().where(users.c.email == email)))


async def user_by_id(connection: AsyncConnection, user_id: str) -> UserRow | None:
    """The user of this id."""
    return _row(await connection.execute(_users().where(users.c.id == user_id)))


async def user_by_session(connection: AsyncConnection, session_id: str, user_id: str) -> UserRow | None:
    """The user of a login that has not been ended."""
    alive = (sessions.c.id == session_id, sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
    return _row(await connection.execute(_users().join(sessions, sessions.c.user_id == users.c.id).where(*alive)))


async def all_users(connection: AsyncConnection) -> list[UserRow]:
    """The users of all organizations, by organization and address."""
    rows = await connection.execute(_users().order_by(organizations.c.slug, users.c.email))
    return [UserRow(**row) for row in rows.mappings()]


def _row(result: Any) -> UserRow | None:
    row = result.mappings().one_or_none()
    return None if row is None else UserRow(**row)


async def any_user(connection: AsyncConnection) -> bool:
    """Whether anybody has registered yet."""
    return (await connection.scalar(select(func.count()).select_from(select(users.c.id).limit(1).subquery()))) == 1


async def organization(connection: AsyncConnection, organization_id: str) -> tuple[str, str]:
    """Slug and name."""
    row = (
        await connection.execute(
            select(organizations.c.slug, organizations.c.name).where(organizations.c.id == organization_id)
        )
    ).one()
    return row.slug, row.name


async def taken_slugs(connection: AsyncConnection, stem: str) -> set[str]:
    """The slugs in use that begin with the stem."""
    rows = await connection.scalars(select(organizations.c.slug).where(organizations.c.slug.startswith(stem)))
    return set(rows)


async def insert_organization(connection: AsyncConnection, **values: Any) -> None:
    """Add an organization."""
    await connection.execute(insert(organizations).values(**values))


async def insert_user(connection: AsyncConnection, user: UserRow) -> None:
    """Add a user."""
    kept = {name: getattr(user, name) for name in UserRow.__struct_fields__ if name in users.c}
    await connection.execute(insert(users).values(**kept))


async def set_password(connection: AsyncConnection, user_id: str, password_hash: str) -> None:
    """Keep another password."""
    await connection.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))


async def touch_login(connection: AsyncConnection, user_id: str, now: datetime) -> None:
    """Note when the user last logged in."""
    await connection.execute(update(users).where(users.c.id == user_id).values(last_login_at=now))


async def rename_organization(connection: AsyncConnection, organization_id: str, name: str) -> None:
    """Give an organization another name."""
    await connection.execute(update(organizations).where(organizations.c.id == organization_id).values(name=name))
