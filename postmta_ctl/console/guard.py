"""What stands before every page: headers of the answer, the form's token, the log-in, the scope."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.handlers import BaseRouteHandler

from postmta_ctl import errors, rate_limits
from postmta_ctl.console import session
from postmta_ctl.console.session import Connection
from postmta_ctl.core.ids import is_id
from postmta_ctl.features.auth import browser
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.middleware import ANSWER_HEADERS
from postmta_ctl.web import PUBLIC, address_of, system_of

_SCOPE = "console_scope"
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Of every answer, that of an error too."""
_POLICY = "console_policy"
POLICY_OF_STRANGERS = {
    _POLICY: "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
}
"""``opt`` of what was written by others and is shown in a frame: its styles count, and nothing else."""

OPEN = PUBLIC
"""``opt`` of a page that is shown without a log-in."""


def needs(scope: str) -> dict[str, Any]:
    """``opt`` of a page that needs this scope, the same as the API's route to what it shows.

    The API's guard, which looks for other credentials, lets it pass; :func:`guard` does not.
    """
    return PUBLIC | {_SCOPE: scope}


async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """Judge one request.

    Raises:
        Unauthenticated: Nobody is logged in; the answer leads to the log-in and back.
        RateLimited: There were too many requests.
        PermissionDenied: The form is not from a page of this browser, or the role does not have the scope.
        NotFound: An id in the path is none.
    """
    headers = connection.scope["state"].setdefault(ANSWER_HEADERS, {})
    headers |= SECURITY
    if _POLICY in handler.opt:
        headers["Content-Security-Policy"] = handler.opt[_POLICY]
    if "\0" in connection.url.path or b"%00" in connection.scope["query_string"]:
        raise errors.NotFound("There is nothing at this address.")
    scope = handler.opt.get(_SCOPE)
    if scope is not None:
        await _let_in(connection, scope, headers)
    elif not handler.opt.get("asset"):
        await rate_limits.count(*_by_address(connection), headers)
    if isinstance(connection, Request) and connection.method == "POST":
        await _refuse_forged(connection)


async def _let_in(connection: Connection, scope: str, headers: rate_limits.Headers) -> None:
    system = system_of(connection)
    principal = await who(connection)
    await rate_limits.count(system, rate_limits.of_principal(system, principal), headers)
    connection.scope["user"] = principal
    principal.require(scope)
    for name, value in connection.path_params.items():
        if name.endswith("_id") and not is_id(str(value)):
            raise errors.NotFound("There is nothing of this id.")


def _by_address(connection: Connection) -> tuple[Any, Any]:
    system = system_of(connection)
    return system, rate_limits.of_address(system, address_of(connection))


async def who(connection: Connection) -> Principal:
    """Who is logged in by this browser.

    Raises:
        Unauthenticated: Nobody is, or not any more.
    """
    token = connection.cookies.get(session.LOGIN)
    if not token:
        raise errors.Unauthenticated("Log in to go on.")
    return await browser.authenticate(system_of(connection), token, address_of(connection))


async def _refuse_forged(connection: Request[Any, Any, Any]) -> None:
    # Browsers say where a request comes from, and what is not from here need not be read.
    foreign = connection.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    given = "" if foreign else str((await connection.form()).get("csrf", ""))
    if not session.is_form_token(system_of(connection), connection, given):
        raise errors.PermissionDenied("This form has expired. Go back, load the page again, and repeat.", code="csrf")
