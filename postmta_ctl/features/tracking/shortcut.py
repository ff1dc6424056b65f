"""Opens and clicks, answered before the router: they come in the largest numbers, and need next to nothing of it.

Whatever is not a valid token goes on to the routes, which answer it as they document.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from postmta_ctl.core.tracking import PIXEL
from postmta_ctl.errors import Busy
from postmta_ctl.features.tracking import service
from postmta_ctl.features.tracking.routes import NO_CACHE
from postmta_ctl.middleware import request_id
from postmta_ctl.system import System

Answer = tuple[str, int, list[tuple[bytes, bytes]], bytes]
"""Route, status, headers, body."""
_URL_SAFE = "/#%[]=:;$&()+,!?*@'~"
"""What stays as it is in a header: the grammar of URLs; the rest becomes percent-encoded UTF-8."""
OPEN, CLICK = "/track/open/", "/track/click/"
OPEN_ROUTE, CLICK_ROUTE = OPEN + "{token}", CLICK + "{token}"
_NO_CACHE = [(name.lower().encode(), value.encode()) for name, value in NO_CACHE.items()]
_GIF = [(b"content-type", b"image/gif"), (b"content-length", str(len(PIXEL)).encode()), *_NO_CACHE]


class TrackingShortcut:
    """ASGI middleware around all else; it writes no line of log for what it answers, and counts it.

    Args:
        app: What answers all else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started = time.perf_counter()
        found = None
        if scope["type"] == ScopeType.HTTP and scope["method"] == "GET":
            found = _answer(scope["litestar_app"].state.system, scope)
        if found is None:
            await self._app(scope, receive, send)
            return
        route, status, headers, body = found
        headers = [*headers, (b"x-request-id", request_id(scope).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
        scope["litestar_app"].state.system.metrics.answered("GET", route, status, time.perf_counter() - started)


def _answer(system: System, scope: Any) -> Answer | None:
    path = scope["path"]
    try:
        if path.startswith(OPEN):
            return _opened(system, path[len(OPEN) :].removesuffix(".gif"), _user_agent(scope))
        if path.startswith(CLICK):
            return _clicked(system, path[len(CLICK) :], _user_agent(scope))
    except Busy:
        pass  # The routes try once more, and know how to say it.
    return None


def _opened(system: System, token: str, user_agent: str) -> Answer | None:
    return (OPEN_ROUTE, 200, _GIF, PIXEL) if service.opened(system, token, user_agent) else None


def _clicked(system: System, token: str, user_agent: str) -> Answer | None:
    url = service.clicked(system, token, user_agent)
    if url is None:
        return None
    location = quote(url, safe=_URL_SAFE).encode()
    return CLICK_ROUTE, 302, [(b"location", location), (b"content-length", b"0"), *_NO_CACHE], b""


def _user_agent(scope: Any) -> str:
    return str(next((value for name, value in scope["headers"] if name == b"user-agent"), b"").decode("latin-1"))
