"""Opens and clicks, answered before the router: they come in the largest numbers, and need next to nothing of it.

Whatever is not a valid token goes on to the routes, which answer it as they document.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from postmta_ctl.core.tracking import PIXEL
from postmta_ctl.features.tracking import service
from postmta_ctl.features.tracking.routes import NO_CACHE
from postmta_ctl.system import System

log = structlog.get_logger(__name__)

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers, body."""
_URL_SAFE = "/#%[]=:;$&()+,!?*@'~"
"""What stays as it is in a header: the grammar of URLs; the rest becomes percent-encoded UTF-8."""
OPEN, CLICK = "/track/open/", "/track/click/"
_NO_CACHE = [(name.lower().encode(), value.encode()) for name, value in NO_CACHE.items()]
_GIF = [(b"content-type", b"image/gif"), (b"content-length", str(len(PIXEL)).encode()), *_NO_CACHE]


class TrackingShortcut:
    """ASGI middleware around the router.

    Args:
        app: The router.
        system: The parts this process works with.
    """

    def __init__(self, app: ASGIApp, system: System) -> None:
        self._app, self._system = app, system

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = None
        if scope["type"] == ScopeType.HTTP and scope["method"] == "GET":
            found = await self._answer(scope)
        if found is None:
            await self._app(scope, receive, send)
            return
        status, headers, body = found
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _answer(self, scope: Any) -> Answer | None:
        path = scope["path"]
        try:
            if path.startswith(OPEN):
                scope["path_template"] = OPEN + "{token}"
                return await self._opened(path[len(OPEN) :].removesuffix(".gif"), _user_agent(scope))
            if path.startswith(CLICK):
                scope["path_template"] = CLICK + "{token}"
                return await self._clicked(path[len(CLICK) :], _user_agent(scope))
        except Exception as error:
            # The routes try once more, and know how to answer what goes wrong.
            log.warning("a fetch was not noted", error=str(error))
        return None

    async def _opened(self, token: str, user_agent: str) -> Answer | None:
        noted = await service.noted_open(self._system, token, user_agent)
        return (200, _GIF, PIXEL) if noted else None

    async def _clicked(self, token: str, user_agent: str) -> Answer | None:
        url = await service.noted_click(self._system, token, user_agent)
        if url is None:
            return None
        location = quote(url, safe=_URL_SAFE).encode()
        return 302, [(b"location", location), (b"content-length", b"0"), *_NO_CACHE], b""


def _user_agent(scope: Any) -> str:
    return str(next((value for name, value in scope["headers"] if name == b"user-agent"), b"").decode("latin-1"))
