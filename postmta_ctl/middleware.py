"""A request id for every request, and one log line and a count when it is answered."""

from __future__ import annotations

import re
import time
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from postmta_ctl.core.chance import chance
from postmta_ctl.metrics import Metrics

log = structlog.get_logger(__name__)
ANSWER_HEADERS = "postmta_answer_headers"
"""Key of the request's state: headers that every answer gets, that of an error too."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,128}")


class RequestId:
    """ASGI middleware: takes ``X-Request-ID`` from the caller if it is harmless, else makes one.

    The id is in the answer, in every log line of the request and in every error.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        scope["state"]["request_id"] = own = request_id(scope)
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", [])
                more = scope["state"].get(ANSWER_HEADERS, {})
                encoded = [(name.lower().encode(), value.encode()) for name, value in more.items()]
                message["headers"] = [*message["headers"], (b"x-request-id", own.encode()), *encoded]
            await send(message)

        bound = structlog.contextvars.bind_contextvars(request_id=own)
        try:
            await self._app(scope, receive, send_with_id)
            elapsed = time.perf_counter() - started
            # Unknown methods are of anybody's making, and each would be a time series.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            metrics: Metrics = scope["litestar_app"].state.system.metrics
            metrics.answered(method, scope.get("path_template") or "unknown", status, elapsed)
            milliseconds = round(elapsed * 1000, 1)
            log.info("request", method=scope["method"], path=scope["path"], status=status, milliseconds=milliseconds)
        finally:
            structlog.contextvars.reset_contextvars(**bound)


def request_id(scope: Any) -> str:
    """The caller's id of the request, if it is harmless, else a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    return given if _ACCEPTABLE.fullmatch(given) else chance.digits(32)
