"""``/api/v1/auth``."""

from litestar import Router, get, post
from litestar.params import JSONBody

from postmta_ctl.features.auth import service, sessions
from postmta_ctl.features.auth.schemas import (
    AccessToken,
    Login,
    Me,
    PasswordChange,
    RefreshToken,
    Register,
    Registered,
)
from postmta_ctl.web import PUBLIC, Caller, ClientAddress, TheSystem, scope


@post("/register", opt=PUBLIC, summary="Register a new user and organization")
async def register(system: TheSystem, client_address: ClientAddress, data: JSONBody[Register]) -> Registered:
    """The first user of an installation becomes its operator. With an invitation, no organization is made."""
    return await service.register(system, data, client_address)


@post("/login", opt=PUBLIC, status_code=200, summary="Login with email and password, returns JWT")
async def login(system: TheSystem, client_address: ClientAddress, data: JSONBody[Login]) -> AccessToken:
    """Send the token as ``Authorization: Bearer`` until it expires. Failures are counted, and slowed down by 429."""
    return await sessions.login(system, data, client_address)


@post("/refresh", opt=PUBLIC, status_code=200, summary="Exchange a refresh token for new tokens")
async def refresh(system: TheSystem, data: JSONBody[RefreshToken]) -> AccessToken:
    """Each refresh token works once. One that is presented again ends its login, since two must have it."""
    return await sessions.refresh(system, data)


@post("/logout", opt=PUBLIC, status_code=204, summary="End a login")
async def logout(system: TheSystem, data: JSONBody[RefreshToken]) -> None:
    """The refresh token and the access tokens of its login are refused from now on. Unknown tokens are no error."""
    await sessions.logout(system, data)


@post("/password", opt=scope("account:write"), status_code=200, summary="Change the password")
async def change_password(system: TheSystem, principal: Caller, data: JSONBody[PasswordChange]) -> AccessToken:
    """Every login of the user ends, this one too; the answer opens a new one."""
    return await sessions.change_password(system, principal, data)


@get("/me", opt=scope("account:read"), summary="Get current authenticated user details")
async def me(system: TheSystem, principal: Caller) -> Me:
    """For an API key, ``user`` is null."""
    return await service.me(system, principal)


router = Router(
    "/api/v1/auth", route_handlers=[register, login, refresh, logout, change_password, me], tags=["Authentication"]
)
