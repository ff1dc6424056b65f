"""``/console/keys`` and ``/console/users``: who, and what, may do things here."""

from datetime import timedelta
from typing import get_args

from litestar import get, post
from litestar.params import FromPath

from postmta_ctl.console.forms import by_field, lines, posted, read
from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Confirmation, Page, confirm, page, see
from postmta_ctl.errors import Conflict, InvalidRequest
from postmta_ctl.features.api_keys import service as keys
from postmta_ctl.features.api_keys.schemas import ApiKeyCreate
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.users import invitations, service
from postmta_ctl.features.users.profile import Role
from postmta_ctl.features.users.schemas import InvitationCreate, RoleUpdate
from postmta_ctl.store.paging import PageRequest
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System
from postmta_ctl.web import AnyRequest, Caller, Paging, TheSystem

KEYS, USERS = "/console/keys", "/console/users"
ROLES = get_args(Role)
OVERLAP = timedelta(days=1)
Id = FromPath[str]


@get("/keys", opt=needs("api_keys:read"))
async def key_list(request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging) -> Page:
    """The organization's keys."""
    return await _keys(request, system, principal, paging)


async def _keys(
    request: AnyRequest,
    system: System,
    principal: Principal,
    paging: PageRequest,
    values: dict[str, str] | None = None,
    error: InvalidRequest | None = None,
) -> Page:
    return page(
        request,
        "people/keys.html",
        status=error.status if error else 200,
        found=await keys.list_keys(system, principal, paging),
        scopes=sorted(principal.scopes),
        values=values or {"scopes": "messages:send"},
        may_act="api_keys:write" in principal.scopes,
        errors=by_field(error) if error else {},
    )


@post("/keys", opt=needs("api_keys:write"), status_code=200)
async def make_key(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Make a key, and show its secret this once."""
    fields = await posted(request)
    given = fields | {
        "scopes": lines(fields.get("scopes", "")),
        "allowed_ips": lines(fields.get("allowed_ips", "")) or None,
    }
    try:
        made = await keys.create(system, principal, read(given, ApiKeyCreate))
    except InvalidRequest as error:
        return await _keys(request, system, principal, PageRequest(), fields, error)
    return page(request, "people/secret.html", what=f"The key {made.api_key.name}", secret=made.secret, back=KEYS)


@get("/keys/{key_id:str}/rotate", opt=needs("api_keys:write"))
async def ask_to_rotate(request: AnyRequest, system: TheSystem, principal: Caller, key_id: Id) -> Page:
    """What a new secret means."""
    one = await keys.get(system, principal, key_id)
    asked = Confirmation(
        title=f"Give {one.name} a new secret?",
        sentences=("The present one works beside it for a day, so that programs can be changed.",),
        button="Make a new secret",
        back=KEYS,
        danger=False,
    )
    return confirm(request, asked)


@post("/keys/{key_id:str}/rotate", opt=needs("api_keys:write"), status_code=200)
async def rotate_key(request: AnyRequest, system: TheSystem, principal: Caller, key_id: Id) -> Page:
    """Make the secret, and show it this once."""
    made = await keys.rotate(system, principal, key_id, OVERLAP, Condition())
    return page(request, "people/secret.html", what=f"The key {made.api_key.name}", secret=made.secret, back=KEYS)


@get("/keys/{key_id:str}/delete", opt=needs("api_keys:write"))
async def ask_to_delete(request: AnyRequest, system: TheSystem, principal: Caller, key_id: Id) -> Page:
    """What stops."""
    one = await keys.get(system, principal, key_id)
    used = (
        "It was never used."
        if one.last_used_at is None
        else f"It was last used at {one.last_used_at:%Y-%m-%d %H:%M} UTC."
    )
    asked = Confirmation(
        title=f"Delete the key {one.name}?",
        sentences=("Programs that use it are refused from now on.", used),
        button="Delete the key",
        back=KEYS,
    )
    return confirm(request, asked)


@post("/keys/{key_id:str}/delete", opt=needs("api_keys:write"), status_code=200)
async def delete_key(request: AnyRequest, system: TheSystem, principal: Caller, key_id: Id) -> Page:
    """Delete it."""
    await keys.delete(system, principal, key_id, Condition())
    return see(request, KEYS, "The key is deleted.")


@get("/users", opt=needs("users:read"))
async def user_list(request: AnyRequest, system: TheSystem, principal: Caller, paging: Paging) -> Page:
    """Who belongs to the organization, and who is invited."""
    return await _users(request, system, principal, paging)


async def _users(
    request: AnyRequest,
    system: System,
    principal: Principal,
    paging: PageRequest,
    values: dict[str, str] | None = None,
    error: InvalidRequest | Conflict | None = None,
) -> Page:
    return page(
        request,
        "people/users.html",
        status=error.status if error else 200,
        found=await service.list_users(system, principal, None, paging),
        invited=await invitations.list_open(system, principal, PageRequest()),
        roles=ROLES,
        values=values or {"role": "developer"},
        may_act="users:write" in principal.scopes,
        errors=by_field(error) if error else {},
    )


@post("/users", opt=needs("users:write"), status_code=200)
async def invite(request: AnyRequest, system: TheSystem, principal: Caller) -> Page:
    """Invite somebody, and show the token this once."""
    fields = await posted(request)
    try:
        made = await invitations.invite(system, principal, read(fields, InvitationCreate))
    except (InvalidRequest, Conflict) as error:
        return await _users(request, system, principal, PageRequest(), fields, error)
    link = f"/console/register?invitation={made.token}"
    return page(request, "people/invited.html", invitation=made.invitation, token=made.token, link=link)


@post("/users/invitations/{invitation_id:str}/withdraw", opt=needs("users:write"), status_code=200)
async def withdraw(request: AnyRequest, system: TheSystem, principal: Caller, invitation_id: Id) -> Page:
    """Take an invitation back."""
    await invitations.withdraw(system, principal, invitation_id)
    return see(request, USERS, "The invitation is withdrawn.")


@post("/users/{user_id:str}/role", opt=needs("users:write"), status_code=200)
async def set_role(request: AnyRequest, system: TheSystem, principal: Caller, user_id: Id) -> Page:
    """Give somebody another role."""
    data = read(await posted(request), RoleUpdate)
    user = await service.set_role(system, principal, user_id, data.role, Condition())
    return see(request, USERS, f"{user.email} is {user.role} now.")


@get("/users/{user_id:str}/remove", opt=needs("users:write"))
async def ask_to_remove(request: AnyRequest, system: TheSystem, principal: Caller, user_id: Id) -> Page:
    """What is lost."""
    user = await service.get(system, principal, user_id)
    asked = Confirmation(
        title=f"Remove {user.email}?",
        sentences=("The account is gone, and everywhere logged out. API keys stay.",),
        button="Remove the user",
        back=USERS,
    )
    return confirm(request, asked)


@post("/users/{user_id:str}/remove", opt=needs("users:write"), status_code=200)
async def remove_user(request: AnyRequest, system: TheSystem, principal: Caller, user_id: Id) -> Page:
    """Remove the account."""
    await service.remove(system, principal, user_id, Condition())
    return see(request, USERS, "The user is removed.")


PAGES = [
    key_list,
    make_key,
    ask_to_rotate,
    rotate_key,
    ask_to_delete,
    delete_key,
    user_list,
    invite,
    withdraw,
    set_role,
    ask_to_remove,
    remove_user,
]
