"""SQL of the users of an organization, and of invitations into it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.features.auth.queries import UserRow
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.tables import invitations, organizations, users


class InvitationRow(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation as it is kept: a digest, never the token."""

    id: str
    organization_id: str
    email: str
    role: str
    digest: bytes
    invited_by: str
    expires_at: datetime
    accepted_at: datetime | None
    created_at: datetime


def _users(organization_id: str) -> Select[Any]:
    own = [users.c[name] for name in UserRow.__struct_fields__ if name in users.c]
    return (
        select(*own, organizations.c.slug, organizations.c.name.label("organization_name"))
        .join_from(users, organizations)
        .where(users.c.organization_id == organization_id)
    )


async def by_id(connection: AsyncConnection, organization_id: str, user_id: str) -> UserRow | None:
    """A user of the organization."""
    row = (await connection.execute(_users(organization_id).where(users.c.id == user_id))).mappings().one_or_none()
    return None if row is None else UserRow(**row)


async def of_organization(
    connection: AsyncConnection, organization_id: str, role: str | None, paging: PageRequest
) -> list[UserRow]:
    """One page of the organization's users, and one more."""
    query = _users(organization_id)
    if role is not None:
        query = query.where(users.c.role == role)
    rows = await connection.execute(paging.apply(query, users.c.id, email=users.c.email, role=users.c.role))
    return [UserRow(**row) for row in rows.mappings()]


async def lock(connection: AsyncConnection, organization_id: str) -> None:
    """Let nobody else change who belongs to the organization until the transaction ends."""
    await connection.execute(select(organizations.c.id).where(organizations.c.id == organization_id).with_for_update())


async def count_owners(connection: AsyncConnection, organization_id: str) -> int:
    """How many owners the organization has."""
    owners = users.c.organization_id == organization_id, users.c.role == "owner"
    return await connection.scalar(select(func.count()).where(*owners)) or 0


async def count_operators(connection: AsyncConnection) -> int:
    """How many operators the installation has."""
    return await connection.scalar(select(func.count()).where(users.c.is_operator)) or 0


async def set_role(connection: AsyncConnection, user_id: str, role: str) -> None:
    """Give a user another role."""
    await connection.execute(update(users).where(users.c.id == user_id).values(role=role))


async def set_operator(connection: AsyncConnection, user_id: str, *, is_operator: bool) -> None:
    """Make a user an operator, or no longer one."""
    await connection.execute(update(users).where(users.c.id == user_id).values(is_operator=is_operator))


async def remove(connection: AsyncConnection, user_id: str) -> None:
    """Delete a user; its logins go with it."""
    await connection.execute(delete(users).where(users.c.id == user_id))


_INVITATION = select(*(invitations.c[name] for name in InvitationRow.__struct_fields__))


async def add_invitation(connection: AsyncConnection, row: InvitationRow) -> None:
    """Insert an invitation."""
    await connection.execute(insert(invitations).values(**msgspec.structs.asdict(row)))


async def open_invitations(
    connection: AsyncConnection, organization_id: str, now: datetime, paging: PageRequest
) -> list[InvitationRow]:
    """One page of the organization's invitations that may still be accepted, and one more."""
    waiting = (
        invitations.c.organization_id == organization_id,
        invitations.c.accepted_at.is_(None),
        invitations.c.expires_at > now,
    )
    rows = await connection.execute(
        paging.apply(
            _INVITATION.where(*waiting),
            invitations.c.id,
            email=invitations.c.email,
            expires_at=invitations.c.expires_at,
        )
    )
    return [InvitationRow(**row) for row in rows.mappings()]


async def invitation_by_digest(connection: AsyncConnection, digest: bytes) -> InvitationRow | None:
    """The invitation of this token, locked until the transaction ends."""
    query = _INVITATION.where(invitations.c.digest == digest).with_for_update()
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else InvitationRow(**row)


async def invitation_by_id(
    connection: AsyncConnection, organization_id: str, invitation_id: str
) -> InvitationRow | None:
    """An invitation of the organization."""
    owned = (invitations.c.id == invitation_id, invitations.c.organization_id == organization_id)
    row = (await connection.execute(_INVITATION.where(*owned))).mappings().one_or_none()
    return None if row is None else InvitationRow(**row)


async def accept_invitation(connection: AsyncConnection, invitation_id: str, now: datetime) -> None:
    """Note that an invitation was accepted: it is good for once."""
    await connection.execute(update(invitations).where(invitations.c.id == invitation_id).values(accepted_at=now))


async def remove_invitation(connection: AsyncConnection, invitation_id: str) -> None:
    """Delete an invitation."""
    await connection.execute(delete(invitations).where(invitations.c.id == invitation_id))
