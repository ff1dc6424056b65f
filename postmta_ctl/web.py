"""What all routes share: who is asking, whether they may, and how errors are answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import structlog
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException, ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromQuery, HeaderParameter
from litestar.types import Scope

from postmta_ctl import errors, rate_limits
from postmta_ctl.core.client_address import client_address
from postmta_ctl.core.ids import is_id
from postmta_ctl.errors import FieldError, PostMTAError
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.fields import field_error, field_with_nul
from postmta_ctl.lazy import lazily
from postmta_ctl.middleware import ANSWER_HEADERS
from postmta_ctl.store.paging import DEFAULT_LIMIT, PageRequest, page_request
from postmta_ctl.store.versions import Condition, etag
from postmta_ctl.system import System

if TYPE_CHECKING:
    from postmta_ctl.features.auth import service as auth
else:
    # With all that it uses of other features, which /health does not wait for.
    auth = lazily("postmta_ctl.features.auth.service")

log = structlog.get_logger(__name__)

_MISSING = re.compile(r"Missing required query parameter '(?P<name>[^']+)'")

AnyRequest = Request[Any, Any, Any]
TheSystem = NamedDependency[System]
"""Parameter ``system`` of a route: the parts this process works with."""
Caller = NamedDependency[Principal]
"""Parameter ``principal`` of a route: who is asking."""
Paging = NamedDependency[PageRequest]
"""Parameter ``paging`` of a route: ``limit``, ``cursor`` and ``sort`` of the query string."""

Unchanged = NamedDependency[Condition]
"""Parameter ``unchanged`` of a route: what ``If-Match`` asks for; hand it to the service, which knows the thing."""
ClientAddress = NamedDependency[str]
"""Parameter ``client_address`` of a public route: where the request comes from."""

T = TypeVar("T")
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match", description="`ETag` of the version to change; with any other, nothing is done and 412 says so."
    ),
]
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

PUBLIC: dict[str, Any] = {"public": True}
"""``opt`` of a route that asks for no credential."""


def scope(name: str) -> dict[str, Any]:
    """``opt`` of a route that needs this scope."""
    return {"scope": name}


def also(media_type: str, words: str) -> dict[str, Any]:
    """Part of ``opt``: the answer may be of another media type, if asked for as the words say."""
    return {"also": {media_type: words}}


def sortable(*fields: str) -> dict[str, Any]:
    """Part of ``opt``: what a list can be sorted by beside ``created_at``; its query has to know each of them."""
    return {"sortable": fields}


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """The form of an operation that is another service's, for the document: part of ``opt`` under ``form``."""

    name: str
    """The service; its schemas are named after it."""
    body: type[msgspec.Struct]
    errors: type[msgspec.Struct]
    """The body of every error."""
    statuses: tuple[str, ...]
    """Of errors."""
    answers: Mapping[str, Mapping[str, str]]
    """Statuses of what is no error: no body, but these headers, with what each says."""
    fields: Mapping[str, str]
    """What becomes of fields of the body, by their paths."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as RFC 9457 describes it, extended by ``code``, ``request_id`` and the fields at fault."""

    title: str
    status: int
    detail: str
    code: str
    request_id: str = ""
    errors: tuple[FieldError, ...] = ()
    type: str = "about:blank"


def system_of(connection: ASGIConnection[Any, Any, Any, Any]) -> System:
    """The parts this process works with."""
    system: System = connection.app.state.system
    return system


def provide_system(request: AnyRequest) -> System:
    """Dependency ``system``."""
    return system_of(request)


def provide_principal(request: AnyRequest) -> Principal:
    """Dependency ``principal``: who :func:`guard` found to be asking."""
    principal: Principal = request.scope["user"]
    return principal


def parts_of(request: AnyRequest) -> tuple[System, Principal]:
    """What ``system`` and ``principal`` would be, for the busiest routes: Litestar starts a task for each of several
    dependencies, which takes as long as all the rest of it.
    """
    return system_of(request), provide_principal(request)


def provide_paging(
    request: AnyRequest,
    limit: FromQuery[int] = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
    sort: FromQuery[str | None] = None,
) -> PageRequest:
    """Dependency ``paging``: ``limit``, ``cursor`` and ``sort`` of the query string."""
    return page_request(limit, cursor, sort, request.route_handler.opt.get("sortable", ()))


def provide_condition(if_match: IfMatch = None) -> Condition:
    """Dependency ``unchanged``: what ``If-Match`` asks for."""
    return Condition(if_match)


def provide_address(request: AnyRequest) -> str:
    """Dependency ``client_address``: where the request comes from."""
    return address_of(request)


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The client's IP address; behind a trusted proxy, the one that the proxy names."""
    return address_in(system_of(connection), connection.scope)


def address_in(system: System, scope: Scope) -> str:
    """The same of an ASGI scope."""
    client = scope["client"]
    forwarded = b",".join([value for name, value in scope["headers"] if name == b"x-forwarded-for"])
    return client_address(client[0] if client else "", forwarded.decode("latin-1"), system.settings.proxies)


def tagged(shown: T, version: object = None) -> Response[T]:
    """Answer with a thing and the ``ETag`` of its version, which is the thing itself if none is given."""
    return Response(shown, headers={"ETag": etag(shown if version is None else version)})


