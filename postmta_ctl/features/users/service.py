"""Showing, promoting and removing the users of an organization."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from postmta_ctl.errors import Conflict, NotFound, PermissionDenied
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth.principal import ROLES, Principal
from postmta_ctl.features.auth.queries import UserRow, user_by_email
from postmta_ctl.features.users import queries
from postmta_ctl.features.users.profile import Role, User, shown
from postmta_ctl.store.paging import Page, PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System


async def list_users(system: System, principal: Principal, role: Role | None, paging: PageRequest) -> Page[User]:
    """The organization's users, newest first."""
    async with system.db.reading() as connection:
        rows = await queries.of_organization(connection, principal.organization_id, role, paging)
    return paging.page([shown(row) for row in rows])


async def get(system: System, principal: Principal, user_id: str) -> User:
    """One user.

    Raises:
        NotFound: The organization has no such user.
    """
    async with system.db.reading() as connection:
        return shown(await _found(connection, principal, user_id))


async def set_role(system: System, principal: Principal, user_id: str, role: Role, unchanged: Condition) -> User:
    """Give a user another role.

    Raises:
        NotFound: The organization has no such user.
        PreconditionFailed: The user is not as the caller knows it.
        PermissionDenied: The role, or the one that the user has, is above the caller's own.
        Conflict: It is the last owner.
    """
    async with system.db.transaction() as connection:
        await queries.lock(connection, principal.organization_id)
        row = await _found(connection, principal, user_id)
        before = shown(row)
        unchanged.require(before)
        require_rank(principal, role)
        require_rank(principal, row.role)
        if role != "owner":
            await _require_another_owner(connection, row)
        await queries.set_role(connection, user_id, role)
        after = shown(await _found(connection, principal, user_id))
        await audit.record(
            connection, principal, "user.role_changed", user_id, before=before, after=after, now=system.now()
        )
    return after


async def remove(system: System, principal: Principal, user_id: str, unchanged: Condition) -> None:
    """Remove a user. Its logins end; the API keys it made belong to the organization and stay.

    Raises:
        NotFound: The organization has no such user.
        PreconditionFailed: The user is not as the caller knows it.
        PermissionDenied: The user's role is above the caller's own.
        Conflict: It is the last owner, or the last operator.
    """
    async with system.db.transaction() as connection:
        await queries.lock(connection, principal.organization_id)
        row = await _found(connection, principal, user_id)
        unchanged.require(shown(row))
        require_rank(principal, row.role)
        await _require_another_owner(connection, row)
        if row.is_operator and await queries.count_operators(connection) == 1:
            raise Conflict("The last operator of the installation cannot be removed.", code="last_operator")
        await queries.remove(connection, user_id)
        await audit.record(connection, principal, "user.removed", user_id, before=shown(row), now=system.now())


async def set_operator(system: System, email: str, *, is_operator: bool, actor: str) -> None:
    """Make a user an operator of the installation, or no longer one. For the command line: who is at the host may.

    Raises:
        NotFound: Nobody has that address.
        Conflict: It is the last operator.
    """
    async with system.db.transaction() as connection:
        row = await user_by_email(connection, email)
        if row is None:
            raise NotFound(f"There is no user {email}.")
        if row.is_operator and not is_operator and await queries.count_operators(connection) == 1:
            raise Conflict("The last operator of the installation stays one.", code="last_operator")
        await queries.set_operator(connection, row.id, is_operator=is_operator)
        await audit.record(
            connection,
            None,
            "user.operator_changed",
            row.id,
            before={"is_operator": row.is_operator},
            after={"is_operator": is_operator},
            now=system.now(),
            organization_id=row.organization_id,
            actor=actor,
        )


def require_rank(principal: Principal, role: str) -> None:
    """Refuse to deal in roles above one's own. An API key stands as high as its scopes do, and never as an owner.

    Raises:
        PermissionDenied: The role is above the principal's.
    """
    above = not ROLES[role] <= principal.scopes or (role == "owner" and principal.role != "owner")
    if above:
        raise PermissionDenied(f"The role {role} is above your own.", code="role_too_high")


async def _require_another_owner(connection: AsyncConnection, row: UserRow) -> None:
    if row.role == "owner" and await queries.count_owners(connection, row.organization_id) == 1:
        raise Conflict("An organization has at least one owner; make somebody else an owner first.", code="last_owner")


async def _found(connection: AsyncConnection, principal: Principal, user_id: str) -> UserRow:
    row = await queries.by_id(connection, principal.organization_id, user_id)
    if row is None:
        raise NotFound("There is no such user.")
    return row
