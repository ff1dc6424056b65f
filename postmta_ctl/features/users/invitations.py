"""Inviting people into an organization."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.core import tokens
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import NotFound, PermissionDenied
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.billing.plans import require_room
from postmta_ctl.features.users import queries
from postmta_ctl.features.users.emails import parse_email
from postmta_ctl.features.users.queries import InvitationRow
from postmta_ctl.features.users.schemas import Invitation, InvitationCreate, InvitationCreated
from postmta_ctl.features.users.service import require_rank
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.system import System


async def invite(system: System, principal: Principal, data: InvitationCreate) -> InvitationCreated:
    """Invite somebody. Whether the address has an account elsewhere is not looked at, and so not told.

    Raises:
        InvalidRequest: No email address.
        PermissionDenied: The role is above the caller's own.
        Conflict: The plan has no room for one more user.
    """
    require_rank(principal, data.role)
    token = tokens.make_token(system.random)
    now = system.now()
    row = InvitationRow(
        id=new_id(now),
        organization_id=principal.organization_id,
        email=parse_email(data.email),
        role=data.role,
        digest=token.digest,
        invited_by=principal.name,
        expires_at=now + timedelta(seconds=system.settings.invitation_seconds),
        accepted_at=None,
        created_at=now,
    )
    async with system.db.transaction() as connection:
        await require_room(system, connection, principal.organization_id, "users")
        await queries.add_invitation(connection, row)
        await audit.record(connection, principal, "invitation.created", row.id, after=_shown(row), now=now)
    return InvitationCreated(invitation=_shown(row), token=token.secret)


async def list_open(system: System, principal: Principal, paging: PageRequest) -> Page[Invitation]:
    """The invitations that may still be accepted, newest first."""
    async with system.db.reading() as connection:
        rows = await queries.open_invitations(connection, principal.organization_id, system.now(), paging)
    return paging.page([_shown(row) for row in rows])


async def withdraw(system: System, principal: Principal, invitation_id: str) -> None:
    """Take an invitation back.

    Raises:
        NotFound: The organization has no such invitation.
    """
    async with system.db.transaction() as connection:
        row = await queries.invitation_by_id(connection, principal.organization_id, invitation_id)
        if row is None or row.accepted_at is not None:
            raise NotFound("There is no such invitation.")
        await queries.remove_invitation(connection, invitation_id)
        await audit.record(
            connection, principal, "invitation.withdrawn", invitation_id, before=_shown(row), now=system.now()
        )


async def accept(system: System, connection: AsyncConnection, token: str, email: str) -> InvitationRow:
    """Use up the invitation of this token.

    Raises:
        PermissionDenied: It is unknown, used, expired, or for another address.
        Conflict: The plan has room for no more users since.
    """
    now = system.now()
    row = await queries.invitation_by_digest(connection, tokens.digest(token))
    if row is None or row.accepted_at is not None or row.expires_at <= now or row.email != email:
        raise PermissionDenied("The invitation is not good for this address.", code="invitation_invalid")
    await require_room(system, connection, row.organization_id, "users")
    await queries.accept_invitation(connection, row.id, now)
    return row


def _shown(row: InvitationRow) -> Invitation:
    return msgspec.convert({name: getattr(row, name) for name in Invitation.__struct_fields__}, Invitation)
