"""``/api/v1/auth``."""

from litestar import Router, get, post
from litestar.params import JSONBody

from postmta_ctl.features.auth import service
from postmta_ctl.features.auth.schemas import AccessToken, Login, Me, Register, Registered
from postmta_ctl.web import PUBLIC, Caller, TheSystem, scope


@post("/register", opt=PUBLIC, summary="Register a new user and organization")
async def register(system: TheSystem, data: JSONBody[Register]) -> Registered:
    """The first user of an installation becomes its operator."""
    return await service.register(system, data)


@post("/login", opt=PUBLIC, status_code=200, summary="Login with email and password, returns JWT")
async def login(system: TheSystem, data: JSONBody[Login]) -> AccessToken:
    """Send the token as ``Authorization: Bearer`` until it expires."""
    return await service.login(system, data)


@get("/me", opt=scope("account:read"), summary="Get current authenticated user details")
async def me(system: TheSystem, principal: Caller) -> Me:
    """For an API key, ``user`` is null."""
    return await service.me(system, principal)


router = Router("/api/v1/auth", route_handlers=[register, login, me], tags=["Authentication"])
