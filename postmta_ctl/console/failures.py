"""Errors as pages: the same ones that the API answers as problems."""

from __future__ import annotations

from urllib.parse import urlencode

import structlog
from litestar.exceptions import HTTPException

from postmta_ctl.console import session
from postmta_ctl.console.rendering import Page, fragment, page, see
from postmta_ctl.errors import InvalidCredentials, PostMTAError, Unauthenticated
from postmta_ctl.web import AnyRequest, translated

log = structlog.get_logger(__name__)


def is_fragment(request: AnyRequest) -> bool:
    """Whether a part of a page asks."""
    return request.headers.get("hx-request") == "true"


def on_own_error(request: AnyRequest, error: PostMTAError) -> Page:
    """One of ours."""
    if isinstance(error, Unauthenticated) and not isinstance(error, InvalidCredentials):
        return _log_in(request)
    if error.status >= 500:
        log.warning("page failed", code=error.code, detail=error.detail)
    return _shown(request, error)


def on_http_exception(request: AnyRequest, error: HTTPException) -> Page:
    """One of Litestar's, in our words."""
    return _shown(request, translated(error))


def on_unexpected(request: AnyRequest, error: Exception) -> Page:
    """A bug of ours: the log gets all of it, the reader the request id."""
    log.error("unexpected error", exc_info=error)
    return _shown(request, PostMTAError("An unexpected error occurred; quote the request id when you report it."))


def _shown(request: AnyRequest, error: PostMTAError) -> Page:
    show = fragment if is_fragment(request) else page
    name = "failure_part.html" if is_fragment(request) else "failure.html"
    request_id = request.scope.get("state", {}).get("request_id", "")
    answer = show(request, name, status=error.status, failure=error, request_id=request_id)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _log_in(request: AnyRequest) -> Page:
    """To the log-in and back. What was posted is not repeated, so that leads back to the overview."""
    page_shown = request.headers.get("hx-current-url") if is_fragment(request) else _address(request)
    path = "/" + (page_shown or "").partition("://")[2].partition("/")[2]
    wanted = session.own_page(path) if is_fragment(request) or request.method == "GET" else session.PATH
    target = f"{session.PATH}/login?{urlencode({'next': wanted})}"
    if is_fragment(request):
        answer = fragment(request, "empty.html")
        answer.headers["HX-Redirect"] = target
        return answer
    return see(request, target)


def _address(request: AnyRequest) -> str:
    return str(request.url)
