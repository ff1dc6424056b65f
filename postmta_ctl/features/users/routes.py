"""``/api/v1/users``."""

from litestar import Response, Router, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from postmta_ctl.features.users import invitations, service
from postmta_ctl.features.users.profile import Role, User
from postmta_ctl.features.users.schemas import Invitation, InvitationCreate, InvitationCreated, RoleUpdate
from postmta_ctl.store.paging import Page
from postmta_ctl.web import Caller, Paging, TheSystem, Unchanged, scope, sortable, tagged


@get("/", opt=scope("users:read") | sortable("email", "role"), summary="List all users in organization")
async def list_users(
    system: TheSystem, principal: Caller, paging: Paging, role: FromQuery[Role | None] = None
) -> Page[User]:
    """Newest first; ``role`` keeps those of one role."""
    return await service.list_users(system, principal, role, paging)


@get("/{user_id:str}", opt=scope("users:read"), summary="Get user details")
async def get_user(system: TheSystem, principal: Caller, user_id: FromPath[str]) -> Response[User]:
    """The ``ETag`` names this version of the user; see ``If-Match`` of the changes."""
    return tagged(await service.get(system, principal, user_id))


@put("/{user_id:str}/role", opt=scope("users:write"), summary="Update user role")
async def set_user_role(
    system: TheSystem, principal: Caller, user_id: FromPath[str], data: JSONBody[RoleUpdate], unchanged: Unchanged
) -> Response[User]:
    """Nobody gives or takes a role above his own, and the last owner stays one."""
    return tagged(await service.set_role(system, principal, user_id, data.role, unchanged))


@delete("/{user_id:str}", opt=scope("users:write"), summary="Remove a user from the organization")
async def remove_user(system: TheSystem, principal: Caller, user_id: FromPath[str], unchanged: Unchanged) -> None:
    """Its logins end at once. The API keys it made stay, since they belong to the organization."""
    await service.remove(system, principal, user_id, unchanged)


@post("/invitations", opt=scope("users:write"), summary="Invite somebody into the organization")
async def create_invitation(
    system: TheSystem, principal: Caller, data: JSONBody[InvitationCreate]
) -> InvitationCreated:
    """The token is shown in this answer only; whoever is invited registers with it."""
    return await invitations.invite(system, principal, data)


@get("/invitations", opt=scope("users:read") | sortable("email", "expires_at"), summary="List open invitations")
async def list_invitations(system: TheSystem, principal: Caller, paging: Paging) -> Page[Invitation]:
    """Those that may still be accepted, newest first."""
    return await invitations.list_open(system, principal, paging)


@delete("/invitations/{invitation_id:str}", opt=scope("users:write"), summary="Withdraw an invitation")
async def withdraw_invitation(system: TheSystem, principal: Caller, invitation_id: FromPath[str]) -> None:
    """Its token is refused from this moment on."""
    await invitations.withdraw(system, principal, invitation_id)


router = Router(
    "/api/v1/users",
    route_handlers=[
        list_users,
        get_user,
        set_user_role,
        remove_user,
        create_invitation,
        list_invitations,
        withdraw_invitation,
    ],
    tags=["Users"],
)