async def refuse_nul(request: AnyRequest) -> None:
    """Refuse U+0000 in what customers send: PostgreSQL keeps no text that has it, and no field of ours means it.

    Raises:
        InvalidRequest: A parameter of the query or a field of the body has one.
    """
    if not request.scope["path"].startswith("/api/") or request.route_handler.opt.get("judges_items"):
        return
    message = "must not hold the character U+0000"
    if b"%00" in request.scope["query_string"]:
        name = next((name for name, value in request.query_params.multi_items() if "\0" in f"{name}{value}"), "query")
        raise errors.InvalidRequest.of(name, message, code="nul")
    body = await request.body()
    if b"\\u0000" in body and _NUL.search(body):
        try:
            field = field_with_nul(msgspec.json.decode(body))
        except msgspec.DecodeError:
            return  # for whoever reads it as what it is
        raise errors.InvalidRequest.of(field or "body", message, code="nul")


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Stand before every route: find the principal, and check the scope that the route declares.

    Raises:
        Unauthenticated: No valid credential.
        RateLimited: There were too many requests.
        NotFound: An id in the path is none.
        PermissionDenied: The role or the key does not have the scope.
    """
    system, state = system_of(connection), connection.scope["state"]
    headers: rate_limits.Headers = state.setdefault(ANSWER_HEADERS, {})
    if handler.opt.get("public"):
        if connection.scope["path"].startswith("/api/"):
            await rate_limits.count(system, rate_limits.of_address(system, address_of(connection)), headers)
        return
    principal = await auth.authenticate(
        system, connection.headers, address=address_of(connection), request_id=state.get("request_id", "")
    )
    await rate_limits.count(system, rate_limits.of_principal(system, principal), headers)
    principal.require(handler.opt["scope"])
    for name, value in connection.path_params.items():
        if name.endswith("_id") and not is_id(str(value)):
            raise errors.NotFound("There is nothing of this id.")
    connection.scope["user"] = principal


def problem(request: AnyRequest, error: PostMTAError) -> Response[bytes]:
    """Answer an error as ``application/problem+json``."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = Problem(
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        request_id=request.scope.get("state", {}).get("request_id", ""),
        errors=error.errors,
    )
    content = msgspec.json.encode(body)
    return Response(content, status_code=error.status, media_type="application/problem+json", headers=headers)


def on_own_error(request: AnyRequest, error: PostMTAError) -> Response[bytes]:
    """One of ours: answered as it says."""
    if error.status >= 500:
        log.warning("request failed", code=error.code, detail=error.detail)
    return problem(request, error)


def on_http_exception(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """One of Litestar's, put into our words."""
    return problem(request, translated(error))


def on_database_error(request: AnyRequest, error: Exception) -> Response[bytes]:
    """The database is locked, full or away: nobody's fault, and it may pass."""
    log.error("the database cannot be used", exc_info=error)
    return problem(request, errors.Busy("The database cannot be used at present.", retry_after=5))


def on_unexpected(request: AnyRequest, error: Exception) -> Response[bytes]:
    """A bug of ours: the log gets all of it, the caller only the request id."""
    if isinstance(error, RecursionError):
        log.warning("a body nested too deeply", exc_info=error)
        return problem(request, errors.MalformedRequest("The body is nested too deeply."))
    if isinstance(error, UnicodeDecodeError):
        log.warning("a body that is not UTF-8", exc_info=error)
        return problem(request, errors.MalformedRequest("The body cannot be read as UTF-8."))
    log.error("unexpected error", exc_info=error)
    return problem(request, PostMTAError("An unexpected error occurred; quote the request id when you report it."))


def translated(error: HTTPException) -> PostMTAError:
    """What an exception of Litestar means, in our words."""
    if isinstance(error, ValidationException):
        return _invalid(error)
    if isinstance(error, NotFoundException):
        return errors.NotFound("There is nothing at this address.")
    own = PostMTAError(error.detail or "The request cannot be answered.", code="http_error")
    if isinstance(error, MethodNotAllowedException):
        own.code = "method_not_allowed"
    elif error.status_code == 413:
        return errors.PayloadTooLarge("The body is larger than this endpoint reads.")
    elif error.status_code == 400:
        return errors.MalformedRequest("The body cannot be read as JSON.")
    own.status, own.title = error.status_code, "Request refused"
    return own


def _invalid(error: ValidationException) -> PostMTAError:
    extra = error.extra if isinstance(error.extra, list) else []
    found = tuple(_named(str(item["message"]), str(item.get("key") or "")) for item in extra)
    if not found and (missing := _MISSING.match(error.detail)):
        return errors.InvalidRequest.of(missing["name"], "is needed", code="missing")
    if not found:
        return errors.MalformedRequest(error.detail)
    return errors.InvalidRequest("; ".join(f"{one.field}: {one.message}" for one in found), errors=found)


def _named(message: str, key: str) -> FieldError:
    # Litestar calls the body "data", after the parameter of the handler; of a missing one it only says that name.
    if message == "'data'":
        return FieldError(field="body", message="a JSON body is needed", code="missing")
    return field_error(message, "" if key == "data" else key)
