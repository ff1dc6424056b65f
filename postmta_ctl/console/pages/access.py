"""``/console/login``, ``/console/register`` and ``/console/logout``."""

from litestar import get, post
from litestar.params import FromQuery

from postmta_ctl.console import session
from postmta_ctl.console.forms import by_field, posted, read
from postmta_ctl.console.guard import OPEN, needs, who
from postmta_ctl.console.rendering import Page, page, see
from postmta_ctl.errors import Conflict, InvalidRequest, PermissionDenied, RateLimited, Unauthenticated
from postmta_ctl.features.auth import service, sessions
from postmta_ctl.features.auth.schemas import Login, RefreshToken, Register
from postmta_ctl.web import AnyRequest, ClientAddress, TheSystem

_TOLD = (InvalidRequest, Unauthenticated, RateLimited, PermissionDenied, Conflict)
"""What the form itself says."""
Next = FromQuery[str]


@get("/login", opt=OPEN)
async def log_in_form(request: AnyRequest, system: TheSystem, next: Next = "") -> Page:  # noqa: A002 - of the address
    """The log-in; who is logged in goes on, and where nobody has registered yet, that comes first."""
    try:
        await who(request)
    except Unauthenticated:
        if await service.nobody_registered(system):
            return see(request, "/console/register")
        return page(request, "access/login.html", next=session.own_page(next), values={})
    return see(request, session.own_page(next))


@post("/login", opt=OPEN, status_code=200)
async def log_in(request: AnyRequest, system: TheSystem, client_address: ClientAddress) -> Page:
    """Open a login, and go on to the page that was asked for."""
    fields = await posted(request)
    wanted = session.own_page(fields.pop("next", ""))
    try:
        opened = await sessions.login(system, read(fields, Login), client_address)
    except _TOLD as error:
        values = {"email": fields.get("email", "")}
        return page(
            request, "access/login.html", status=error.status, next=wanted, values=values, errors=by_field(error)
        )
    return see(request, wanted, cookies=(session.cookie(system, session.LOGIN, opened.refresh_token),))


@get("/register", opt=OPEN)
async def register_form(request: AnyRequest, system: TheSystem, invitation: FromQuery[str] = "") -> Page:
    """An account: the operator's, who is the first, one by an invitation, or one with an organization of its own."""
    return await _register_page(request, system, {"invitation": invitation})


@post("/register", opt=OPEN, status_code=200)
async def register(request: AnyRequest, system: TheSystem, client_address: ClientAddress) -> Page:
    """Make the account and log it in; an operator without a node goes on to the first steps."""
    fields = await posted(request)
    try:
        first = await service.nobody_registered(system)
        await service.register(system, read(fields, Register), client_address)
        account = Login(email=fields["email"], password=fields["password"])
        opened = await sessions.login(system, account, client_address)
    except _TOLD as error:
        return await _register_page(request, system, fields, error)
    login = session.cookie(system, session.LOGIN, opened.refresh_token)
    return see(request, "/console/first-steps" if first else session.PATH, cookies=(login,))


async def _register_page(
    request: AnyRequest, system: TheSystem, fields: dict[str, str], error: Exception | None = None
) -> Page:
    values = {name: text for name, text in fields.items() if name not in ("password", "setup_token")}
    return page(
        request,
        "access/register.html",
        status=error.status if isinstance(error, _TOLD) else 200,
        values=values,
        first=await service.nobody_registered(system),
        asks_token=await service.setup_token(system) is not None,
        registration=system.settings.registration,
        errors=by_field(error) if isinstance(error, _TOLD) else {},
    )


@post("/logout", opt=needs("account:read"), status_code=200)
async def log_out(request: AnyRequest, system: TheSystem) -> Page:
    """End the login, here and in the database."""
    await sessions.logout(system, RefreshToken(refresh_token=request.cookies[session.LOGIN]))
    return see(request, "/console/login", "You are logged out.", cookies=(session.ended(session.LOGIN),))


PAGES = [log_in_form, log_in, register_form, register, log_out]
